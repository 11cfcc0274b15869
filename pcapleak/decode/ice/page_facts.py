"""What saved page-side evidence says beside candidates: time zone and languages."""

from __future__ import annotations

import re
from typing import NamedTuple

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


class PageFacts(NamedTuple):
    """What was found, as it was written."""

    timezone: str | None
    languages: str | None
    """A list of tags as Accept-Language or navigator.languages has it."""


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
