"""PL403: the clock is none of the exit's country."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.coherence.contradiction import (
    Pairs,
    Signs,
    contradicted,
    contradiction,
    page_sees,
)
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL403",
    name="coherence-time-zone",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("the clock beside the exit", ("the page",)),
    has_causes=False,
    when="The clock's time zone is not one of the exit country's, and its time differs.",
    meaning=(
        "Every page can read the time zone and compare it with the country the visit comes "
        "from. It reveals the region whatever the exit."
    ),
    confirm=(
        "Compare Intl.DateTimeFormat().resolvedOptions().timeZone in the browser's console with "
        "what `pcapleak geo` says about the exit."
    ),
    remedy="Set the browser's time zone to the exit's, or use a browser that reports UTC to all.",
    sources=("docs/coherence.md", "RFC 6557"),
    weaknesses=(
        "Travellers keep their home time zone. Packets seldom reveal it, so it is usually the "
        "one stated. A zone of another country with the same time is uncertain, although its "
        "name differs."
    ),
)


def find(signs: Signs, pairs: Pairs) -> Iterator[Finding]:
    """An exit and a clock."""
    for comparison, place in contradicted(pairs, "time zone"):
        message = f"{page_sees(signs, place)} and a clock set to {signs['time zone'].text}"
        yield contradiction(KIND, signs, "time zone", comparison, message)
