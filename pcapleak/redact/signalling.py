"""SIP and XMPP messages: their structure and candidates stay, who speaks to whom goes."""

from __future__ import annotations

import re

from pcapleak.decode.web.sip import parse_sip_head
from pcapleak.errors import DecodeError
from pcapleak.redact.canvas import Canvas, blank
from pcapleak.redact.names import Renamer
from pcapleak.redact.text import cover, redact_foundation, redact_program, redact_text

_KEPT_SIP = frozenset(("content-type", "c", "max-forwards", "cseq", "user-agent", "server"))
_PLACES_SIP = frozenset(
    ("via", "v", "from", "f", "to", "t", "contact", "m", "route", "record-route")
)
"""Fields that say who calls whom, and from where: their addresses are renamed, all else covered."""
_VIA = re.compile(r"SIP/2\.0/[A-Z]{2,5}(?= )")

_ELEMENT = re.compile(rb"<[^<>]{1,4000}>")
_TAG = re.compile(rb"<[/?]?[A-Za-z][\w:.-]{0,63}")
_ATTRIBUTE = re.compile(rb"""([A-Za-z][\w:.-]{0,63})(\s?=\s?)("[^"<>]{0,1000}"|'[^'<>]{0,1000}')""")
_HOSTS = frozenset((b"ip", b"rel-addr"))
_SECRETS = frozenset((b"ufrag", b"pwd"))
_WORDS = frozenset(
    (b"type", b"protocol", b"tcptype", b"action", b"version", b"media", b"creator", b"senders")
)
_NUMBERS = frozenset(
    (b"port", b"rel-port", b"priority", b"component", b"generation", b"network", b"network-id")
)
_SPACES = re.compile(rb"(?:urn:|jabber:|http://etherx\.jabber\.org/)[a-z0-9:/#.-]{0,80}\Z")


def redact_sip(renamer: Renamer, data: bytes, missing: int = 0) -> Canvas | None:
    """The message that fills `data` but for `missing` bytes at its end; None where it is none."""
    try:
        head = parse_sip_head(data)
    except DecodeError:
        return None
    if head is None:
        return None
    message, used = head
    canvas = blank()
    if message.method is None:
        reason = cover(message.target.encode("latin-1", "replace")).decode()
        canvas.append(f"SIP/2.0 {message.status} {reason}\r\n".encode())
    else:
        canvas.append(f"{message.method} sip:x@x.invalid SIP/2.0\r\n".encode())
    for name, value in message.headers:
        made = _sip_field(renamer, name.lower(), value)
        if made is not None:
            canvas.append(f"{name}: ".encode("latin-1", "replace"), known=False)
            canvas.extend(made)
            canvas.append(b"\r\n")
    body = redact_text(renamer, data[used:])
    canvas.append(f"Content-Length: {len(body.out) + missing}\r\n\r\n".encode())
    canvas.extend(body)
    return canvas


def _sip_field(renamer: Renamer, name: str, value: str) -> Canvas | None:
    """A field's value; None where the field goes."""
    canvas = blank()
    if name in _KEPT_SIP:
        canvas.append(redact_program(renamer, value).encode("latin-1", "replace"), known=False)
    elif name in _PLACES_SIP:
        via = _VIA.match(value)
        start = via.end() if via else 0
        canvas.append(value[:start].encode())
        canvas.extend(redact_text(renamer, value[start:].encode("latin-1", "replace")))
    elif name in ("call-id", "i"):
        canvas.append(renamer.token(value.encode("latin-1", "replace")))
    else:
        return None
    return canvas


def redact_stanza(renamer: Renamer, data: bytes) -> Canvas:
    """A piece of an XMPP stream: tags and the attributes of Jingle stay, of all else the
    addresses and candidates."""
    canvas = blank()
    at = 0
    for element in _ELEMENT.finditer(data):
        canvas.extend(redact_text(renamer, data[at : element.start()]))
        canvas.extend(_element(renamer, element.group()))
        at = element.end()
    canvas.extend(redact_text(renamer, data[at:]))
    return canvas


def _element(renamer: Renamer, text: bytes) -> Canvas:
    tag = _TAG.match(text)
    if tag is None:
        return redact_text(renamer, text)
    canvas = blank()
    canvas.append(tag.group(), known=False)
    found = list(_ATTRIBUTE.finditer(text, tag.end()))
    said = {match[1]: match[3][1:-1].decode("latin-1") for match in found}
    of_type, protocol = said.get(b"type", ""), said.get(b"protocol", "").lower()
    at = tag.end()
    for match in found:
        name, value = match[1], match[3][1:-1]
        canvas.append(cover(text[at : match.start()]))
        canvas.append(name + match[2] + match[3][:1], known=False)
        if name == b"foundation":
            made = redact_foundation(renamer, value.decode("latin-1"), of_type, protocol)
            canvas.append(made.encode("latin-1", "replace"))
        else:
            canvas.extend(_value(renamer, name, value))
        canvas.append(match[3][:1])
        at = match.end()
    canvas.append(cover(text[at:]))
    return canvas


def _value(renamer: Renamer, name: bytes, value: bytes) -> Canvas:
    canvas = blank()
    if name in _HOSTS:
        canvas.append(renamer.host(value.decode("utf-8", "replace")).encode("utf-8", "replace"))
    elif name in _SECRETS:
        canvas.append(renamer.token(value))
    elif _says_nothing(name, value):
        canvas.append(value, known=False)
    else:
        canvas.extend(redact_text(renamer, value))
    return canvas


def _says_nothing(name: bytes, value: bytes) -> bool:
    """Whether a value is the protocol's own word or number."""
    if name.startswith(b"xmlns"):
        return _SPACES.match(value) is not None
    if name in _NUMBERS:
        return value.isdigit()
    return name in _WORDS and value.isascii() and value.replace(b"-", b"").isalnum()
