"""PL402: exit and WebRTC address are of different networks."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.coherence.contradiction import Pairs, Signs, contradicted, contradiction
from pcapleak.judge.coherence.text import network, the_exit
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL402",
    name="coherence-network",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("WebRTC beside the exit", ("the page",)),
    has_causes=False,
    when=(
        "The exit and an address that WebRTC reveals belong to different networks (autonomous "
        "systems), even if their country is the same."
    ),
    meaning=(
        "Nobody visits a page through two providers at once. An exit at a hosting company "
        "together with a WebRTC address at a residential provider means a VPN or proxy and its "
        "user."
    ),
    confirm=(
        "Read XOR-MAPPED-ADDRESS in the listed frames and run `pcapleak geo` on both addresses."
    ),
    remedy=(
        "Keep WebRTC from revealing the address (see PL101). If the exit itself belongs to a "
        "hosting network, only a different exit changes that."
    ),
    sources=("docs/coherence.md", "RFC 1930"),
    weaknesses=(
        "A host with two providers, or a VPN whose servers exit through several networks, looks "
        "the same. The kind of a network is certain only for those in a table of known networks."
    ),
)


def find(signs: Signs, pairs: Pairs) -> Iterator[Finding]:
    """An exit and an address that WebRTC shows."""
    for comparison, place in contradicted(pairs, "webrtc"):
        if comparison.aspects["network"] == "disagree":
            other = comparison.other
            assert other is not None
            message = (
                f"The page would see {the_exit(signs['exit'])} {network(place)} and a WebRTC "
                f"address {network(other)}"
            )
            yield contradiction(KIND, signs, "webrtc", comparison, message)
