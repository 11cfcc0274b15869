"""ICE candidate lines (RFC 8839 section 5.1) with the extensions that browsers write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from msgspec import Struct

from pcapleak.errors import DecodeError
from pcapleak.values.packets import IPAddress
from pcapleak.values.words import count

MAX_LINE = 1024
"""Longest line read; RFC 8839 sets none, browsers' lines stay below 300 characters."""


class CandidateLine(Struct, frozen=True):
    """A candidate as a page reads it or a description carries it."""

    foundation: str
    component: int
    transport: str
    """`udp` or `tcp` as written; RFC 8839 compares without case."""
    priority: int
    address: str
    """An IP address or a name (`.local`)."""
    port: int
    type: str
    """host, srflx, prflx, relay, or another agent's word."""
    related_address: str | None = None
    related_port: int | None = None
    extensions: tuple[tuple[str, str], ...] = ()
    """Every further pair in order, those with a view below included."""

    def extension(self, name: str) -> str | None:
        """The first extension of this name."""
        for key, value in self.extensions:
            if key == name:
                return value
        return None

    def _number(self, name: str) -> int | None:
        value = self.extension(name)
        return int(value) if value is not None and value.isdecimal() and value.isascii() else None

    @property
    def tcptype(self) -> str | None:
        """active, passive or so (RFC 6544 section 4.5)."""
        return self.extension("tcptype")

    @property
    def username_fragment(self) -> str | None:
        """The `ufrag` extension."""
        return self.extension("ufrag")

    @property
    def generation(self) -> int | None:
        """libwebrtc's count of restarts."""
        return self._number("generation")

    @property
    def network_id(self) -> int | None:
        """libwebrtc's number for the network; it leaves out 0, the wildcard's."""
        return self._number("network-id")

    @property
    def network_cost(self) -> int | None:
        """What libwebrtc reckons using the network costs; it leaves out 0."""
        return self._number("network-cost")

    @property
    def ip(self) -> IPAddress | None:
        """The address, or None where a name stands for it."""
        try:
            return ip_address(self.address)
        except ValueError:
            return None


_ICE_CHARS = re.compile(r"[A-Za-z0-9+/]{1,32}")


def parse_candidate(line: str) -> CandidateLine:
    """Parse one line, with or without `a=` and `candidate:` before it.

    Raises:
        DecodeError: the line does not follow the grammar; the place names the field, the
            offset counts characters.
    """
    text = line.strip("\r\n \t")
    start = line.find(text)
    if len(text) > MAX_LINE:
        raise DecodeError("candidate", "line", start, f"{len(text)} characters, at most {MAX_LINE}")
    for prefix in ("a=", "candidate:"):
        if text[: len(prefix)].lower() == prefix:
            text, start = text[len(prefix) :], start + len(prefix)
    words = [(start + match.start(), match.group()) for match in re.finditer(r"[^ ]+", text)]
    if len(words) < 8:
        raise DecodeError(
            "candidate",
            "line",
            start,
            f"{count(len(words), 'word')}, but a candidate has 8 or more",
        )
    at, foundation = words[0]
    if not _ICE_CHARS.fullmatch(foundation):
        raise DecodeError("candidate", "foundation", at, "not 1 to 32 letters, digits, + or /")
    component = _number(words[1], "component", 1, 256)
    priority = _number(words[3], "priority", 0, 0xFFFF_FFFF)
    port = _number(words[5], "port", 0, 65535)
    at, typ = words[6]
    if typ != "typ":
        raise DecodeError("candidate", "typ", at, f"{typ!r} where 'typ' must be")
    rest = words[8:]
    related_address, related_port = None, None
    if rest and rest[0][1] == "raddr":
        if len(rest) < 2:
            raise DecodeError("candidate", "raddr", rest[0][0], "no address follows")
        related_address, rest = rest[1][1], rest[2:]
    if rest and rest[0][1] == "rport":
        if len(rest) < 2:
            raise DecodeError("candidate", "rport", rest[0][0], "no port follows")
        related_port, rest = _number(rest[1], "rport", 0, 65535), rest[2:]
    if len(rest) % 2:
        at, name = rest[-1]
        raise DecodeError("candidate", f"extension {name}", at, "no value follows")
    extensions = tuple((rest[i][1], rest[i + 1][1]) for i in range(0, len(rest), 2))
    return CandidateLine(
        foundation,
        component,
        words[2][1],
        priority,
        words[4][1],
        port,
        words[7][1],
        related_address,
        related_port,
        extensions,
    )


def _number(word: tuple[int, str], place: str, low: int, high: int) -> int:
    at, text = word
    if not (text.isdecimal() and text.isascii()) or len(text) > 10:
        raise DecodeError("candidate", place, at, f"{text!r} is not a number")
    value = int(text)
    if not low <= value <= high:
        raise DecodeError("candidate", place, at, f"{value} is not within {low} to {high}")
    return value


def format_candidate(candidate: CandidateLine) -> str:
    """The line from `candidate:` on, as RFC 8839 orders it."""
    words = [
        f"candidate:{candidate.foundation}",
        str(candidate.component),
        candidate.transport,
        str(candidate.priority),
        candidate.address,
        str(candidate.port),
        "typ",
        candidate.type,
    ]
    if candidate.related_address is not None:
        words += ["raddr", candidate.related_address]
    if candidate.related_port is not None:
        words += ["rport", str(candidate.related_port)]
    for name, value in candidate.extensions:
        words += [name, value]
    return " ".join(words)


_IN_TEXT = re.compile(r"candidate:[A-Za-z0-9+/]{1,32} [^\r\n\"'<>\\]{1,1000}")


def find_candidates(text: str) -> Iterator[CandidateLine]:
    """Every candidate line inside a text: SDP, JSON (with its escapes), logs, HTML.

    What begins like a candidate and does not follow the grammar is left out.
    """
    for match in _IN_TEXT.finditer(text):
        try:
            yield parse_candidate(match.group())
        except DecodeError:
            continue
