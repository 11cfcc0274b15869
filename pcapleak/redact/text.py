"""Signalling text: what names an address is renamed, every other letter and digit covered."""

from __future__ import annotations

import re
import zlib
from ipaddress import ip_address
from urllib.parse import unquote_plus

from msgspec.structs import replace

from pcapleak.decode.ice.candidate import CandidateLine, format_candidate, parse_candidate
from pcapleak.decode.ice.foundation import aioice_foundation, libwebrtc_foundation
from pcapleak.errors import DecodeError
from pcapleak.redact.draft import Draft, blank
from pcapleak.redact.names import Renamer
from pcapleak.track.ice.foundations import PRIVATE_NETWORKS, find_bases

MAX_SEARCHES = 64
"""Foundations whose address is searched for among all private ones, a tenth of a second each."""
MAX_FOUNDATIONS = 2000
"""Foundations tried at all; later ones become hashes of themselves."""
_SEARCHED, _SHORTEST_HASH = 4, 7
"""Digits from which on a foundation is searched for, as the tracker does, and those from which on
it is taken for a hash all the same: one CRC32 in 4000 has fewer, and no counter has so many."""

_CANDIDATE = rb"candidate:[A-Za-z0-9+/]{1,32} [^\r\n\"'<>\\]{1,1000}"
_SECRET_NAME = (
    rb"(?i:ice-ufrag:|ice-pwd:|\bufrag\W{1,4}"
    rb"|\busername_?fragment\\{0,3}\"\s{0,4}:\s{0,4}\\{0,3}\")"
)
_SECRET = _SECRET_NAME + rb"[A-Za-z0-9+/]{4,256}"
_IPV4 = rb"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])"
_IPV6 = rb"(?<![0-9A-Fa-f:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,15}(?![0-9A-Fa-f:])"
_MDNS = rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\.local"
_ESCAPE = rb"\\(?:u[0-9A-Fa-f]{4}|.)"
_MEANT = re.compile(b"|".join((_ESCAPE, _CANDIDATE, _SECRET, _MDNS, _IPV4, _IPV6)), re.DOTALL)
_COVER = bytes(
    c if c in b"\t\r\n" or (32 <= c < 127 and not chr(c).isalnum())
    else ord("0") if 48 <= c < 58 else ord("X") if 65 <= c < 91 else ord("x")
    for c in range(256)
)  # fmt: skip
_NAMING = re.compile(
    r"(?<!\S)\S*@\S*|(?<![0-9./])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])"
    r"|(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,15}"
    r"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|\b[0-9A-Fa-f]{12}\b"
)
"""What the name of a program may hold of a user's: addresses, mail and hardware addresses, UUIDs.
Behind a stroke, four numbers are a version (`Chrome/156.0.0.0`)."""
_TYPES = frozenset(("host", "srflx", "prflx", "relay"))
_TRANSPORTS = frozenset(("udp", "tcp", "ssltcp", "tls"))
_EXTENSIONS = frozenset(
    ("tcptype", "generation", "ufrag", "network-id", "network-cost", "rport", "raddr")
)
_WORDS = frozenset(("active", "passive", "so"))


def cover(text: bytes) -> bytes:
    """The text with everything covered but space and punctuation."""
    return text.translate(_COVER)


def redact_text(renamer: Renamer, text: bytes) -> Draft:
    """The text with its addresses, names, candidates and credentials renamed."""
    if b"candidate%3" in text:
        text = unquote_plus(text.decode("latin-1")).encode("utf-8", "replace")
    draft = blank()
    at = 0
    for match in _MEANT.finditer(text):
        draft.append(cover(text[at : match.start()]), known=False)
        draft.append(_renamed(renamer, match.group()))
        at = match.end()
    draft.append(cover(text[at:]), known=False)
    return draft


def redact_program(renamer: Renamer, text: str) -> str:
    """What a program says of itself, without what tells of its user."""

    def renamed(match: re.Match[str]) -> str:
        try:
            return str(renamer.address(ip_address(match.group())))
        except ValueError:
            return cover(match.group().encode("latin-1", "replace")).decode()

    return _NAMING.sub(renamed, text)


def _renamed(renamer: Renamer, found: bytes) -> bytes:
    if found.startswith(b"\\"):
        if len(found) > 2:
            return b"\\u0078"
        return found if found[1:2] in b'rntbf/"\\' else b"\\" + cover(found[1:])
    if found.startswith(b"candidate:"):
        try:
            return format_candidate(
                redact_candidate(renamer, parse_candidate(found.decode("latin-1")))
            ).encode()
        except DecodeError:
            return cover(found)
    word = re.match(_SECRET_NAME, found)
    if word is not None:
        return word.group() + renamer.token(found[word.end() :])
    return renamer.host(found.decode("ascii")).encode()


def redact_candidate(renamer: Renamer, line: CandidateLine) -> CandidateLine:
    """A candidate line with its addresses, name, fragment and foundation renamed."""
    related = line.related_address
    return replace(
        line,
        foundation=redact_foundation(renamer, line.foundation, line.type, line.transport.lower()),
        transport=line.transport if line.transport.lower() in _TRANSPORTS else "other",
        address=renamer.host(line.address),
        type=line.type if line.type in _TYPES else "other",
        related_address=None if related is None else renamer.host(related),
        extensions=tuple(_extension(renamer, *pair) for pair in line.extensions),
    )


def _extension(renamer: Renamer, name: str, value: str) -> tuple[str, str]:
    """An extension's name and value: numbers and the words of browsers stay."""
    if name == "ufrag":
        return name, renamer.token(value.encode()).decode()
    shown = name in _EXTENSIONS and (value.isdecimal() or value in _WORDS)
    return (name, value) if shown else ("x" * len(name), "x" * len(value))


def redact_foundation(renamer: Renamer, foundation: str, kind: str, protocol: str) -> str:
    """A foundation that gives away the renamed address as the old one gave away the old."""
    if not renamer.settled or len(renamer.foundations) >= MAX_FOUNDATIONS:
        return _stand_in(renamer, foundation)
    key = (foundation, kind, protocol)
    made = renamer.foundations.get(key)
    if made is None:
        made = renamer.foundations[key] = _new_foundation(renamer, *key)
    return made


def _new_foundation(renamer: Renamer, foundation: str, kind: str, protocol: str) -> str:
    searched = len(foundation) >= _SEARCHED and len(renamer.foundations) < MAX_SEARCHES
    for base in find_bases(
        foundation,
        kind,
        protocol,
        addresses=map(ip_address, ("0.0.0.0", "::", *renamer.known)),  # noqa: S104  nothing binds
        tie_breakers=sorted(renamer.tie_breakers),
        networks=PRIVATE_NETWORKS if searched else (),
    ):
        renamed = renamer.host(str(base.address))
        tie = None if base.tie_breaker is None else renamer.tie_breaker(base.tie_breaker)
        return libwebrtc_foundation(kind, renamed, protocol, "", tie)
    for address in renamer.known:
        if foundation == aioice_foundation(kind, protocol, address):
            return aioice_foundation(kind, protocol, renamer.host(address))
    return _stand_in(renamer, foundation)


def _counts(foundation: str) -> bool:
    """Whether a foundation is a small number, which says nothing."""
    return foundation.isdecimal() and len(foundation) < _SHORTEST_HASH


def _stand_in(renamer: Renamer, foundation: str) -> str:
    if _counts(foundation):
        return foundation
    token = renamer.token(foundation.encode("utf-8", "replace"))
    return str(zlib.crc32(token)) if foundation.isdecimal() else token.decode()
