"""PL404: languages that are foreign in the exit's country."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from pcapleak.judge.coherence.contradiction import (
    Pairs,
    Signs,
    contradicted,
    contradiction,
    page_sees,
)
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL404",
    name="coherence-language",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("languages beside the exit", ("the page", "the servers asked")),
    has_causes=False,
    when="The browser asks for languages that are not spoken in the exit's country.",
    meaning=(
        "Every request carries Accept-Language, and scripts can read the same list. It hints at "
        "where the user is from."
    ),
    confirm="Filter for http.accept_language, where requests are unencrypted.",
    remedy="Set the browser's languages to a common list, such as en-US alone.",
    sources=("docs/coherence.md", "RFC 9110 section 12.5.4"),
    weaknesses=(
        "People keep their language abroad, so this is a hint, not proof. Its severity is low "
        "unless the clock is just as foreign and fits the languages. English alone never counts."
    ),
)


def find(signs: Signs, pairs: Pairs) -> Iterator[Finding]:
    """An exit and languages: a weak sign, unless the clock is foreign too."""
    for comparison, place in contradicted(pairs, "language"):
        message = f"{page_sees(signs, place)} and a browser that asks for {signs['language'].text}"
        finding = contradiction(KIND, signs, "language", comparison, message)
        yield finding if _clock_too(pairs) else replace(finding, severity=Severity.LOW)


def _clock_too(pairs: Pairs) -> bool:
    """Whether the clock is as foreign as the languages: who lives abroad has the local time."""
    zone = pairs.get(("exit", "time zone"))
    tongue = pairs.get(("time zone", "language"))
    return (
        zone is not None
        and zone.verdict == "disagree"
        and tongue is not None
        and tongue.verdict == "agree"
    )
