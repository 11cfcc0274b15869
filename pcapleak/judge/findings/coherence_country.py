"""PL401: exit and WebRTC address are in different countries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pcapleak.judge.coherence.contradiction import Pairs, Signs, contradicted, contradiction
from pcapleak.judge.coherence.text import the_exit, where
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

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


def find(signs: Signs, pairs: Pairs) -> Iterator[Finding]:
    """The exits of both families, then an exit and an address that WebRTC shows."""
    for comparison, place in contradicted(pairs, "exit"):
        other = comparison.other
        assert other is not None
        message = (
            f"The page would see an IPv4 exit {where(place)} ({place.address}) and an IPv6 exit "
            f"{where(other)} ({other.address})"
        )
        yield replace(
            contradiction(KIND, signs, "exit", comparison, message),
            remedy="Use exits of one country for IPv4 and IPv6, or close IPv6 inside the tunnel.",
        )
    for comparison, place in contradicted(pairs, "webrtc"):
        if comparison.aspects["country"] == "disagree":
            other = comparison.other
            assert other is not None
            message = (
                f"The page would see {the_exit(signs['exit'])} {where(place)} ({place.address}) "
                f"and a WebRTC address {where(other)} ({other.address})"
            )
            yield contradiction(KIND, signs, "webrtc", comparison, message)
