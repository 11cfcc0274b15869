"""PL406: a candidate set that no plain browser produces."""

from __future__ import annotations

from pcapleak.values.findings import FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL406",
    name="candidate-set-shape",
    severity=Severity.LOW,
    is_leak=False,
    exposes=False,
    observers=Observers("the set of candidates", ("the page",)),
    has_causes=False,
    when=(
        "The candidate set is not what a browser with nothing set produces: relay candidates "
        "only, no host candidate, raw host addresses, or a server's view equal to the interface."
    ),
    meaning=(
        "Which candidates a page gets depends on browser, settings and network; an unusual set "
        "marks a hardened or unusual client, or a machine in a data centre."
    ),
    confirm="Read the candidates of the session in the report.",
    remedy=(
        "None needed where it is the price of hiding addresses; take camera and microphone "
        "permissions back where raw addresses show."
    ),
    sources=("RFC 8828 section 5.2", "RFC 8828 section 7"),
    weaknesses=(
        "Packets do not show all candidates that a page reads. A page may ask for relay "
        "candidates only, and any client may have a public address of its own."
    ),
)
