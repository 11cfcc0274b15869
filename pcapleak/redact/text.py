"""Signalling text: what names an address is renamed, every other letter and digit covered."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from urllib.parse import unquote_plus

from pcapleak.errors import DecodeError
from pcapleak.protocols.candidate import CandidateLine, format_candidate, parse_candidate
from pcapleak.protocols.foundation import aioice_foundation, libwebrtc_foundation
from pcapleak.redact.canvas import Canvas, blank
from pcapleak.redact.names import Renamer
from pcapleak.tracking.ice.foundations import find_bases

_CANDIDATE = rb"candidate:[A-Za-z0-9+/]{1,32} [^\r\n\"'<>\\]{1,1000}"
_SECRET = rb"(?:ice-ufrag:|ice-pwd:|\bufrag\W{1,4})[A-Za-z0-9+/]{4,256}"
_IPV4 = rb"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])"
_IPV6 = rb"(?<![0-9A-Fa-f:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,15}(?![0-9A-Fa-f:])"
_MDNS = rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\.local"
_ESCAPE = rb"\\."
_MEANT = re.compile(b"|".join((_ESCAPE, _CANDIDATE, _SECRET, _MDNS, _IPV4, _IPV6)), re.DOTALL)
_COVER = bytes(
    ord("0") if 48 <= c < 58 else ord("x") if 97 <= c < 123 or c >= 128
    else ord("X") if 65 <= c < 91 else c
    for c in range(256)
)  # fmt: skip


def redact_text(renamer: Renamer, text: bytes) -> Canvas:
    """The text with its addresses, names, candidates and credentials renamed."""
    if b"candidate%3" in text:
        text = unquote_plus(text.decode("latin-1")).encode("utf-8", "replace")
    canvas = blank()
    at = 0
    for match in _MEANT.finditer(text):
        canvas.append(text[at : match.start()].translate(_COVER), known=False)
        canvas.append(_renamed(renamer, match.group()))
        at = match.end()
    canvas.append(text[at:].translate(_COVER), known=False)
    return canvas


def _renamed(renamer: Renamer, found: bytes) -> bytes:
    if found.startswith(b"\\"):
        return found if found[1:2] in b'rntbfu/"\\' else b"\\" + found[1:].translate(_COVER)
    if found.startswith(b"candidate:"):
        try:
            return format_candidate(
                redact_candidate(renamer, parse_candidate(found.decode("latin-1")))
            ).encode()
        except DecodeError:
            return found.translate(_COVER)
    word = re.match(rb"(?:ice-ufrag:|ice-pwd:|ufrag\W{1,4})", found)
    if word is not None:
        return word.group() + renamer.token(found[word.end() :])
    return renamer.host(found.decode("ascii")).encode()


def redact_candidate(renamer: Renamer, line: CandidateLine) -> CandidateLine:
    """A candidate line with its addresses, name, fragment and foundation renamed."""
    related = line.related_address
    return replace(
        line,
        foundation=_foundation(renamer, line),
        address=renamer.host(line.address),
        related_address=None if related is None else renamer.host(related),
        extensions=tuple(
            (name, renamer.token(value.encode()).decode() if name == "ufrag" else value)
            for name, value in line.extensions
        ),
    )


def _foundation(renamer: Renamer, line: CandidateLine) -> str:
    """A foundation that gives away the renamed address as the old one gave away the old."""
    protocol = line.transport.lower()
    known = [str(address) for address in sorted(renamer.seen, key=str)]
    for base in find_bases(
        line.foundation,
        line.type,
        protocol,
        addresses=["0.0.0.0", "::", *known],  # noqa: S104  written addresses, nothing binds
        tie_breakers=sorted(renamer.tie_breakers),
    ):
        return libwebrtc_foundation(
            line.type, renamer.host(base.address), protocol, "", base.tie_breaker
        )
    for address in known:
        if line.foundation == aioice_foundation(line.type, protocol, address):
            return aioice_foundation(line.type, protocol, renamer.host(address))
    if line.foundation.isdecimal() and len(line.foundation) < 7:
        return line.foundation  # a counter, as Firefox writes it
    token = renamer.token(line.foundation.encode())
    return str(zlib.crc32(token)) if line.foundation.isdecimal() else token.decode()
