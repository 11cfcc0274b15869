"""What a page or its browser's own tools say of ICE candidates, time zone and languages, read from
saved text.

Understood are dumps of chrome://webrtc-internals, `about:webrtc` saved as text or page,
getStats results and RTCIceCandidate objects as JSON, session descriptions, and bare
candidate lines, in whatever they stand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pcapleak.decode.ice.candidate import CandidateLine, find_candidates, format_candidate
from pcapleak.values.packets import IPAddress

Side = Literal["local", "remote", "unknown"]
PageSource = Literal["line", "stats"]

MAX_DEPTH = 64
"""Nesting of JSON that is followed; real dumps have about ten levels."""

MAX_CANDIDATES = 10_000
"""Candidates taken from one text."""

MAX_TEXT = 64 << 20
"""Characters of one file that are searched; webrtc-internals dumps have some megabytes."""

_ZONE = re.compile(
    r"""(?:time_?zone(?:_?(?:id|name))?|[?&]tz)["']?\s{0,8}[:=]\s{0,8}["']?"""
    r"""((?:[A-Z][A-Za-z]{1,20}/[A-Za-z0-9_+-]{1,30}(?:/[A-Za-z0-9_+-]{1,30})?)|UTC|GMT)\b""",
    re.IGNORECASE,
)
_LANGUAGES = re.compile(
    r"""(?:accept-?language|languages?|locale)["']?\s{0,8}[:=]\s{0,8}"""
    r"""(?:\[([^\]\[]{2,400})\]|["']?([A-Za-z]{2,3}[A-Za-z0-9*;=.,_ -]{0,200}))""",
    re.IGNORECASE,
)

_UFRAG = re.compile(r"ice-ufrag:([A-Za-z0-9+/]{4,256})")

_SIDES: dict[str, Side] = {
    "icecandidate": "local",
    "onicecandidate": "local",
    "setlocaldescription": "local",
    "setlocaldescriptiononsuccess": "local",
    "createoffer": "local",
    "createofferonsuccess": "local",
    "createanswer": "local",
    "createansweronsuccess": "local",
    "localdescription": "local",
    "localsdp": "local",
    "local-candidate": "local",
    "localcandidate": "local",
    "local": "local",
    "addicecandidate": "remote",
    "setremotedescription": "remote",
    "setremotedescriptiononsuccess": "remote",
    "remotedescription": "remote",
    "remotesdp": "remote",
    "remote-candidate": "remote",
    "remotecandidate": "remote",
    "remote": "remote",
}
"""Event types, keys and headings that say whose candidates follow."""

_ABOUT_WEBRTC = re.compile(
    r"\b(?P<address>[0-9a-fA-F.:]+|[0-9a-zA-Z-]+\.local)[:/](?P<port>\d{1,5})"
    r"/(?P<protocol>udp|tcp)\((?P<type>host|srflx|prflx|relay)\)"
)
"""How Firefox writes a candidate in its tables and log: 192.0.2.1:4711/udp(host)."""


class PageCandidate(Struct, frozen=True):
    """A candidate as the browser told it. What was left out is None."""

    type: str
    protocol: str
    address: str | None
    port: int | None
    priority: int | None = None
    foundation: str | None = None
    username_fragment: str | None = None
    related_address: str | None = None
    related_port: int | None = None
    side: Side = "unknown"
    source: PageSource = "line"
    line: CandidateLine | None = None

    @property
    def ip(self) -> IPAddress | None:
        """The address; None for a name, or where it was left out."""
        try:
            return None if self.address is None else ip_address(self.address)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """The line, or what of it is known."""
        if self.line is not None:
            return format_candidate(self.line)
        words = [
            f"candidate:{self.foundation or '?'} ? {self.protocol}",
            "?" if self.priority is None else str(self.priority),
            self.address or "?",
            "?" if self.port is None else str(self.port),
            f"typ {self.type}",
        ]
        return " ".join(words)


def read_page(text: str) -> list[PageCandidate]:
    """Every candidate the text tells, each once, in the order they stand."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        found = _in_text(text, "unknown")
    else:
        found = _in_json(document, "unknown", 0)
    candidates: dict[PageCandidate, None] = {}
    for candidate in found:
        candidates.setdefault(candidate)
        if len(candidates) >= MAX_CANDIDATES:
            break
    return _without_repeats(list(candidates))


def _without_repeats(candidates: list[PageCandidate]) -> list[PageCandidate]:
    """Statistics repeat what lines told in full, and descriptions what events told: the first
    line is kept, with whatever is known of its side."""
    kept: dict[tuple[object, ...], PageCandidate] = {}
    for candidate in sorted(candidates, key=lambda one: one.source == "stats"):
        # Firefox's statistics have the real port of a TCP candidate whose line has 9.
        port = candidate.port if candidate.protocol == "udp" else None
        key = (
            candidate.type,
            candidate.protocol,
            candidate.priority,
            candidate.foundation,
            port,
        )
        known = kept.setdefault(key, candidate)
        if known.side == "unknown" and candidate.side != "unknown":
            kept[key] = replace(known, side=candidate.side)
    return list(kept.values())


def _in_text(text: str, side: Side) -> Iterator[PageCandidate]:
    fragments = set(_UFRAG.findall(text))
    fragment = fragments.pop() if len(fragments) == 1 else None
    for line in find_candidates(text):
        yield candidate_of_line(line, side, fragment)
    for match in _ABOUT_WEBRTC.finditer(text):
        if int(match["port"]) < 65536:
            yield PageCandidate(
                match["type"],
                match["protocol"],
                match["address"].lower(),
                int(match["port"]),
                side=side,
                source="stats",
            )


def candidate_of_line(line: CandidateLine, side: Side, fragment: str | None) -> PageCandidate:
    """A candidate by its line; `fragment` where the line itself names none."""
    return PageCandidate(
        line.type,
        line.transport.lower(),
        line.address.lower(),
        line.port,
        line.priority,
        line.foundation,
        line.username_fragment or fragment,
        line.related_address,
        line.related_port,
        side,
        "line",
        line,
    )


def _in_json(value: object, side: Side, depth: int) -> Iterator[PageCandidate]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, str):
        if "candidate:" in value or "/udp(" in value or "/tcp(" in value:
            yield from _in_text(value, side)
    elif isinstance(value, list):
        for item in value:
            yield from _in_json(item, side, depth + 1)
    elif isinstance(value, dict):
        kind = str(value.get("type", "")).lower()
        here = _SIDES.get(kind, side)
        stats = candidate_of_parts(value, here)
        if stats is not None:
            yield stats
            return
        for key, item in value.items():
            yield from _in_json(item, _SIDES.get(str(key).lower(), here), depth + 1)


def candidate_of_parts(value: dict[str, object], side: Side) -> PageCandidate | None:
    """An RTCIceCandidateStats dictionary (webrtc-stats section 8.16), or an RTCIceCandidate
    that has its parts spelled out."""
    kind = value.get("candidateType")
    if not isinstance(kind, str) or kind not in ("host", "srflx", "prflx", "relay"):
        return None
    remote = value.get("isRemote")
    if isinstance(remote, bool):
        side = "remote" if remote else "local"
    address = _text(value.get("address")) or _text(value.get("ip"))
    return PageCandidate(
        kind,
        (_text(value.get("protocol")) or "udp").lower(),
        address.lower() if address else None,
        _number(value.get("port")),
        _number(value.get("priority")),
        _text(value.get("foundation")),
        _text(value.get("usernameFragment")),
        _text(value.get("relatedAddress")),
        _number(value.get("relatedPort")),
        side,
        "stats",
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class PageTest(NamedTuple):
    """How pcapleak's own test page was run: what its silence means follows from it."""

    microphone: bool
    """Granted."""
    relay_only: bool
    complete: bool
    """Every connection gathered to its end."""
    engine: Literal["chromium", "firefox", "webkit"] | None = None
    """As its User-Agent says."""


class PageFacts(NamedTuple):
    """What was found, as it was written."""

    timezone: str | None
    languages: str | None
    """A list of tags as Accept-Language or navigator.languages has it."""
    test: PageTest | None = None
    """None for whatever else was saved from a browser."""


def read_page_facts(text: str) -> PageFacts:
    """The first time zone and the longest list of languages that the text names.

    Understood are JSON (`"timeZone": "Europe/Berlin"`, `"languages": ["de-DE", "de"]`) and
    lines such as `Accept-Language: de-DE,de;q=0.9`.
    """
    zone = _ZONE.search(text, 0, MAX_TEXT)
    lists = [
        " ".join((found[1] or found[2]).split()) for found in _LANGUAGES.finditer(text, 0, MAX_TEXT)
    ]
    return PageFacts(zone[1] if zone else None, max(lists, key=len, default=None))
