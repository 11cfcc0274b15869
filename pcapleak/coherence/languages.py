"""Languages a browser asks for, and where they are spoken (Unicode CLDR)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from pcapleak.coherence.tables import language_shares

Fit = Literal["agree", "disagree", "uncertain", "unknown"]

COMMON = 10.0
"""Percent of a country's people who use a language, from which on it is at home there."""
MOST = 50.0
"""Percent from which on a language is most people's."""
RARE = 2.0
"""Below this it is a foreign language there."""
MAX_TAGS = 16
"""Languages of one list that are looked at; browsers send up to ten."""

_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")


def parse_languages(text: str) -> tuple[str, ...]:
    """Language tags of an Accept-Language field or a list, most wanted first (RFC 9110
    section 12.5.4)."""
    weighted: list[tuple[float, int, str]] = []
    for number, part in enumerate(text[:1000].split(",")[:MAX_TAGS]):
        tag, _, parameter = part.strip().strip("\"'[] ").partition(";")
        tag = tag.strip().strip("\"'")
        quality = re.search(r"q\s*=\s*([01](?:\.\d{0,3})?)", parameter)
        weight = float(quality[1]) if quality else 1.0
        if _TAG.fullmatch(tag) and weight > 0:
            weighted.append((-weight, number, canonical(tag)))
    return tuple(dict.fromkeys(tag for _, _, tag in sorted(weighted)))


def canonical(tag: str) -> str:
    """A tag as RFC 5646 section 2.1.1 writes it: `pt-BR`, `zh-Hant-TW`."""
    first, *rest = tag.replace("_", "-").split("-")
    words = [first.lower()]
    for part in rest:
        if len(part) == 2:
            words.append(part.upper())
        elif len(part) == 4 and part.isalpha():
            words.append(part.title())
        else:
            words.append(part.lower())
    return "-".join(words)


def region(tag: str) -> str | None:
    """The country a tag names."""
    parts = tag.split("-")[1:]
    return next((part for part in parts if len(part) == 2 and part.isupper()), None)


def share(tag: str, country: str) -> float:
    """Percent of the country's people who use the tag's language."""
    shares = language_shares()
    parts = tag.split("-")
    script = "-".join(parts[:2]) if len(parts) > 1 and len(parts[1]) == 4 else ""
    return max(shares.get(name, {}).get(country, 0.0) for name in (script, parts[0]))


def telling(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags that say where somebody is from: English goes with every other language, so it
    counts only where it stands alone. Tags for one language are one."""
    own = tuple(tag for tag in tags if not tag.startswith("en"))
    return own or tuple(tags)


def language_fit(tags: tuple[str, ...], countries: Iterable[str]) -> Fit:
    """How the languages fit one of these countries.

    English alone never disagrees: it is what browsers ask for where nobody chose, and people
    read it everywhere. A tag that names another country fits only where most people use its
    language (`de-DE` in Austria, but not `fr-FR` in the Netherlands).
    """
    wanted, found = telling(tags), tuple(countries)
    if not wanted or not found:
        return "unknown"
    fits = [_fit(language, wanted, found) for language in {tag.split("-")[0] for tag in wanted}]
    return next(fit for fit in ("agree", "uncertain", "disagree") if fit in fits)


def _fit(language: str, wanted: tuple[str, ...], countries: tuple[str, ...]) -> Fit:
    tags = [tag for tag in wanted if tag.split("-")[0] == language]
    named = {code for tag in tags if (code := region(tag)) is not None}
    best = max(share(tag, country) for tag in tags for country in countries)
    foreign = language == "en" or (bool(named) and named.isdisjoint(countries))
    if not named.isdisjoint(countries) or best >= (MOST if foreign else COMMON):
        return "agree"
    return "uncertain" if language == "en" or best >= RARE else "disagree"


def language_countries(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Countries the languages point to: those named, else where most people use the first."""
    wanted = telling(tags)
    named = dict.fromkeys(code for tag in wanted if (code := region(tag)) is not None)
    if named or not wanted or wanted[0].startswith("en"):
        return tuple(named)
    language = wanted[0].split("-")[0]
    shares = language_shares().get(language, {})
    home = [code for code, percent in shares.items() if percent >= MOST]
    return tuple(sorted(home, key=lambda code: (-shares[code], code)))[:8]
