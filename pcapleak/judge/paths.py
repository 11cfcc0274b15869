"""Which way each flow took: one code of `PATHS` a flow, over whole columns.

- `tunnel`: inside a tunnel, towards the world; `inside-tunnel`: inside it and ending there
  (its resolver, other hosts in it, multicast into it)
- `tunnel-transport`: the carrier of a tunnel; `proxy`: the way to a proxy
- `local`: what a host does on its link and local network, and never leaves it (`BASELINE`)
- `bypass`: everything else of the client's: outside, where a policy says it should not be
- `unassessed`: other hosts' traffic, exceptions the policy allows, everything without a policy
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pcapleak.judge.addresses import inside
from pcapleak.judge.clients import server_port
from pcapleak.judge.columns import TCP, UDP, Columns
from pcapleak.judge.context import Scene, single
from pcapleak.judge.judgement import (
    BYPASS,
    INSIDE_TUNNEL,
    LOCAL,
    PROXY,
    TUNNEL,
    TUNNEL_TRANSPORT,
    UNASSESSED,
)
from pcapleak.policy.policy import Rule
from pcapleak.values.packets import Bool, IPAddress, UInt8

ICMP, IGMP, ICMPV6 = 1, 2, 58
ECHO = (0, 8, 128, 129)
"""Types of echo requests and replies of ICMP and ICMPv6."""
ECHO_REQUESTS = (8, 128)
SYN, PSH = 2, 8


class Baseline(NamedTuple):
    """Traffic that belongs on a physical interface whatever the policy."""

    what: str
    protocol: int
    ports: tuple[int, ...]
    """One end's port, or for ICMPv6 the type; empty: any."""
    link_only: bool
    """Only towards multicast, broadcast, link-local or local-network addresses."""


# Mullvad's published allow-list (docs/security.md) and what every host says on its link.
BASELINE: tuple[Baseline, ...] = (
    Baseline("DHCP", UDP, (67, 68), False),
    Baseline("DHCPv6", UDP, (546, 547), True),
    Baseline("neighbour and router discovery", ICMPV6, (133, 134, 135, 136, 137), False),
    Baseline("multicast listener reports", ICMPV6, (130, 131, 132, 143), False),
    Baseline("group membership", IGMP, (), False),
    Baseline("multicast DNS", UDP, (5353,), True),
    Baseline("LLMNR", UDP, (5355,), True),
    Baseline("SSDP", UDP, (1900,), True),
    Baseline("WS-Discovery", UDP, (3702,), True),
    Baseline("NetBIOS", UDP, (137, 138), True),
)


def assign_paths(scene: Scene) -> UInt8:
    """The path of each flow, by row of the flow table."""
    columns = scene.columns
    path = np.full(len(columns), UNASSESSED, np.uint8)
    if not scene.has_policy:
        return path
    mine = columns.inside(columns.near, [*scene.clients, *scene.inner]) | _wrapped(scene)
    outside = columns.on(scene.outside)
    path[outside & mine] = BYPASS
    # ICMP errors answer what came in; only an echo is traffic of its own.
    control = (columns.protocol == ICMP) | (columns.protocol == ICMPV6)
    echo = np.isin(columns.orig_port, ECHO)
    path[outside & mine & control & ~echo] = UNASSESSED
    path[local_traffic(scene)] = LOCAL
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
    return path


def _allowed(scene: Scene, rule: Rule) -> Bool:
    """Flows that an exception of the policy names."""
    if rule.process is None:
        return matches(scene.columns, rule)
    found = np.zeros(len(scene.columns), np.bool_)
    found[[row for row, name in scene.state.processes.items() if rule.process in name]] = True
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


def local_traffic(scene: Scene) -> Bool:
    """Flows on outside interfaces that stay on the link or the local network."""
    columns = scene.columns
    near_link = columns.special(columns.orig) | columns.special(columns.resp)
    for networks in (scene.lans, scene.clients):
        near_link |= columns.inside(columns.orig, networks) & columns.inside(columns.resp, networks)
    far_private = ~columns.public(columns.far)
    found = near_link | (far_private & ~columns.inside(columns.far, scene.inner))
    for entry in BASELINE:
        rows = columns.protocol == entry.protocol
        if entry.ports:
            rows &= np.isin(columns.orig_port, entry.ports) | np.isin(
                columns.resp_port, entry.ports
            )
        if entry.link_only:
            rows &= near_link | far_private
        found |= rows
    return found & columns.on(scene.outside)


def answered(columns: Columns) -> Bool:
    """Flows that the far end began: the client only answered.

    A recording that begins in their middle may show the answer first. There ports tell who
    asked: of TCP without its SYN the lower one is the server's, of UDP one that servers have.
    """
    tcp = columns.protocol == TCP
    control = (columns.protocol == ICMP) | (columns.protocol == ICMPV6)
    listening = server_port(columns.far_port) & ~server_port(columns.near_port)
    asked = np.where(tcp, columns.far_port < columns.near_port, listening)
    asked = np.where(control, np.isin(columns.near_port, ECHO_REQUESTS), asked)
    # Several queues of a card may swap the first packets; backscatter brings no data.
    flags = columns.flows.tcp_flags
    opened = tcp & (flags & SYN != 0) & ~(listening & (flags & PSH != 0))
    found: Bool = ~columns.orig_is_near & (~asked | opened)
    return found


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
        for relay in proxy.relays:
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
    outside = columns.on(scene.outside)
    for tunnel in scene.tunnels:
        carrier = np.zeros(len(columns), np.bool_)
        for rule in tunnel.endpoints:
            carrier |= outside & matches(columns, rule)
        carrier &= columns.encapsulation == 0
        path[carrier] = TUNNEL_TRANSPORT
        within = columns.on(tunnel.interfaces)
        within |= _carried(scene, tunnel.endpoints)
        path[within] = INSIDE_TUNNEL
        path[within & columns.public(columns.far)] = TUNNEL


def _wrapped(scene: Scene) -> Bool:
    """Flows of the client inside packets it exchanges (6in4, Teredo, GRE). Its address there is
    the one at its side of the carrier's first flow."""
    columns, flows = scene.columns, scene.columns.flows
    rows = np.flatnonzero(columns.encapsulation)
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
    """Flows the dissector found inside a carrier that is not encrypted (GRE, IP in IP)."""
    columns = scene.columns
    numbers = [
        number
        for number, outer in enumerate(scene.state.encapsulations)
        if outer is not None
        and any(
            rule.network is not None
            and (outer.source.address in rule.network or outer.destination.address in rule.network)
            for rule in endpoints
        )
    ]
    return np.isin(columns.encapsulation, np.asarray(numbers, np.int64)) & (
        columns.encapsulation > 0
    )
