"""PL404: languages that are foreign in the exit's country."""

from __future__ import annotations

from pcapleak.values.findings import FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL404",
    name="coherence-language",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("languages beside the exit", ("the page", "the servers asked")),
    has_causes=False,
    when="The browser asks for languages that are foreign in the exit's country.",
    meaning=(
        "Accept-Language goes with every request, and scripts read the same list; it hints at "
        "where the user is from."
    ),
    confirm="Filter http.accept_language, where requests are in clear.",
    remedy="Set the browser's languages to a common list, such as en-US alone.",
    sources=("docs/coherence.md", "RFC 9110 section 12.5.4"),
    weaknesses=(
        "People keep their language abroad, so this is a hint and no proof: of severity low, "
        "unless the clock is as foreign and fits the languages. English alone is never held "
        "against anyone."
    ),
)
