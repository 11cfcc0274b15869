"""What pcapleak's own test page read, from the JSON it saves (docs/reading.md).

The file comes from a browser, so nothing of it is trusted: every field has a type and a bound,
and what a later version adds is passed over.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from pcapleak.decode.ice.candidate import parse_candidate
from pcapleak.decode.ice.page import (
    MAX_CANDIDATES,
    PageCandidate,
    PageFacts,
    PageTest,
    candidate_of_line,
    candidate_of_parts,
)
from pcapleak.errors import DecodeError

MARK = "pcapleak_reading"
"""The key that tells a reading from other JSON; its value is the version."""

VERSION = 1

MAX_CONNECTIONS = 64
"""Of one reading: the page makes eight, and two for its call."""
MAX_LANGUAGES = 32
"""Of one reading; browsers have up to ten."""
MAX_STRING = 1024
"""Characters of a text that are kept."""

_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")
_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,8}")


class Reading(NamedTuple):
    """One run of the page."""

    candidates: list[PageCandidate]
    """The browser's own, in the order they came, each once."""
    facts: PageFacts


def is_reading(document: object) -> bool:
    """Whether a JSON document says that it is a reading, of whatever version."""
    return isinstance(document, dict) and MARK in document


def parse_reading(document: object) -> Reading:
    """What a reading tells.

    Raises:
        DecodeError: it is of another version, or no whole reading; the place names the field.
    """
    whole = _object(document, "document")
    version = whole.get(MARK)
    if version is True or version != VERSION:
        raise _wrong(MARK, f"version {str(version)[:20]}, this pcapleak reads {VERSION}")
    options = _object(whole.get("options"), "options")
    connections = _list(whole.get("connections"), "connections", MAX_CONNECTIONS)
    found: dict[PageCandidate, None] = {}
    complete = bool(connections)
    for number, entry in enumerate(connections):
        place = f"connections {number}"
        connection = _object(entry, place)
        complete &= connection.get("complete") is True
        for told in _list(connection.get("candidates"), f"{place} candidates", MAX_CANDIDATES):
            candidate = _candidate(_object(told, f"{place} candidates"))
            if candidate is not None and len(found) < MAX_CANDIDATES:
                found.setdefault(candidate)
    test = PageTest(
        microphone=whole.get("microphone") == "granted",
        relay_only=options.get("relay_only") is True,
        complete=complete,
        engine=_engine(whole.get("user_agent")),
    )
    return Reading(list(found), PageFacts(_zone(whole), _languages(whole), test))


def _candidate(told: dict[str, object]) -> PageCandidate | None:
    """A candidate by its line; by its parts where the browser gave no line that can be read."""
    text = told.get("candidate")
    fragment = told.get("username_fragment")
    fragment = fragment[:256] if isinstance(fragment, str) and fragment else None
    if isinstance(text, str):
        try:
            return candidate_of_line(parse_candidate(text), "local", fragment)
        except DecodeError:
            pass
    return candidate_of_parts(
        {
            "candidateType": told.get("type"),
            "protocol": told.get("protocol"),
            "address": _short(told.get("address")),
            "port": _within(told.get("port"), 0xFFFF),
            "priority": _within(told.get("priority"), 0xFFFF_FFFF),
            "foundation": _short(told.get("foundation")),
            "usernameFragment": fragment,
            "relatedAddress": _short(told.get("related_address")),
            "relatedPort": _within(told.get("related_port"), 0xFFFF),
        },
        "local",
    )


def _engine(agent: object) -> Literal["chromium", "firefox", "webkit"] | None:
    """By the product names that each engine's browsers write."""
    if not isinstance(agent, str):
        return None
    start = agent[:MAX_STRING]
    if "Firefox/" in start:
        return "firefox"
    if "Chrome/" in start or "Chromium/" in start:
        return "chromium"
    return "webkit" if "AppleWebKit/" in start else None


def _zone(whole: dict[str, object]) -> str | None:
    zone = whole.get("time_zone")
    return zone if isinstance(zone, str) and _ZONE.fullmatch(zone) else None


def _languages(whole: dict[str, object]) -> str | None:
    """As Accept-Language writes a list."""
    told = whole.get("languages")
    tags = told[:MAX_LANGUAGES] if isinstance(told, list) else []
    kept = [tag for tag in tags if isinstance(tag, str) and _TAG.fullmatch(tag)]
    return ", ".join(kept) or None


def _short(value: object) -> object:
    return value[:MAX_STRING] if isinstance(value, str) else None


def _within(value: object, most: int) -> object:
    return value if isinstance(value, int) and 0 <= value <= most else None


def _object(value: object, place: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _wrong(place, "no object stands there")
    return value


def _list(value: object, place: str, most: int) -> list[object]:
    if not isinstance(value, list):
        raise _wrong(place, "no list stands there")
    if len(value) > most:
        raise _wrong(place, f"{len(value)} entries, at most {most}")
    return value


def _wrong(place: str, reason: str) -> DecodeError:
    return DecodeError("reading", place, 0, reason)
