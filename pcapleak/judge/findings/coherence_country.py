"""PL401: exit and WebRTC address are in different countries."""

from __future__ import annotations

from pcapleak.values.findings import FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL401",
    name="coherence-country",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("WebRTC beside the exit", ("the page",)),
    has_causes=False,
    when=(
        "The exit and an address that WebRTC shows are in different countries, or the IPv4 and "
        "the IPv6 exit of one tunnel are."
    ),
    meaning=(
        "A page holds the address it is visited from against the one WebRTC tells. Two countries "
        "mark the user as behind a VPN or proxy, and the second one is where they are."
    ),
    confirm=(
        "Read XOR-MAPPED-ADDRESS in the frames named and ask `pcapleak geo` for both addresses."
    ),
    remedy=(
        "Stop the WebRTC address from being shown (see PL101); an exit in the same country hides "
        "the difference from this check only."
    ),
    sources=("docs/coherence.md",),
    weaknesses=(
        "Countries of addresses are estimates: where sources differ, or one alone knows, nothing "
        "is claimed, and so some contradictions are missed."
    ),
)
