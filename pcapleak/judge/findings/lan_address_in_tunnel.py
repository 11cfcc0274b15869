"""PL207: packets in the tunnel with a local address as source."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import (
    address_filter,
    by_address,
    flow_evidence,
    make,
    on_interface,
    rows_of,
)
from pcapleak.judge.finding_words import OPERATOR
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Bool
from pcapleak.values.words import count

KIND = FindingKind(
    id="PL207",
    name="lan-address-in-tunnel",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("source address inside the tunnel", (OPERATOR,)),
    has_causes=False,
    when="Packets enter the tunnel with a LAN address as their source.",
    meaning=(
        "A program bound to the physical interface's address was routed into the tunnel. The "
        "tunnel's operator learns the local address, and answers never come back."
    ),
    confirm="Filter for ip.src == LAN_ADDRESS on the tunnel's interface.",
    remedy=(
        "Drop such packets: `nft add rule inet filter output oifname TUNNEL ip saddr != "
        "TUNNEL_ADDRESS drop`."
    ),
    sources=("RFC 8828 section 6.1",),
    weaknesses="A tunnel that joins two networks carries such addresses by design.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each address on each interface."""
    columns = scene.columns
    mask = columns.on(scene.inside_ids) & (columns.sent_packets > 0)
    mask &= ~columns.inside(columns.near, scene.inner) & columns.orig_is_near
    # A tunnel's device has a link-local address of its own.
    local = columns.inside(columns.near, scene.lans) & ~columns.linked(columns.near)
    local |= columns.inside(columns.near, scene.clients)
    # Also of an interface that was not recorded, or has nothing but a link-local address.
    other = ~columns.public(columns.near) & ~columns.multicast(columns.near)
    mask &= local | (other & columns.public(columns.far) & _addressed(scene))
    for interface, address, part in by_address(scene, rows_of(mask), columns.near):
        label = scene.label(interface)
        evidence = flow_evidence(scene, part)
        yield make(
            KIND,
            subject=f"{address} on {label}",
            message=f"{count(evidence.frame_count, 'packet')} entered {label} with the local "
            f"address {address} as {'its' if evidence.frame_count == 1 else 'their'} source.",
            evidence=evidence,
            interface=label,
            display_filter=on_interface(scene, interface, address_filter(address, "src")),
            addresses=[address],
        )


def _addressed(scene: Scene) -> Bool:
    """Flows of a version of IP of which the client's address inside tunnels is known."""
    columns = scene.columns
    return np.isin(columns.version, [network.version for network in scene.inner])
