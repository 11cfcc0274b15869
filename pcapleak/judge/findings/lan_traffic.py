"""PL210: traffic to the local network where the policy says that it must be silent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.columns import UDP
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import (
    address_filter,
    by_address,
    flow_evidence,
    make,
    on_interface,
    rows_of,
)
from pcapleak.judge.finding_words import LAN
from pcapleak.judge.judgement import LOCAL
from pcapleak.judge.paths import ECHO
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Bool, Service
from pcapleak.values.registries import ICMP, ICMPV6
from pcapleak.values.words import count

IGMP = 2

KIND = FindingKind(
    id="PL210",
    name="lan-traffic",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=False,
    observers=Observers("traffic on the local network", (LAN,)),
    has_causes=False,
    when=(
        "The policy allows no local network, yet the client talks to hosts on its own network "
        "beyond what a link needs (DHCP, ARP, neighbour discovery)."
    ),
    meaning=(
        "Hosts on an untrusted network learn the client's names, services and files, and can "
        "answer. Printers, shares and names looked up by multicast are all visible to them."
    ),
    confirm=(
        "Filter for the client's address on the physical interface, excluding the VPN server's "
        "address, dhcp, arp and icmpv6."
    ),
    remedy=(
        "Turn off local network access in the VPN client, or let nothing leave the physical "
        "interface but what goes to the VPN server: `nft add rule inet filter output oifname "
        "INTERFACE ip daddr VPN_SERVER accept && nft add rule inet filter output oifname INTERFACE "
        "drop`."
    ),
    sources=("RFC 6762 section 21", "TunnelCrack, USENIX Security 2023"),
    weaknesses="Raised only with --lan none: most policies allow the local network.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each interface and far address."""
    if not scene.policy.no_lan or not scene.has_policy:
        return
    columns = scene.columns
    mask = (scene.path == LOCAL) & columns.on(scene.outside) & (columns.sent_packets > 0)
    mask &= columns.inside(columns.near, scene.clients) & ~_needed(scene)
    for interface, address, part in by_address(scene, rows_of(mask), columns.far):
        label = scene.label(interface)
        evidence = flow_evidence(scene, part)
        yield make(
            KIND,
            subject=f"{address} on {label}",
            message=f"{count(evidence.frame_count, 'packet')} went to {address} on the local "
            f"network of {label}, where the policy allows no traffic.",
            evidence=evidence,
            interface=label,
            display_filter=on_interface(scene, interface, address_filter(address)),
        )


def _needed(scene: Scene) -> Bool:
    """What a link needs: addresses, neighbours, routers and groups; errors answer."""
    columns = scene.columns
    control = (columns.protocol == ICMP) | (columns.protocol == ICMPV6)
    found = (control & ~np.isin(columns.orig_port, ECHO)) | (columns.protocol == IGMP)
    found |= columns.serving(Service.DHCP | Service.DHCPV6) & (columns.protocol == UDP)
    return np.asarray(found)
