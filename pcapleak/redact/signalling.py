"""SIP messages: their structure and candidates stay, who speaks to whom goes."""

from __future__ import annotations

import re

from pcapleak.decode.web.sip import parse_sip_head
from pcapleak.errors import DecodeError
from pcapleak.redact.draft import Draft, blank
from pcapleak.redact.names import Renamer
from pcapleak.redact.text import cover, redact_program, redact_text

_KEPT_SIP = frozenset(("content-type", "c", "max-forwards", "cseq", "user-agent"))
_PLACES_SIP = frozenset(
    ("via", "v", "from", "f", "to", "t", "contact", "m", "route", "record-route")
)
"""Fields that say who calls whom, and from where: their addresses are renamed, all else covered."""
_VIA = re.compile(r"SIP/2\.0/[A-Z]{2,5}(?= )")


def redact_sip(renamer: Renamer, data: bytes, missing: int = 0) -> Draft | None:
    """The message that fills `data` but for `missing` bytes at its end; None where it is none."""
    try:
        head = parse_sip_head(data)
    except DecodeError:
        return None
    if head is None:
        return None
    message, used = head
    draft = blank()
    if message.method is None:
        reason = cover(message.target.encode("latin-1", "replace")).decode()
        draft.append(f"SIP/2.0 {message.status} {reason}\r\n".encode())
    else:
        draft.append(f"{message.method} sip:x@x.invalid SIP/2.0\r\n".encode())
    for name, value in message.headers:
        made = _sip_field(renamer, name.lower(), value)
        if made is not None:
            draft.append(f"{name}: ".encode("latin-1", "replace"), known=False)
            draft.extend(made)
            draft.append(b"\r\n")
    body = redact_text(renamer, data[used:])
    draft.append(f"Content-Length: {len(body.out) + missing}\r\n\r\n".encode())
    draft.extend(body)
    return draft


def _sip_field(renamer: Renamer, name: str, value: str) -> Draft | None:
    """A field's value; None where the field goes."""
    draft = blank()
    if name in _KEPT_SIP:
        draft.append(redact_program(renamer, value).encode("latin-1", "replace"), known=False)
    elif name in _PLACES_SIP:
        via = _VIA.match(value)
        start = via.end() if via else 0
        draft.append(value[:start].encode())
        draft.extend(redact_text(renamer, value[start:].encode("latin-1", "replace")))
    elif name in ("call-id", "i"):
        draft.append(renamer.token(value.encode("latin-1", "replace")))
    else:
        return None
    return draft
