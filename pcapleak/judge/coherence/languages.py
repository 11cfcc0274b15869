"""Languages a browser asks for, and where they are spoken (Unicode CLDR)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from pcapleak.judge.coherence.tables import load_languages

Fit = Literal["agree", "disagree", "uncertain", "unknown"]

KNOWN = 2.0
"""Percent of a country's people below which a language is foreign there."""
MOST = 50.0
"""Percent from which on it is most people's."""
MAX_TAGS = 16
"""Languages of one list that are looked at; browsers send up to ten."""

_RENAMED = {
    "hye": "hy", "in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro", "sh": "sr",
    "tl": "fil",
}  # fmt: skip
"""Codes of old, and others than CLDR's, that some clients send."""

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
    words = [_RENAMED.get(first.lower(), first.lower())]
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
    """Percent of the country's people who use the tag's language, in its script."""
    shares = load_languages().shares
    return max(shares.get(name, {}).get(country, 0.0) for name in _names(tag, country))


def is_official(tag: str, country: str) -> bool:
    """Whether the tag's language is official in the country or a region of it."""
    official = load_languages().official
    return any(country in official.get(name, ()) for name in _names(tag, country))


_TRADITIONAL = ("HK", "MO", "TW")
"""Where Chinese is written in traditional characters."""


def _names(tag: str, country: str) -> tuple[str, ...]:
    """Under which a tag's language is known: `zh-Hant`, `zh`. A script that is not the
    country's own is looked for by itself."""
    parts = tag.split("-")
    script = next((part for part in parts[1:] if len(part) == 4), None)
    if parts[0] == "zh" and (script or region(tag)):
        # RFC 5646 section 4.1: the script is left out where the region says it.
        script = script or ("Hant" if region(tag) in _TRADITIONAL else "Hans")
        if (script == "Hant") != (country in _TRADITIONAL):
            return (f"zh-{script}",)
    return (f"{parts[0]}-{script}", parts[0]) if script else (parts[0],)


_NO_COUNTRYS = frozenset(("en", "eo", "ia", "ie", "io", "jbo", "mul", "und", "vo", "zxx"))
"""English, which goes with every language and is asked for where nobody chose; languages that
were made up; and codes for none."""


def telling(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags that say where somebody is from: the first language that is some country's; all
    its tags."""
    own = [tag for tag in tags if tag.split("-")[0] not in _NO_COUNTRYS]
    return tuple(tag for tag in own if tag.split("-")[0] == own[0].split("-")[0])


def language_fit(tags: tuple[str, ...], countries: Iterable[str]) -> Fit:
    """How the languages fit one of these countries: the first of them, that is.

    A language is at home where it is official and people use it. That many learn it is not
    enough to agree (German in the Netherlands), nor is its variety of another continent
    (`pt-PT` in Brazil), nor that few of its country speak it (Welsh), but too much to disagree.
    English alone says nothing, nor does a language that no country's data have.
    """
    wanted, found = telling(tags), tuple(countries)
    if not wanted or not found:
        return "unknown"
    first = wanted[0]
    if first.split("-")[0] not in load_languages().shares:
        return "unknown"
    if any(_at_home(first, country) for country in found):
        far = _variety(first) is not None and all(_overseas(first, country) for country in found)
        return "uncertain" if far else "agree"
    known = any(share(first, one) >= KNOWN or _is_minority(first, one) for one in found)
    return "uncertain" if known else "disagree"


def _is_minority(tag: str, country: str) -> bool:
    """Whether a language is one of few people in the country: official in a region, or spoken
    nowhere else."""
    spoken = load_languages().shares.get(tag.partition("-")[0], {})
    return is_official(tag, country) or set(spoken) == {country}


def _at_home(tag: str, country: str) -> bool:
    return region(tag) == country or (is_official(tag, country) and share(tag, country) >= KNOWN)


_NEW_WORLD = {
    "es": frozenset(
        (
        "AR", "BO", "CL", "CO", "CR", "CU", "DO", "EC", "GT", "HN", "MX", "NI", "PA", "PE",
        "PR", "PY", "SV", "US", "UY", "VE",
    )
    ),
    "fr": frozenset(("CA",)),
    "pt": frozenset(("BR",)),
}  # fmt: skip
"""Where the American varieties of these are at home; browsers offer both of each."""


def _variety(tag: str) -> str | None:
    """The country whose variety of its language a tag names: `es-419` is Latin America's."""
    return "MX" if tag == "es-419" else region(tag)


def _overseas(tag: str, country: str) -> bool:
    new = _NEW_WORLD.get(tag.split("-")[0])
    return new is not None and (_variety(tag) in new) != (country in new)


def language_countries(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Countries the languages point to: those named, else where most people use the first."""
    wanted = telling(tags)
    named = dict.fromkeys(code for tag in wanted or tags if (code := region(tag)) is not None)
    if named or not wanted:
        return tuple(named)
    language = wanted[0].split("-")[0]
    home = [
        code
        for code in load_languages().shares.get(language, {})
        if is_official(language, code) and share(language, code) >= MOST
    ]
    return tuple(sorted(home, key=lambda code: (-share(language, code), code)))[:8]
