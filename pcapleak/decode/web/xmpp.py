"""XMPP streams (RFC 6120), and the candidates Jingle describes in them (XEP-0176)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pcapleak.decode.ice.candidate import CandidateLine, parse_candidate
from pcapleak.errors import DecodeError

MAX_STANZA = 64 << 10
"""Bytes a stanza may have; servers' own limits are 10 to 256 kB, a description has some kB."""

MAX_PROLOGUE = 256
"""Bytes before the stream's opening tag."""

_OPENING = re.compile(rb"\s{0,16}(?:<\?xml[^>]{0,200}\?>\s{0,16})?<stream:stream\s")
_STANZA_END = re.compile(
    rb"</(?:iq|message|presence|stream:features|stream:stream)\s?>"
    rb"|<(?:starttls|proceed)[^<>]{0,200}/>|<(?:iq|presence)\s[^<>]{0,2000}/>"
)
_PARTS = re.compile(r"<(transport|candidate)\s([^<>]{1,2000})>")
_ATTRIBUTE = re.compile(r"""([a-z-]{1,32})\s?=\s?(?:"([^"<>]{0,300})"|'([^'<>]{0,300})')""")


class XmppStanza(NamedTuple):
    """A stanza, or what else a stream's side says at once, as it was written."""

    payload: bytes

    @property
    def starts_tls(self) -> bool:
        """The server agrees to TLS, which begins with the client's next byte."""
        return b"<proceed" in self.payload[-220:]


def opens_xmpp(data: bytes) -> bool | None:
    """Whether a stream that begins with `data` is XMPP; None while that cannot be said."""
    if _OPENING.match(data):
        return True
    return None if len(data) < MAX_PROLOGUE and data.lstrip().startswith(b"<?xml") else False


def parse_stanza(data: bytes) -> tuple[XmppStanza, int] | None:
    """The text up to the end of the first stanza in `data`, and its length; None while it is not
    all there.

    Raises `DecodeError` where it grows too long.
    """
    end = _STANZA_END.search(data, 0, MAX_STANZA)
    if end is None:
        if len(data) >= MAX_STANZA:
            raise DecodeError("xmpp", "stanza", MAX_STANZA, "no end")
        return None
    return XmppStanza(data[: end.end()]), end.end()


def find_jingle_candidates(text: str) -> Iterator[CandidateLine]:
    """The candidates of Jingle's ICE transport, as lines. Others, and broken ones, are left out."""
    fragment: str | None = None
    for part in _PARTS.finditer(text):
        found = {
            match[1]: match[2] if match[2] is not None else match[3]
            for match in _ATTRIBUTE.finditer(part[2])
        }
        if part[1] == "transport":
            fragment = found.get("ufrag")
            continue
        try:
            yield parse_candidate(_line(found, fragment))
        except (KeyError, DecodeError):
            continue


def _line(found: dict[str, str], fragment: str | None) -> str:
    names = ("foundation", "component", "protocol", "priority", "ip", "port")
    words = [*(found[name] for name in names), "typ", found["type"]]
    for word, name in (
        ("raddr", "rel-addr"),
        ("rport", "rel-port"),
        ("tcptype", "tcptype"),
        ("generation", "generation"),
        ("network-id", "network"),
    ):
        if found.get(name):
            words += [word, found[name]]
    if fragment:
        words += ["ufrag", fragment]
    return " ".join(words)
