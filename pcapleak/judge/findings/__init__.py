"""Every finding pcapleak can make, a file each: its kind with all its words, and its rule.

`pcapleak explain`, the documentation, the verdict and who observes what read the kinds; `found`
runs the rules. A finding is added by its file and its place in one of the tuples below.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pcapleak.judge.coherence.contradiction import Pairs, Signs
from pcapleak.judge.context import Scene
from pcapleak.judge.findings import (
    candidate_set_shape,
    capture_incomplete,
    coherence_country,
    coherence_language,
    coherence_network,
    coherence_resolver,
    coherence_time_zone,
    dhcp_route_injection,
    dns_bypass,
    foundation_reveals_address,
    ipv6_bypass,
    lan_address_in_tunnel,
    lan_traffic,
    mdns_lan_address_in_tunnel,
    mdns_name_unmasked,
    mdns_tunnel_address_on_lan,
    page_contradicts_wire,
    public_range_lan,
    stun_carries_data,
    tcp_bypass,
    tunnel_address_on_physical,
    tunnel_down_traffic,
    turn_peer_address_in_clear,
    turn_pivot,
    udp_bypass,
    webrtc_bypass,
    webrtc_interface_enumeration,
    webrtc_lan_scan,
    webrtc_loopback_channel,
    webrtc_path_change,
    webrtc_public_address_exposed,
    webrtc_raw_host_candidate,
    webrtc_v4_mapped_reflexive,
)
from pcapleak.values.findings import Finding, FindingKind

__all__ = ["COHERENCE", "KINDS", "RULES", "contradictions", "found"]


class Rule(Protocol):
    """A module of a finding."""

    KIND: FindingKind

    def find(self, scene: Scene) -> Iterator[Finding]:
        """The findings of this kind, each one fact."""


class CoherenceRule(Protocol):
    """A module of a finding about the story that addresses, clock and languages tell."""

    KIND: FindingKind

    def find(self, signs: Signs, pairs: Pairs) -> Iterator[Finding]:
        """The findings of this kind, from the vectors and every pair of them."""


RULES: tuple[Rule, ...] = (
    webrtc_public_address_exposed,
    webrtc_bypass,
    webrtc_interface_enumeration,
    webrtc_path_change,
    webrtc_v4_mapped_reflexive,
    turn_peer_address_in_clear,
    webrtc_raw_host_candidate,
    udp_bypass,
    ipv6_bypass,
    dns_bypass,
    tcp_bypass,
    tunnel_down_traffic,
    tunnel_address_on_physical,
    lan_address_in_tunnel,
    dhcp_route_injection,
    public_range_lan,
    lan_traffic,
    mdns_name_unmasked,
    mdns_tunnel_address_on_lan,
    mdns_lan_address_in_tunnel,
    foundation_reveals_address,
    candidate_set_shape,
    webrtc_loopback_channel,
    webrtc_lan_scan,
    stun_carries_data,
    turn_pivot,
    page_contradicts_wire,
    capture_incomplete,
)

COHERENCE: tuple[CoherenceRule, ...] = (
    coherence_country,
    coherence_network,
    coherence_time_zone,
    coherence_language,
    coherence_resolver,
)
"""Asked by `judge.coherence`, once it has located the addresses."""

KINDS: tuple[FindingKind, ...] = tuple(
    sorted(
        (*(rule.KIND for rule in RULES), *(rule.KIND for rule in COHERENCE)),
        key=lambda kind: kind.id,
    )
)
"""In the order of their ids."""


def found(scene: Scene) -> Iterator[Finding]:
    """What every rule finds."""
    for rule in RULES:
        yield from rule.find(scene)


def contradictions(signs: Signs, pairs: Pairs) -> list[Finding]:
    """What surely contradicts the exit."""
    return [finding for rule in COHERENCE for finding in rule.find(signs, pairs)]
