"""What carries a tunnel or a proxy: the servers whose traffic is what went inside.

A handshake or the policy names them; else bytes and times do, whatever the carrier looks like.
"""

from __future__ import annotations

from ipaddress import ip_network

import numpy as np

from pcapleak.judge.clients import ends_on
from pcapleak.judge.columns import UDP, Columns
from pcapleak.judge.conservation import (
    MAX_SERVERS,
    OF_PROXIES,
    OF_TUNNELS,
    Bounds,
    Conserved,
    Inside,
    accompanies,
    conserving,
    host_inside,
)
from pcapleak.judge.context import Scene, SceneProxy, SceneTunnel
from pcapleak.judge.dns_shaped import dns_tunnels
from pcapleak.judge.endpoints import (
    SHAPED,
    beside,
    networks_of,
    readable,
    take_endpoint,
    translated,
)
from pcapleak.policy.policy import Network
from pcapleak.track.windows import HostKey
from pcapleak.values.addresses import AddressClass, classify, is_public, unmapped
from pcapleak.values.evidence import CONFIDENCES, Confidence
from pcapleak.values.packets import Bool, Endpoint, Int64, IPAddress, Service
from pcapleak.values.registries import ESP

MAIN_SHARE = 0.5
"""Share of a host's traffic to public addresses that a tunnel or proxy must carry before it is
taken for the way all of it was meant to go. Mesh VPNs and work VPNs carry less."""

NEARLY_ALL = 0.9
"""Share from which on one server of which nothing is known may be a carrier."""

LEAST_PACKETS, MOST_PACKETS, MORE_PACKETS = 0.45, 1.5, 50
"""Packets of a carrier for each one inside, where its shape is a tunnel's: a recording that began
late lacks some of either; and keepalives and handshakes."""

EXIT_PROOF = 10_000
"""Bytes to compare where the server is also the address that the world sees."""

CORRECTION = 10_000
"""Bytes to compare where a handshake with another server speaks against it."""

VPN_PORTS = (500, 1194, 1195, 1196, 1197, 1198, 4500, 51820)
"""IPsec's, OpenVPN's (its data has no shape to know it by) and WireGuard's."""

_OTHER = Service.STUN | Service.RTP | Service.DTLS | Service.QUIC | Service.DNS
"""What a flow that is only shaped like a tunnel's rather is."""

_SILENT: frozenset[AddressClass] = frozenset(("multicast", "link-local", "loopback", "reserved"))
"""Where what a tunnel's device sends need not come out."""


def find_carrier(scene: Scene, tunnel: SceneTunnel, outside: list[int]) -> None:
    """The servers of a tunnel, where neither policy nor handshake tells them.

    What is conserved decides, else a tunnel's shape with as many packets; all else is a guess.
    """
    columns = scene.columns
    handed = _handed_on(columns, tunnel.interfaces, outside)
    servers = [
        server
        for server in _servers(scene, outside)
        if not columns.touching([ip_network(server)])[handed].any()
    ]
    tunnel.conserved = _conserved(
        scene, tunnel_insides(scene, tunnel), outside, servers, OF_TUNNELS
    )
    if tunnel.conserved is not None:
        _take_conserved(scene, tunnel, tunnel.conserved, outside)
    else:
        _by_shape(scene, tunnel, outside)


def carried_outside(scene: Scene, interfaces: list[int], outside: list[int]) -> Conserved | None:
    """The public servers outside that what went into interfaces came out to: so they are the
    inside of a tunnel, whatever they are called."""
    tunnel = SceneTunnel(label="", interfaces=interfaces)
    servers = [server for server in _servers(scene, outside) if is_public(server)]
    return _conserved(scene, tunnel_insides(scene, tunnel), outside, servers, OF_TUNNELS)


def correct_carrier(scene: Scene, tunnel: SceneTunnel, outside: list[int]) -> None:
    """Add the servers that carry one of several tunnels, where the only handshake that was seen
    is another's: what goes into this one does not come out there."""
    if tunnel.conserved is not None or not tunnel.interfaces or len(scene.tunnels) < 2:
        return
    fit = carried_outside(scene, tunnel.interfaces, outside)
    if fit is not None and fit.compared >= CORRECTION:
        tunnel.conserved = fit
        _take_conserved(scene, tunnel, fit, outside)


def fit_endpoints(scene: Scene, tunnel: SceneTunnel, outside: list[int]) -> None:
    """Compare a tunnel's inside with the servers it is known to have, under all their forms."""
    behind = translated(scene, tunnel.endpoints)
    tunnel.endpoints += [one.rule for one in behind]
    if guessed := [one.rule.text for one in behind if not one.is_known]:
        tunnel.reasons.append(f"{guessed[0]} is what NAT64 would make of it; unconfirmed")
        tunnel.confidence = "low"
    named = networks_of(tunnel.endpoints)
    servers = [one for one in _servers(scene, outside) if any(one in net for net in named)]
    if servers and tunnel.interfaces:
        insides = tunnel_insides(scene, tunnel)
        tunnel.conserved = _conserved(scene, insides, outside, servers, OF_TUNNELS)
        if guessed and tunnel.conserved is not None and tunnel.conserved.is_proof:
            tunnel.confidence = "high"


def fit_proxy(scene: Scene, proxy: SceneProxy, outside: list[int]) -> None:
    """The way out of a proxy on this host: what its clients' bytes are conserved in, of whatever
    shape; else the one server that nearly all goes to, which is a guess."""
    if not proxy.endpoint.address.is_loopback:
        return
    told = [rule.network for rule in scene.policy.allow if rule.network is not None]
    servers = _servers(scene, outside)
    if any(server in network for server in servers for network in told):
        # The policy names what its way out is.
        return
    proxy.conserved = _conserved(scene, _proxy_insides(scene, proxy), outside, servers, OF_PROXIES)
    proxy.confidence = "low"
    if proxy.conserved is not None:
        proxy.servers = list(proxy.conserved.servers)
        proxy.confidence = "high" if proxy.conserved.is_proof else "low"
        proxy.reasons.append(
            f"{', '.join(map(str, proxy.servers))} carries it: {proxy.conserved.reason}"
        )
        return
    columns = scene.columns
    rows = columns.on(outside) & (columns.encapsulation == 0)
    rows &= columns.public(columns.resp) | columns.public(columns.orig)
    found = _largest(columns, rows & ~readable(scene, rows))
    if found is not None and _is_share(columns, found[1], rows, NEARLY_ALL):
        proxy.servers = [found[0].address]
        proxy.reasons.append(f"{found[0].address} may carry it: nearly all traffic goes there")


def _take_conserved(scene: Scene, tunnel: SceneTunnel, fit: Conserved, outside: list[int]) -> None:
    columns = scene.columns
    plain = columns.on(outside) & (columns.encapsulation == 0)
    shaped = False
    for server in fit.servers:
        network = ip_network(server)
        there = plain & columns.touching([network])
        _turn(columns, [network])
        trusted = there & ~beside(scene, there, fit)
        shaped |= bool((there & columns.serving(SHAPED)).any())
        take_endpoint(tunnel, columns, network, trusted)
    tunnel.reasons.append(fit.reason)
    tunnel.confidence = _weaker(tunnel.confidence, "high" if fit.is_proof or shaped else "low")


def _by_shape(scene: Scene, tunnel: SceneTunnel, outside: list[int]) -> None:
    columns = scene.columns
    rows = columns.on(outside) & (columns.encapsulation == 0)
    world = rows & (columns.public(columns.resp) | columns.public(columns.orig))
    datagrams = np.isin(columns.protocol, (UDP, ESP)) & ~columns.serving(_OTHER)
    shaped = datagrams & columns.serving(SHAPED)
    found = _largest(columns, rows & shaped)
    # An inside in which nobody spoke tells as little as one that was not recorded.
    silent = not tunnel_insides(scene, tunnel)
    if found is not None and not silent:
        if _as_many(scene, tunnel, found[1]):
            take_endpoint(tunnel, columns, ip_network(found[0].address), found[1])
            tunnel.reasons.append("its flow has a packet for each one inside the tunnel")
            tunnel.confidence = _weaker(tunnel.confidence, "medium")
            return
    elif silent:
        ports = np.isin(columns.resp_port, VPN_PORTS) | np.isin(columns.orig_port, VPN_PORTS)
        found = found or _largest(columns, world & datagrams & ports)
        if found is not None and _is_share(columns, found[1], world, MAIN_SHARE):
            _guess(
                tunnel,
                columns,
                *found,
                "looks like a tunnel's carrier and accounts for most of the traffic",
            )
            return
    if silent:
        for server, flows in _nearly_all(scene, outside, world):
            _guess(tunnel, columns, server, flows, "nearly all traffic goes there")
        return
    found = _largest(columns, world & ~readable(scene, world))
    if (
        found is not None
        and _is_share(columns, found[1], world, NEARLY_ALL)
        and _accompanies(scene, tunnel, outside, found[0].address)
    ):
        _guess(tunnel, columns, *found, "nearly all traffic goes there")


def _nearly_all(scene: Scene, outside: list[int], world: Bool) -> list[tuple[Endpoint, Bool]]:
    """The server, or the few together, that answer and have nearly all of what goes to the world;
    then those that nobody can read and that were there all the time: a tunnel may find its peers
    by one server and speak to others."""
    columns = scene.columns
    tunnelled = dns_tunnels(scene, outside)
    every = world | tunnelled
    left = every & (~readable(scene, every) | tunnelled)
    named = np.zeros(len(columns), np.bool_)
    named[list(scene.state.server_names)] = True
    found: list[tuple[Endpoint, Bool]] = []
    taken = np.zeros(len(columns), np.bool_)
    while len(found) < MAX_SERVERS and (one := _largest(columns, left)) is not None:
        enough = _is_share(columns, taken, every, NEARLY_ALL)
        # What only begins and ends, or is for a name, is somebody's visit.
        lasting = not (named & one[1]).any() and _lasts(columns, one[1], every)
        lasting &= not found or _looks(columns, one[1]) <= _looks(columns, found[0][1])
        answered = (columns.flows.resp_packets[one[1]] > 0).any()
        if answered and (lasting or (not found and _is_share(columns, one[1], every, NEARLY_ALL))):
            found.append(one)
            taken |= one[1]
        elif not enough:
            return []
        left &= ~one[1]
    return found if _is_share(columns, taken, every, NEARLY_ALL) else []


def _looks(columns: Columns, flows: Bool) -> set[tuple[int, int]]:
    """The transports of flows, and what each was recognised as."""
    pairs = zip(columns.protocol[flows].tolist(), columns.services[flows].tolist(), strict=True)
    return set(pairs)


def _lasts(columns: Columns, flows: Bool, among: Bool) -> bool:
    """Whether flows were there for most of the time."""
    span = int(columns.last_ns[among].max() - columns.first_ns[among].min())
    return 2 * int(columns.last_ns[flows].max() - columns.first_ns[flows].min()) >= span


def _guess(
    tunnel: SceneTunnel, columns: Columns, server: Endpoint, flows: Bool, reason: str
) -> None:
    take_endpoint(tunnel, columns, ip_network(server.address), flows)
    tunnel.reasons.append(f"{reason}; unconfirmed")
    tunnel.confidence = "low"


def likely_carrier(scene: Scene) -> SceneTunnel | None:
    """A tunnel that a server may carry: what is shaped like one and most of the traffic with the
    world, or what nearly all goes to."""
    found = _likely(scene)
    if found is None:
        return None
    tunnel = SceneTunnel(label=str(found[0].address))
    take_endpoint(tunnel, scene.columns, ip_network(found[0].address), found[1])
    return tunnel


def _likely(scene: Scene) -> tuple[Endpoint, Bool] | None:
    columns = scene.columns
    rows = columns.on(scene.outside) & (columns.encapsulation == 0)
    world = rows & (columns.public(columns.resp) | columns.public(columns.orig))
    shaped = world & columns.serving(SHAPED) & ~columns.serving(_OTHER)
    found = _largest(columns, shaped & (columns.protocol == UDP))
    if found is not None and _is_share(columns, found[1], world, MAIN_SHARE):
        return found
    found = _largest(columns, world & ~readable(scene, world))
    if found is None or not _is_share(columns, found[1], world, NEARLY_ALL):
        return None
    both = (columns.flows.resp_packets[found[1]] > 0).any()
    return found if both else None


def _is_share(columns: Columns, part: Bool, whole: Bool, share: float) -> bool:
    return bool(columns.bytes[part].sum() >= share * columns.bytes[whole].sum())


def _weaker(one: Confidence, other: Confidence) -> Confidence:
    return max(one, other, key=CONFIDENCES.index)


def tunnel_insides(scene: Scene, tunnel: SceneTunnel) -> list[Inside]:
    """What went through a tunnel's interfaces: as seen by the end that is probably the client's,
    then by the other one."""
    ends = ends_on(scene.columns, tunnel.interfaces)
    keys = [
        HostKey(number, end[0]) for end in ends if end is not None for number in tunnel.interfaces
    ]
    inside = host_inside(scene.state.windows, tunnel.interfaces, keys, _SILENT)
    return [] if inside is None else [inside, inside.turned]


def _proxy_insides(scene: Scene, proxy: SceneProxy) -> list[Inside]:
    """What clients of a proxy on this host sent it and got, over the loopback interface."""
    loops = scene.ids("loopback", "any")
    keys = [HostKey(number, *proxy.endpoint) for number in loops]
    inside = host_inside(scene.state.windows, loops, keys, frozenset())
    # The windows are the proxy's: what it received went up.
    return [] if inside is None else [inside.turned]


def _conserved(
    scene: Scene,
    insides: list[Inside],
    outside: list[int],
    servers: list[IPAddress],
    bounds: tuple[Bounds, ...],
) -> Conserved | None:
    """The servers outside that what went inside came out to."""
    for inside in insides:
        found = conserving(scene.state.windows, outside, inside, servers, bounds)
        if found is not None:
            exits = _told_inside(scene)
            same = bool(exits) and exits <= set(found.servers) and found.compared >= EXIT_PROOF
            return found._replace(is_proof=found.is_proof or same)
    return None


def _told_inside(scene: Scene) -> set[IPAddress]:
    """The client's public addresses as servers behind a tunnel see them."""
    tunnels = set(scene.ids("tunnel"))
    return {
        address
        for key, link in scene.state.ice.links.items()
        if key.interface in tunnels
        for mapped in link.answers
        if is_public(address := unmapped(mapped.address))
    }


def _servers(scene: Scene, outside: list[int]) -> list[IPAddress]:
    """Hosts outside that may be servers: public ones first, the largest first."""
    ends = ends_on(scene.columns, outside)
    mine = {end[0] for end in ends if end is not None and not is_public(end[0])}
    mine |= {network.network_address for network in scene.policy.clients}
    hosts = dict.fromkeys(
        key.address
        for key, _ in scene.state.windows.hosts(outside)
        if key.address not in mine and classify(key.address) not in _SILENT
    )
    return sorted(hosts, key=lambda address: not is_public(address))


def _handed_on(columns: Columns, inside: list[int], outside: list[int]) -> Int64:
    """Flows outside, by number, that came from an inside as they are, from one port to one far
    end: forwarded, not carried."""
    there = np.flatnonzero(columns.on(outside) & (columns.encapsulation == 0))
    within = np.flatnonzero(columns.on(inside))
    return there[np.isin(columns.socket_keys(there), columns.socket_keys(within))]


def _turn(columns: Columns, servers: list[Network]) -> None:
    """Take the servers' end of each flow for the far one, until clients are known."""
    columns.orient(~columns.inside(columns.orig, servers))


def _largest(columns: Columns, rows: Bool) -> tuple[Endpoint, Bool] | None:
    """The server to which most bytes of these flows go, and all of them that go there: to the
    address, whatever the port."""
    if not rows.any():
        return None
    number = int(np.flatnonzero(rows)[np.argmax(columns.bytes[rows])])
    orig, resp = columns.flows.orig(number), columns.flows.resp(number)
    turned = is_public(orig.address) and not is_public(resp.address)
    server = orig if turned else resp
    return server, rows & columns.touching([ip_network(server.address)])


def _as_many(scene: Scene, tunnel: SceneTunnel, carrier: Bool) -> bool:
    """Whether flows can carry the packets of a tunnel's interfaces: as many, and larger.

    Multicast may stay in the tunnel's device, and segments be joined there.
    """
    columns = scene.columns
    inside = columns.on(tunnel.interfaces)
    single = inside & ~columns.special(columns.orig) & ~columns.special(columns.resp)
    wanted, most = int(columns.packets[single].sum()), int(columns.packets[inside].sum())
    carried = int(columns.packets[carrier].sum())
    return (
        wanted > 0
        and LEAST_PACKETS * wanted <= carried <= MOST_PACKETS * most + MORE_PACKETS
        and int(columns.bytes[carrier].sum()) >= LEAST_PACKETS * int(columns.bytes[single].sum())
    )


def _accompanies(scene: Scene, tunnel: SceneTunnel, outside: list[int], server: IPAddress) -> bool:
    """Whether a server sent and received whenever something went in and came out."""
    return any(
        accompanies(scene.state.windows, outside, inside, server)
        for inside in tunnel_insides(scene, tunnel)
    )
