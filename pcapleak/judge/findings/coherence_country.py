"""PL401: exit and WebRTC address are in different countries."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

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
        "The exit and an address that WebRTC reveals are in different countries, or one "
        "tunnel's IPv4 and IPv6 exits are."
    ),
    meaning=(
        "A page can compare the address a visit comes from with the one WebRTC reveals. Two "
        "different countries show that the user is behind a VPN or proxy, and the second one is "
        "where the user is."
    ),
    confirm=(
        "Read XOR-MAPPED-ADDRESS in the listed frames and run `pcapleak geo` on both addresses."
    ),
    remedy=(
        "Keep WebRTC from revealing the address (see PL101). Choosing an exit in the same "
        "country hides the difference from this check only."
    ),
    sources=("docs/coherence.md",),
    weaknesses=(
        "An address's country is an estimate. Nothing is claimed where sources differ or only "
        "one of them knows the address, so some contradictions are missed."
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
            remedy="Use IPv4 and IPv6 exits in one country, or turn IPv6 off inside the tunnel.",
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
