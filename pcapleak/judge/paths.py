"""Which way each flow took: one code of `PATHS` a flow, over whole columns.

- `tunnel`: inside a tunnel, towards the world; `inside-tunnel`: inside it and ending there
  (its resolver, other hosts in it, multicast into it)
- `tunnel-transport`: the carrier of a tunnel; `proxy`: the way to a proxy
- `local`: what a host does on its link and local network, and never leaves it
- `bypass`: everything else of the client's: outside, where a policy says it should not be
- `unassessed`: other hosts' traffic, exceptions the policy allows, everything without a policy
"""

from __future__ import annotations

from ipaddress import ip_network

import numpy as np

from pcapleak.judge.clients import interface_addresses, server_port
from pcapleak.judge.columns import TCP, UDP, Columns
from pcapleak.judge.context import Scene, single
from pcapleak.judge.copies import copies
from pcapleak.judge.endpoints import beside, carrier_rows
from pcapleak.judge.judgement import (
    BYPASS,
    INSIDE_TUNNEL,
    LOCAL,
    PROXY,
    TUNNEL,
    TUNNEL_TRANSPORT,
    UNASSESSED,
)
from pcapleak.judge.sides import has_link_layer
from pcapleak.policy.policy import Rule
from pcapleak.track.flows.columns import RESP_SHIFT, Mark
from pcapleak.values.addresses import inside, is_public
from pcapleak.values.packets import Bool, IPAddress, Service, UInt8, distinct
from pcapleak.values.registries import ICMP, ICMPV6

DHCP_SERVER, DHCP_CLIENT = 67, 68
ECHO = (0, 8, 128, 129)
"""Types of echo requests and replies of ICMP and ICMPv6."""
ECHO_REQUESTS = (8, 128)
SYN, PSH = 2, 8
_SHARED = ip_network("100.64.0.0/10")
SETTLED_NS = 1_000_000_000
"""From the first packet of a recording: what was first seen until then may have begun before."""
EPHEMERAL = 32768
"""Ports that programs get for what they ask, from here on."""


def assign_paths(scene: Scene) -> UInt8:
    """The path of each flow, by row of the flow table."""
    columns = scene.columns
    path = np.full(len(columns), UNASSESSED, np.uint8)
    if not scene.has_policy:
        return path
    mine = columns.inside(columns.near, [*scene.clients, *scene.inner]) & ~_foreign(scene)
    mine |= _wrapped(scene)
    mine &= ~_handed_on(scene) & ~_made_up(scene)
    outside = columns.on(scene.outside)
    path[outside & mine] = BYPASS
    # ICMP errors answer what came in; only an echo is traffic of its own.
    control = (columns.protocol == ICMP) | (columns.protocol == ICMPV6)
    echo = np.isin(columns.orig_port, ECHO)
    path[outside & mine & control & ~echo] = UNASSESSED
    path[outside & mine & _tells_names(scene)] = BYPASS
    path[local_traffic(scene)] = LOCAL
    path[outside & mine & _routed(scene)] = BYPASS
    dns = columns.asking()
    # A resolver on the local network hands the questions on: asking it is no local matter.
    served = answered(columns) & ~columns.public(columns.far)
    path[outside & mine & dns & ~_discovery(columns) & ~served] = BYPASS
    for network in scene.inner:
        # A destination inside the tunnel, reached beside it.
        path[outside & mine & columns.inside(columns.far, [network])] = BYPASS
    for rule in scene.policy.allow:
        path[(path == BYPASS) & _allowed(scene, rule)] = UNASSESSED
    allowed = columns.inside(columns.far, [single(a) for a in scene.resolvers])
    path[(path == BYPASS) & dns & allowed] = UNASSESSED
    _split_tunnels(scene, path)
    looped = columns.loopback(columns.far)
    path[columns.on(scene.ids("loopback")) | looped] = LOCAL
    _proxies(scene, path)
    _tunnels(scene, path)
    path[copies(columns, path == BYPASS)] = UNASSESSED
    return path


def _made_up(scene: Scene) -> Bool:
    """Flows from the client's address that only came in, where the recorder is the client and
    marks what it sends: anybody may send with an address that is not theirs. The recorder is the
    client where it sent from that address, or has it itself on the interface they came in by."""
    columns = scene.columns
    shift = np.where(columns.orig_is_near, 0, RESP_SHIFT).astype(np.uint8)
    marks = columns.flows.marks >> shift
    sent = (marks & np.uint8(Mark.ORIG_OUTBOUND)) != 0
    came: Bool = ((marks & np.uint8(Mark.ORIG_INBOUND)) != 0) & ~sent
    if came.any():
        hosts = columns.near.hi * np.uint64(0x9E3779B97F4A7C15) ^ columns.near.lo
        own = np.isin(hosts, hosts[sent])
        interfaces = scene.state.interfaces
        for number in distinct(columns.interface[came & ~own]):
            addresses = interface_addresses(interfaces, [number])
            own |= columns.on([number]) & columns.inside(columns.near, list(map(single, addresses)))
        came &= own
    return came


def _allowed(scene: Scene, rule: Rule) -> Bool:
    """Flows that an exception of the policy names."""
    if rule.process is None:
        return matches(scene.columns, rule)
    found = np.zeros(len(scene.columns), np.bool_)
    found[list(scene.state.programs.called(rule.process))] = True
    return found


def matches(columns: Columns, rule: Rule) -> Bool:
    """Flows whose far end a rule names."""
    found = np.ones(len(columns), np.bool_)
    if rule.network is not None:
        found &= columns.inside(columns.far, [rule.network])
    if rule.port is not None:
        found &= columns.far_port == rule.port
    if rule.protocol == "icmp":
        found &= (columns.protocol == ICMP) | (columns.protocol == ICMPV6)
    elif rule.protocol is not None:
        found &= columns.protocol == (TCP if rule.protocol == "tcp" else UDP)
    return found


def _routed(scene: Scene) -> Bool:
    """Flows to what the policy's routes send into its tunnels, whatever is local otherwise: the
    longest prefix decides, as in a routing table."""
    columns = scene.columns
    routes = {network for tunnel in scene.tunnels if tunnel.given for network in tunnel.routes}
    # What is longer is written later.
    found = np.zeros(len(columns), np.bool_)
    ways = [*((network, False) for network in scene.lans), *((network, True) for network in routes)]
    for network, is_route in sorted(ways, key=lambda way: (way[0].prefixlen, way[1])):
        found[columns.inside(columns.far, [network])] = is_route
    return found & ~columns.special(columns.far)


def _handed_on(scene: Scene) -> Bool:
    """Flows that came in through a tunnel from another host and were sent on with this one's
    address: an exit node's, or a VPN server's.

    From the same port to the same far end, and inside from the other end of the tunnel: the
    recorder saw it come in, or its answers go out there, or the hop limit was lowered on the way.
    """
    columns, flows = scene.columns, scene.columns.flows
    found = np.zeros(len(columns), np.bool_)
    # A local network called like a tunnel hands on as a router does.
    bare = [n for n in scene.ids("tunnel") if not has_link_layer(scene.state.interfaces[n])]
    within = np.flatnonzero(columns.on(bare))
    rows = np.flatnonzero(columns.on(scene.outside) & (columns.encapsulation == 0))
    if not len(within) or not len(rows):
        return found
    keys = columns.socket_keys(within)
    shifted = flows.marks >> np.uint8(RESP_SHIFT)
    near = np.where(columns.orig_is_near, flows.marks, shifted)[within]
    far = np.where(columns.orig_is_near, shifted, flows.marks)[within]
    inbound, outbound = np.uint8(Mark.ORIG_INBOUND), np.uint8(Mark.ORIG_OUTBOUND)
    hops = np.where(columns.orig_is_near, flows.orig_hops, flows.resp_hops).astype(np.int64)
    handed = (near & inbound != 0) | ((far & outbound != 0) & (far & inbound == 0))
    handed &= near & outbound == 0
    came = set(keys[handed].tolist())
    inner = dict(zip(keys.tolist(), hops[within].tolist(), strict=True))
    for row, key in zip(rows.tolist(), columns.socket_keys(rows).tolist(), strict=True):
        found[row] = key in came or inner.get(key, 0) - int(hops[row]) == 1
    return found


def local_traffic(scene: Scene) -> Bool:
    """Flows on outside interfaces that stay on the link or the local network.

    No port makes traffic local: a page may send STUN to any. What goes to a multicast,
    broadcast or link-local address, or to another one of the client's own network, stays there;
    DHCP beyond the link (a relayed server's) must be DHCP throughout, with the lease's server.
    """
    columns = scene.columns
    # Addresses that providers share (RFC 6598) are local to those who have one.
    shared = columns.inside(columns.far, [_SHARED]) & ~columns.inside(columns.near, [_SHARED])
    public = columns.public(columns.far) | shared
    found = columns.special(columns.far) | (columns.special(columns.near) & ~public)
    found |= ~public & ~columns.inside(columns.far, scene.inner)
    for network in scene.lans:
        found |= columns.inside(columns.near, [network]) & columns.inside(columns.far, [network])
    found |= columns.inside(columns.near, scene.clients) & columns.inside(
        columns.far, scene.clients
    )
    found[_leasing(scene)] = True
    found[_told_public(scene)] = False
    found &= ~_wrapped_beyond(scene)
    return found & columns.on(scene.outside)


def _wrapped_beyond(scene: Scene) -> Bool:
    """Flows inside packets to public addresses (GRE, VXLAN): they leave, wherever they end."""
    own = scene.own_carriers()
    beyond = own[scene.outers.beyond(scene.clients)[own - 1]]
    return np.isin(scene.columns.encapsulation, beyond)


def _leasing(scene: Scene) -> list[int]:
    """Flows of nothing but DHCP with a server that gave the client a lease when it was asked."""
    columns = scene.columns
    servers = {
        lease.server
        for lease in scene.leases()
        if lease.asked and lease.acknowledged and inside(lease.address, scene.clients)
    }
    if not servers:
        return []
    return [
        row
        for row, messages in scene.state.network.messages.items()
        if columns.far_port[row] == DHCP_SERVER
        and columns.near_port[row] == DHCP_CLIENT
        and messages == columns.packets[row]
        and columns.far_endpoint(row).address in servers
    ]


def _told_public(scene: Scene) -> list[int]:
    """Flows on which the client was told a public address that is neither the one it asked from
    nor an exit: who answers that knows where the client is, wherever it is itself."""
    return [
        link.flow
        for key, link in scene.state.ice.links.items()
        if not key.layers
        and any(
            is_public(mapped.address)
            and mapped.address != key.destination.address
            and not scene.is_exit(mapped.address)
            for mapped, _ in link.told()
        )
        and scene.is_client(key.destination.address)
    ]


def answered(columns: Columns) -> Bool:
    """Flows that the far end began: the client only answered.

    That needs a beginning in the recording: a SYN of the far end's, or its first packet after the
    recording ran a while, to a port the client serves. Of what went on when the recording began
    ports tell who asked.
    """
    tcp = columns.protocol == TCP
    control = (columns.protocol == ICMP) | (columns.protocol == ICMPV6)
    listening = server_port(columns.far_port) & ~server_port(columns.near_port)
    serving = server_port(columns.near_port) & ~server_port(columns.far_port)
    flags = columns.flows.tcp_flags
    # Several queues of a card may swap the first packets; backscatter brings no data.
    opened = (flags & SYN != 0) & ~(listening & (flags & PSH != 0))
    asked = np.where(tcp, ~opened & ~serving, listening)
    asked = np.where(control, np.isin(columns.near_port, ECHO_REQUESTS), asked)
    began = ~columns.orig_is_near
    going = columns.first_ns < (columns.first_ns.min() if len(columns) else 0) + SETTLED_NS
    datagrams = ~tcp & ~control
    ephemeral = columns.near_port >= EPHEMERAL
    asked |= datagrams & ~serving & (going | (ephemeral & ~_visited(columns, began)))
    found: Bool = began & ~asked
    return found


def _tells_names(scene: Scene) -> Bool:
    """Errors of ICMP that quote an answer of DNS to the world, but for one that a stranger sent."""
    columns = scene.columns
    found = np.zeros(len(columns), np.bool_)
    found[list(scene.state.quoted_dns)] = True
    found &= columns.public(columns.far)
    for row in np.flatnonzero(found).tolist():
        asked = columns.inside(columns.far, [single(columns.far_endpoint(row).address)])
        asked &= columns.serving(Service.DNS) & (columns.sent_packets == 0)
        found[row] = not asked.any()
    return found


def _visited(columns: Columns, began: Bool) -> Bool:
    """Flows at ports of the client where several far ends began one."""
    keys = columns.near_port.astype(np.int64) << 8 | columns.protocol
    ports, counts = np.unique(keys[began], return_counts=True)
    return np.isin(keys, ports[counts > 1])


def _discovery(columns: Columns) -> Bool:
    """Name queries of the link itself: they go to multicast."""
    return columns.multicast(columns.far) | columns.multicast(columns.near)


def _split_tunnels(scene: Scene, path: UInt8) -> None:
    """Where every tunnel has routes, what they do not name is meant to go beside them."""
    if not scene.tunnels or not all(tunnel.routes for tunnel in scene.tunnels):
        return
    columns = scene.columns
    meant = columns.inside(
        columns.far, [network for tunnel in scene.tunnels for network in tunnel.routes]
    )
    path[(path == BYPASS) & ~meant] = UNASSESSED


def _proxies(scene: Scene, path: UInt8) -> None:
    columns = scene.columns
    # A proxy on this host is spoken to over the loopback interface.
    reached = columns.on([*scene.outside, *scene.ids("loopback")])
    for proxy in scene.proxies:
        there = columns.inside(columns.far, [single(proxy.endpoint.address)])
        there &= columns.far_port == proxy.endpoint.port
        carrier = columns.protocol == TCP
        if proxy.scheme == "https":
            # Over HTTP/3 it forwards UDP too (RFC 9298).
            carrier |= columns.protocol == UDP
        path[reached & there & carrier] = PROXY
        way_out = columns.on(scene.outside) & (columns.encapsulation == 0)
        way_out &= columns.inside(columns.far, [single(server) for server in proxy.servers])
        path[way_out & ~beside(scene, way_out, proxy.conserved)] = PROXY
        for relay in (*proxy.relays, *proxy.supposed):
            relayed = columns.inside(columns.far, [single(relay.address)])
            relayed &= (columns.protocol == UDP) & (columns.far_port == relay.port)
            path[reached & relayed] = PROXY


def _tunnels(scene: Scene, path: UInt8) -> None:
    columns = scene.columns
    # A recording that tells no interfaces apart shows the inside among the rest: whatever has
    # the tunnel's address is taken for it, for want of anything to tell it by.
    mixed = columns.on(scene.ids("any")) & columns.inside(columns.near, scene.inner)
    path[mixed] = INSIDE_TUNNEL
    path[mixed & columns.public(columns.far)] = TUNNEL
    for tunnel in scene.tunnels:
        tunnel.carrier = carrier_rows(scene, tunnel)
        path[tunnel.carrier] = TUNNEL_TRANSPORT
        within = columns.on(tunnel.interfaces)
        within |= _carried(scene, tunnel.endpoints)
        path[within] = INSIDE_TUNNEL
        path[within & columns.public(columns.far)] = TUNNEL
    for tunnel in scene.around:
        tunnel.carrier = carrier_rows(scene, tunnel)
        path[tunnel.carrier] = TUNNEL_TRANSPORT


def _foreign(scene: Scene) -> Bool:
    """Flows inside packets that the client only received, or has no part in."""
    columns = scene.columns
    if not columns.encapsulation.any():
        return np.zeros(len(columns), np.bool_)
    own = np.isin(columns.encapsulation, scene.own_carriers())
    return ~own & (columns.encapsulation > 0)


def _wrapped(scene: Scene) -> Bool:
    """Flows of the client inside packets it exchanges (6in4, Teredo, GRE). Its address there is
    the one at its side of the carrier's first flow."""
    columns, flows = scene.columns, scene.columns.flows
    carried = np.isin(columns.encapsulation, scene.own_carriers())
    rows = np.flatnonzero(carried)
    own: set[IPAddress] = set()
    for number, first in zip(
        *np.unique(columns.encapsulation[rows], return_index=True), strict=True
    ):
        outer = scene.state.encapsulations[number]
        if outer is not None and inside(outer.source.address, scene.clients):
            own.add(flows.orig(rows[first]).address)
        elif outer is not None and inside(outer.destination.address, scene.clients):
            own.add(flows.resp(rows[first]).address)
    found = np.zeros(len(columns), np.bool_)
    if own:
        found[rows] = [columns.near_endpoint(row).address in own for row in rows.tolist()]
    return found


def _carried(scene: Scene, endpoints: list[Rule]) -> Bool:
    """Flows the dissector found inside a carrier that is not encrypted (GRE, IP in IP), which the
    endpoint did not only send: anybody can in its name."""
    columns = scene.columns
    networks = [rule.network for rule in endpoints if rule.network is not None]
    return np.isin(columns.encapsulation, np.flatnonzero(scene.outers.sent_to(networks)) + 1)
