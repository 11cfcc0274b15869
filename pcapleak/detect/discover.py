"""Finds tunnels and proxies in a capture, and the parts of those a policy names.

A tunnel counts only where a handshake was seen completed, or where its own interface was
recorded. Packets that merely look like a tunnel's are a guess that is said to be one.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import NamedTuple

import numpy as np

from pcapleak.detect.addresses import is_public
from pcapleak.detect.clients import CONFIDENCES
from pcapleak.detect.columns import TCP, UDP, Columns
from pcapleak.detect.roles import CARRIERS
from pcapleak.detect.scene import Scene, SceneProxy, SceneTunnel
from pcapleak.document import Confidence
from pcapleak.model import Bool, Endpoint, IPAddress, Service
from pcapleak.policy import Rule, TransportName
from pcapleak.tracking.proxies import Proxy as SeenProxy
from pcapleak.tracking.tunnels import Tunnel as SeenTunnel

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


def find_tunnels(scene: Scene) -> list[SceneTunnel]:
    """Tunnels that a capture shows to be the way its traffic was meant to go."""
    found = _by_interface(scene)
    return found or _by_handshake(scene)


def _by_interface(scene: Scene) -> list[SceneTunnel]:
    """A tunnel's interface recorded beside a physical one, used towards public addresses.

    Recorders restarted give one interface several numbers.
    """
    columns = scene.columns
    outside = scene.ids("physical")
    if not outside or not columns.on(outside).any():
        return []
    found = []
    named: dict[str, list[int]] = {}
    for number in scene.ids("tunnel"):
        named.setdefault(scene.label(number), []).append(number)
    for label, numbers in named.items():
        rows = columns.on(numbers)
        used = rows & (columns.public(columns.resp) | columns.public(columns.orig))
        if not used.any():
            continue
        reason = (
            f"{scene.roles[numbers[0]].reason}; "
            f"{int(used.sum())} of its flows go to public addresses"
        )
        found.append(
            SceneTunnel(
                label=label,
                given=False,
                interfaces=numbers,
                reasons=[reason],
                confidence="high",
            )
        )
    return found


def _by_handshake(scene: Scene) -> list[SceneTunnel]:
    """Tunnels that were seen to come up and carry most of their client's traffic.

    A tunnel may move to other servers and ports: what all of them carry counts together.
    """
    confirmed = [seen for seen in _confirmed(scene) if is_public(seen.server.address)]
    servers: dict[tuple[int, IPAddress], dict[IPAddress, None]] = {}
    for seen in confirmed:
        there = servers.setdefault((seen.interface, seen.client.address), {})
        there[seen.server.address] = None
    shares = {
        (interface, client): _share(scene.columns, interface, client, list(there))
        for (interface, client), there in servers.items()
    }
    found: dict[IPAddress, SceneTunnel] = {}
    clients = set()
    for seen in confirmed:
        client = seen.client.address
        share = shares[seen.interface, client]
        if share < MAIN_SHARE:
            continue
        others = len(servers[seen.interface, client]) - 1
        with_others = f" with {others} other{'s' if others > 1 else ''}" if others else ""
        reason = (
            f"{seen.kind} handshake completed with {seen.server} (frame "
            f"{seen.handshakes[0].frames[1]}), which{with_others} carries {share:.0%} of "
            f"{client}'s traffic to public addresses"
        )
        clients.add(client)
        tunnel = found.setdefault(
            seen.server.address,
            SceneTunnel(
                label=str(seen.server),
                is_named=False,
                kind=seen.kind,
                given=False,
                confidence="medium",
            ),
        )
        rule = _endpoint_rule(seen)
        if rule not in tunnel.endpoints:
            tunnel.endpoints.append(rule)
            tunnel.reasons.append(reason)
    return list(found.values()) if _one_host(clients) else []


def _one_host(addresses: set[IPAddress]) -> bool:
    """Whether these may be one host's: what several hosts mean to do, nobody can tell."""
    return all(sum(address.version == version for address in addresses) <= 1 for version in (4, 6))


def _confirmed(scene: Scene) -> list[SeenTunnel]:
    outside = set(scene.outside)
    return [
        seen
        for seen in scene.state.tunnels.tunnels()
        if seen.confirmed and seen.interface in outside
    ]


def _share(columns: Columns, interface: int, client: IPAddress, servers: list[IPAddress]) -> float:
    """The part of a client's bytes with public addresses that it exchanges with `servers`."""
    ours = [ip_network(client)]
    orig, resp = columns.inside(columns.orig, ours), columns.inside(columns.resp, ours)
    rows = columns.on([interface]) & (orig | resp) & (columns.encapsulation == 0)
    rows &= np.where(orig, columns.public(columns.resp), columns.public(columns.orig))
    total = int(columns.bytes[rows].sum())
    theirs = list(map(ip_network, servers))
    carried = rows & (columns.inside(columns.resp, theirs) | columns.inside(columns.orig, theirs))
    return int(columns.bytes[carried].sum()) / total if total else 0.0


def _endpoint_rule(seen: SeenTunnel) -> Rule:
    """What the carrier of a seen tunnel looks like. IPsec moves to port 4500 or to ESP."""
    network = ip_network(seen.server.address)
    if seen.kind.startswith("ike"):
        return Rule(network, None, None, str(seen.server.address))
    transport: TransportName = "tcp" if seen.transport == "tcp" else "udp"
    return Rule(network, seen.server.port, transport, f"{seen.server}/{transport}")


def find_proxies(scene: Scene) -> list[SceneProxy]:
    """Proxies that granted requests and carry most of their client's TCP traffic."""
    outside = set(scene.outside)
    found: dict[Endpoint, SceneProxy] = {}
    clients: set[IPAddress] = set()
    for seen in scene.state.tunnels.proxies():
        if not seen.confirmed or seen.layers or seen.interface not in outside:
            continue
        # Of a proxy on this host, the way on is not to be told from traffic beside it.
        if seen.server.address.is_loopback:
            continue
        # One that only fetched pages in clear is none that everything was meant to go through.
        if seen.kind != "socks" and all(port == 80 for _, port in seen.destinations):
            continue
        share = _proxy_share(scene.columns, seen)
        if share < MAIN_SHARE:
            continue
        clients |= {client.address for client in seen.clients}
        scheme = "socks" if seen.kind == "socks" else "http"
        found.setdefault(
            seen.server,
            SceneProxy(
                scheme,
                seen.server,
                given=False,
                reasons=[
                    f"granted {seen.granted} of {seen.requests} requests (first in frame "
                    f"{seen.frames[0]}) and carries {share:.0%} of the client's TCP bytes"
                ],
                confidence="high" if share >= 0.9 else "medium",
            ),
        )
    return list(found.values()) if _one_host(clients) else []


def _proxy_share(columns: Columns, seen: SeenProxy) -> float:
    clients = [ip_network(client.address) for client in seen.clients]
    orig = columns.inside(columns.orig, clients)
    rows = columns.on([seen.interface]) & orig & (columns.protocol == TCP)
    carried = rows & columns.inside(columns.resp, [ip_network(seen.server.address)])
    carried &= columns.resp_port == seen.server.port
    rows &= columns.public(columns.resp) | carried
    total = int(columns.bytes[rows].sum())
    return int(columns.bytes[carried].sum()) / total if total else 0.0


def fit_tunnel(scene: Scene, tunnel: SceneTunnel) -> None:
    """Find the recorded interfaces, the handshakes and the carrier of a tunnel."""
    if not tunnel.interfaces:
        # A file may declare an interface and hold no packet of it: that is not recorded.
        tunnel.interfaces = [
            number for number in _interfaces_of(scene, tunnel) if scene.columns.on([number]).any()
        ]
    outside = set(scene.ids("physical", "unknown", "any")) - set(tunnel.interfaces)
    for seen in scene.state.tunnels.tunnels():
        if seen.interface not in outside:
            continue
        if tunnel.endpoints:
            if any(_matches(rule, seen.server) for rule in tunnel.endpoints):
                tunnel.seen.append(seen)
        elif seen.confirmed and tunnel.kind in (None, seen.kind):
            tunnel.seen.append(seen)
    if not tunnel.endpoints:
        for seen in tunnel.seen:
            rule = _endpoint_rule(seen)
            if rule not in tunnel.endpoints:
                tunnel.endpoints.append(rule)
                tunnel.reasons.append(
                    f"{seen.kind} handshake completed with {seen.server} "
                    f"(frame {seen.handshakes[0].frames[1]})"
                )
    if not tunnel.endpoints:
        _carrier_by_traffic(scene, tunnel, sorted(outside))
    if tunnel.kind is None and tunnel.seen:
        tunnel.kind = tunnel.seen[0].kind


def _interfaces_of(scene: Scene, tunnel: SceneTunnel) -> list[int]:
    named = [
        interface.id
        for interface in scene.state.interfaces
        if interface.name is not None and interface.name == tunnel.label
    ]
    if named:
        return named
    # A recording that gives no names: every tunnel in it that no name tells apart.
    taken = {number for other in scene.tunnels for number in other.interfaces}
    if not tunnel.is_named:
        return _only_other(scene, tunnel, taken)
    unnamed = [
        number
        for number in scene.ids("tunnel")
        if scene.state.interfaces[number].name is None and number not in taken
    ]
    if unnamed:
        tunnel.reasons.append(
            f"{tunnel.label} is taken to be "
            + ", ".join(scene.label(number) for number in unnamed)
            + f": {scene.roles[unnamed[0]].reason}"
        )
    return unnamed


def _only_other(scene: Scene, tunnel: SceneTunnel, taken: set[int]) -> list[int]:
    """For a tunnel of which only its endpoint is named: the one that was recorded, if it is one."""
    named = {other.label for other in scene.tunnels}
    free = [
        number
        for number in scene.ids("tunnel")
        if number not in taken and scene.label(number) not in named
    ]
    if len({scene.label(number) for number in free}) != 1:
        return []
    tunnel.reasons.append(
        f"{scene.label(free[0])} is taken for its inside: {scene.roles[free[0]].reason}"
    )
    return free


def _matches(rule: Rule, server: Endpoint) -> bool:
    return rule.network is not None and server.address in rule.network


def _carrier_by_traffic(scene: Scene, tunnel: SceneTunnel, outside: list[int]) -> None:
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
