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
        "The exit and an address that WebRTC shows are of different networks (autonomous "
        "systems), also where their countries are the same."
    ),
    meaning=(
        "Nobody visits a page through two providers at once. An exit of a hosting company and a "
        "WebRTC address of a provider for homes are a VPN or proxy and its user."
    ),
    confirm=(
        "Read XOR-MAPPED-ADDRESS in the frames named and ask `pcapleak geo` for both addresses."
    ),
    remedy=(
        "Stop the WebRTC address from being shown (see PL101). That the exit itself is of a "
        "hosting network, only another exit changes."
    ),
    sources=("docs/coherence.md", "RFC 1930"),
    weaknesses=(
        "A host with two providers, or a VPN whose servers come out of several networks, looks "
        "the same. The kind of a network is sure for a table of known ones alone."
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
