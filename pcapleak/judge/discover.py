"""Finds tunnels and proxies in a capture, and the parts of those a policy names.

A tunnel counts only where a handshake was seen completed, or where its own interface was
recorded. Packets that merely look like a tunnel's are a guess that is said to be one.
"""

from __future__ import annotations

from ipaddress import ip_network

import numpy as np

from pcapleak.judge.carriers import (
    MAIN_SHARE,
    carried_outside,
    correct_carrier,
    find_carrier,
    fit_endpoints,
)
from pcapleak.judge.columns import TCP, Columns
from pcapleak.judge.context import Scene, SceneProxy, SceneTunnel
from pcapleak.judge.judgement import InterfaceRole
from pcapleak.judge.sides import is_called
from pcapleak.policy.policy import Rule, TransportName
from pcapleak.track.proxies import Proxy as SeenProxy
from pcapleak.track.tunnels import TUNNEL_NAMES
from pcapleak.track.tunnels import Tunnel as SeenTunnel
from pcapleak.values.addresses import is_public
from pcapleak.values.claims import Strength
from pcapleak.values.packets import Bool, Endpoint, IPAddress

MAX_SERVERS = 64
"""Servers of tunnels judged by: all flows are held against each. Clients that roam know a dozen."""


def find_tunnels(scene: Scene) -> list[SceneTunnel]:
    """Tunnels that a capture shows to be the way its traffic was meant to go."""
    return _by_interface(scene) or _by_conservation(scene) or _by_handshake(scene)


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
        flows = int(used.sum())
        reason = (
            f"{scene.roles[numbers[0]].reason}; {flows:,} of its flows "
            f"{'goes' if flows == 1 else 'go'} to public addresses"
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


def _by_conservation(scene: Scene) -> list[SceneTunnel]:
    """An interface of no known kind whose packets come out again on a physical one."""
    columns = scene.columns
    outside = [number for number in scene.ids("physical") if columns.on([number]).any()]
    for number in scene.ids("tunnel", "unknown") if outside else ():
        fit = carried_outside(scene, [number], outside)
        if fit is not None and fit.has_grown:
            servers = ", ".join(map(str, fit.servers))
            reason = f"what enters {scene.label(number)} leaves again for {servers}"
            scene.roles[number] = InterfaceRole("tunnel", reason)
            return [
                SceneTunnel(
                    label=scene.label(number),
                    given=False,
                    interfaces=[number],
                    reasons=[reason],
                    confidence="high",
                )
            ]
    return []


def _by_handshake(scene: Scene) -> list[SceneTunnel]:
    """Tunnels that were seen to come up and carry most of their client's traffic.

    A tunnel may move to other servers and ports: what all of them carry counts together.
    """
    confirmed = [seen for seen in _confirmed(scene) if is_public(seen.server.address)]
    confirmed = _most_used(scene, confirmed)
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
            f"{TUNNEL_NAMES[seen.kind]} handshake completed with {seen.server} (frame "
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
        if seen.confirmed and seen.interface in outside and not _arrives_inside(scene, seen.flows)
    ]


def _arrives_inside(scene: Scene, flows: list[int]) -> bool:
    """Whether these flows were inside other packets, which anybody may send."""
    return bool(flows) and bool(scene.columns.encapsulation[flows].any())


def _most_used(scene: Scene, confirmed: list[SeenTunnel]) -> list[SeenTunnel]:
    """Those of the servers that carry most, where there are more than judging looks at."""
    used: dict[IPAddress, int] = {}
    for seen in confirmed:
        size = int(scene.columns.bytes[seen.flows].sum())
        used[seen.server.address] = used.get(seen.server.address, 0) + size
    if len(used) <= MAX_SERVERS:
        return confirmed
    kept = set(sorted(used, key=lambda one: (-used[one], int(one)))[:MAX_SERVERS])
    left = (
        f"{len(used) - MAX_SERVERS} of {len(used)} servers that completed a tunnel handshake are "
        "left out of the policy: they carried least"
    )
    if left not in scene.left:
        scene.left.append(left)
    return [seen for seen in confirmed if seen.server.address in kept]


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
        if _arrives_inside(scene, seen.flows):
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
    told = bool(tunnel.endpoints)
    for seen in scene.state.tunnels.tunnels():
        if seen.interface not in outside:
            continue
        if tunnel.endpoints:
            named = any(_matches(rule, seen.server) for rule in tunnel.endpoints)
            if named and not scene.only_arrives(seen.flows):
                tunnel.seen.append(seen)
        elif (
            seen.confirmed
            and tunnel.kind in (None, seen.kind)
            and not _arrives_inside(scene, seen.flows)
        ):
            tunnel.seen.append(seen)
    if not tunnel.endpoints:
        tunnel.seen = _most_used(scene, tunnel.seen)
        for seen in tunnel.seen:
            rule = _endpoint_rule(seen)
            if rule not in tunnel.endpoints:
                tunnel.endpoints.append(rule)
                tunnel.reasons.append(
                    f"{TUNNEL_NAMES[seen.kind]} handshake completed with {seen.server} "
                    f"(frame {seen.handshakes[0].frames[1]})"
                )
    if not tunnel.endpoints:
        find_carrier(scene, tunnel, sorted(outside))
    else:
        fit_endpoints(scene, tunnel, sorted(outside))
        if not told:
            correct_carrier(scene, tunnel, sorted(outside))
    if tunnel.kind is None and tunnel.seen:
        tunnel.kind = tunnel.seen[0].kind


def find_around(scene: Scene) -> list[SceneTunnel]:
    """Tunnels through which the policy's proxies are spoken to, where something carries them.

    Who judges by a proxy alone means what goes past it, into such a tunnel too; what carries the
    tunnel carries the proxy's traffic.
    """
    columns = scene.columns
    if not any(columns.on([number]).any() for number in scene.ids("physical")):
        return []
    found = []
    for number in scene.ids("tunnel"):
        spoken = columns.on([number]) & (columns.flows.resp_packets > 0)
        if not any((spoken & _to_proxy(columns, proxy.endpoint)).any() for proxy in scene.proxies):
            continue
        label = scene.label(number)
        tunnel = SceneTunnel(label=label, given=False, interfaces=[number])
        fit_tunnel(scene, tunnel)
        if tunnel.endpoints:
            found.append(tunnel)
            before = scene.roles[number]
            scene.roles[number] = before._replace(
                role="physical",
                reason="the proxy is spoken to through it, so past the proxy is outside",
                strength=Strength.PROVEN,
                against=before.reason,
            )
    return found


def _to_proxy(columns: Columns, endpoint: Endpoint) -> Bool:
    there = columns.inside(columns.resp, [ip_network(endpoint.address)])
    there &= columns.resp_port == endpoint.port
    return there


def _interfaces_of(scene: Scene, tunnel: SceneTunnel) -> list[int]:
    named = [
        interface.id for interface in scene.state.interfaces if is_called(interface, tunnel.label)
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
        f"{scene.label(free[0])} is taken to be its inside: {scene.roles[free[0]].reason}"
    )
    return free


def _matches(rule: Rule, server: Endpoint) -> bool:
    return rule.network is not None and server.address in rule.network
