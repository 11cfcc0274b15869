"""Which conversation carries a tunnel, told by its traffic where no handshake tells it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import NamedTuple

import numpy as np

from pcapleak.judge.addresses import is_public
from pcapleak.judge.columns import UDP, Columns
from pcapleak.judge.context import Scene, SceneTunnel
from pcapleak.judge.sides import CARRIERS
from pcapleak.policy.policy import Rule, TransportName
from pcapleak.values.evidence import CONFIDENCES, Confidence
from pcapleak.values.packets import Bool, Endpoint, Service

MAIN_SHARE = 0.5
"""Share of a host's traffic to public addresses that a tunnel or proxy must carry before it is
taken for the way all of it was meant to go. Mesh VPNs and work VPNs carry less."""

LOW: Confidence = "low"
MEDIUM: Confidence = "medium"


class Kept(NamedTuple):
    """How many packets of a tunnel's inside its carrier must have, and may have."""

    least: float
    most: float
    more: int
    """Keepalives and handshakes."""
    wanted: int
    """Packets inside from which on that tells anything."""


LOOSE = Kept(0.45, 1.5, 50, 1)
"""Where the shape is a tunnel's. A recording that began late lacks packets of either."""
TIGHT = Kept(0.8, 1.2, 10, 20)

VPN_PORTS = (500, 1194, 1195, 1196, 1197, 1198, 4500, 51820)
"""IPsec's, OpenVPN's (its data has no shape to know it by) and WireGuard's."""

_NOT_CARRIER = Service.STUN | Service.RTP | Service.DTLS | Service.QUIC | Service.DNS


def carrier_by_traffic(scene: Scene, tunnel: SceneTunnel, outside: list[int]) -> None:
    """Without endpoint or handshake: the one server that what the tunnel holds goes to.

    A carrier has a packet for each one inside, and more bytes. Where its shape is no known
    tunnel's, or the inside was not recorded and it is most of the traffic, it is a guess that
    the report says to be one.
    """
    columns = scene.columns
    rows = columns.on(outside) & ((columns.protocol == UDP) | (columns.protocol == 50))
    rows &= ~columns.serving(_NOT_CARRIER) & (columns.encapsulation == 0)
    beside = columns.on(outside) & (columns.public(columns.resp) | columns.public(columns.orig))
    shaped = rows & columns.serving(CARRIERS)
    found = _largest(columns, shaped)
    if found is not None and tunnel.interfaces:
        kept = _conserves(scene, tunnel, found[1], LOOSE)
        reason, confidence = "its flow has a packet for each one inside the tunnel", MEDIUM
    elif tunnel.interfaces:
        found = _largest(columns, rows & beside)
        kept = found is not None and _conserves(scene, tunnel, found[1], TIGHT)
        reason = "has a packet for each one inside the tunnel both ways, in no known shape"
        confidence = LOW
    else:
        ports = np.isin(columns.resp_port, VPN_PORTS) | np.isin(columns.orig_port, VPN_PORTS)
        found = found or _largest(columns, rows & beside & ports)
        kept = found is not None and bool(
            columns.bytes[found[1]].sum() >= MAIN_SHARE * columns.bytes[beside].sum()
        )
        reason = "looks like a tunnel's carrier and is most of the traffic; unconfirmed"
        confidence = LOW
    if found is None or not kept:
        return
    server, flows = found
    protocol: TransportName | None = "udp" if columns.protocol[flows][0] == UDP else None
    rule = Rule(
        ip_network(server.address),
        server.port if protocol else None,
        protocol,
        f"{server}/udp" if protocol else str(server.address),
    )
    tunnel.endpoints.append(rule)
    tunnel.reasons.append(reason)
    if CONFIDENCES.index(tunnel.confidence) < CONFIDENCES.index(confidence):
        tunnel.confidence = confidence


def likely_carrier(scene: Scene) -> Endpoint | None:
    """The server of what is shaped like a tunnel and most of the traffic with the world."""
    columns = scene.columns
    rows = columns.on(scene.outside) & (columns.encapsulation == 0)
    beside = rows & (columns.public(columns.resp) | columns.public(columns.orig))
    shaped = beside & columns.serving(CARRIERS) & ~columns.serving(_NOT_CARRIER)
    found = _largest(columns, shaped & (columns.protocol == UDP))
    if found is None or columns.bytes[found[1]].sum() < MAIN_SHARE * columns.bytes[beside].sum():
        return None
    return found[0]


def _largest(columns: Columns, rows: Bool) -> tuple[Endpoint, Bool] | None:
    """The server to which most bytes of these flows go, and all of them that go there."""
    if not rows.any():
        return None
    number = int(np.flatnonzero(rows)[np.argmax(columns.bytes[rows])])
    orig, resp = columns.flows.orig(number), columns.flows.resp(number)
    turned = is_public(orig.address) and not is_public(resp.address)
    server = orig if turned else resp
    there = [ip_network(server.address)]
    flows = columns.inside(columns.resp, there) & (columns.resp_port == server.port)
    flows |= columns.inside(columns.orig, there) & (columns.orig_port == server.port)
    return server, rows & flows


def _conserves(scene: Scene, tunnel: SceneTunnel, carrier: Bool, kept: Kept) -> bool:
    """Whether flows can carry the packets of a tunnel's interfaces: as many, and larger.

    Multicast may stay in the tunnel's device, and segments be joined there.
    """
    columns = scene.columns
    inside = columns.on(tunnel.interfaces)
    single = inside & ~columns.special(columns.orig) & ~columns.special(columns.resp)
    wanted, most = int(columns.packets[single].sum()), int(columns.packets[inside].sum())
    carried = int(columns.packets[carrier].sum())
    both = (columns.flows.resp_packets[carrier] > 0).any()
    return (
        wanted >= kept.wanted
        and kept.least * wanted <= carried <= kept.most * most + kept.more
        and int(columns.bytes[carrier].sum()) >= kept.least * int(columns.bytes[single].sum())
        and (kept is LOOSE or bool(both))
    )
