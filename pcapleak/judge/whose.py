"""The client of a scene: its addresses outside and inside, with what shows them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.clients import (
    Known,
    add_other_uplinks,
    beside,
    complete_clients,
    ends_on,
    interface_addresses,
    most_common_end,
)
from pcapleak.judge.columns import TCP, UDP
from pcapleak.judge.context import Scene, SceneProxy, Source, single
from pcapleak.judge.fields import found_field, given_field
from pcapleak.judge.hosts import Host
from pcapleak.judge.judgement import PolicyField
from pcapleak.policy.policy import Network
from pcapleak.values.addresses import inside
from pcapleak.values.claims import Strength
from pcapleak.values.packets import IPAddress

MAX_CARRIERS = 1000
"""Flows to a tunnel's endpoint looked at for the client's addresses."""


def clients_field(scene: Scene, fields: dict[str, PolicyField]) -> None:
    """Find the client's addresses outside and inside, where the policy does not give them."""
    policy, columns = scene.policy, scene.columns
    if policy.clients:
        scene.clients = list(policy.clients)
        fields["clients"] = given_field(policy.clients)
        _same_client(scene, fields["clients"])
        _inner(scene, fields)
        return
    known = Known()
    outside = scene.outside
    for address in interface_addresses(scene.state.interfaces, outside):
        says = "the capture file names it as the interface's"
        known.add(address, says, "certain", Strength.TOLD)
    for tunnel in scene.tunnels:
        for seen in tunnel.seen:
            if seen.interface in outside:
                known.add(seen.client.address, "began the tunnel's handshake", "high")
        ends = [rule.network for rule in tunnel.endpoints if rule.network is not None]
        rows = columns.on(outside) & columns.inside(columns.resp, ends)
        for row in np.flatnonzero(rows)[:MAX_CARRIERS].tolist():
            sender = columns.flows.orig(row).address
            known.add(sender, "sends to the tunnel's endpoint", "high")
        rows = columns.on(outside) & columns.inside(columns.orig, ends)
        rows &= columns.flows.resp_packets > 0
        for row in np.flatnonzero(rows)[:MAX_CARRIERS].tolist():
            sender = columns.flows.resp(row).address
            known.add(sender, "answers the tunnel's endpoint", "high")
    for proxy in scene.proxies:
        for used in proxy.seen:
            for client in used.clients:
                if used.interface in outside:
                    known.add(client.address, "speaks to the proxy", "high")
        for sender, reason in _proxy_users(scene, proxy):
            known.add(sender, reason, "high", Strength.CONSERVED)
    # Only a host itself records its `any` device.
    own = bool(outside) and set(outside) <= {*scene.ids("any"), *scene.sub_interfaces}
    host = Host(
        columns,
        columns.on(outside),
        columns.on(scene.ids("loopback")),
        _servers(scene),
    )
    found = complete_clients(known, columns, outside, host, others=_inside_ends(scene), own=own)
    # Without the tunnel's inside nothing tells what goes into it from what goes beside it.
    if known.networks and (scene.inside_ids or scene.is_proxy_only):
        add_other_uplinks(known, columns, scene.ids("physical"))
    scene.clients = known.networks
    scene.rivals = [] if host.is_known else known.rivals
    scene.suspected = [one.address for one in found]
    _inner(scene, fields)
    for one in found:
        if host.is_known and one.address not in scene.suspected:
            known.add(one.address, one.says, "high", Strength.TYPICAL)
    scene.is_client_shown = known.strength > Strength.TYPICAL
    scene.sources["clients"] = known.sources
    fields["clients"] = found_field(known.sources)


def _proxy_users(scene: Scene, proxy: SceneProxy) -> Iterator[tuple[IPAddress, str]]:
    """Who speaks to a proxy outside, or sends what a proxy on this host was handed."""
    columns = scene.columns
    address, port = proxy.endpoint
    outside = columns.on(scene.outside) & (columns.encapsulation == 0)
    servers = [] if proxy.conserved is None else list(map(single, proxy.conserved.servers))
    if address.is_loopback:
        # What the policy lets out is how such a proxy's way out is told.
        servers += [rule.network for rule in scene.policy.allow if rule.network is not None]
    carrying = columns.protocol == TCP
    if proxy.scheme == "https":
        # Over HTTP/3 (RFC 9298).
        carrying |= columns.protocol == UDP
    ways = (
        (columns.resp, columns.resp_port, columns.flows.orig),
        (columns.orig, columns.orig_port, columns.flows.resp),
    )
    for far, far_port, near in ways:
        spoken = columns.inside(far, [single(address)]) & (far_port == port)
        for rows, reason in (
            (outside & spoken & carrying, "speaks to the proxy"),
            (outside & columns.inside(far, servers), "sends what the proxy was handed"),
        ):
            for row in np.flatnonzero(rows)[:MAX_CARRIERS].tolist():
                yield near(row).address, reason


def _servers(scene: Scene) -> list[Network]:
    """Addresses that are the tunnels' and proxies', not the client's."""
    found = [rule.network for tunnel in scene.tunnels for rule in tunnel.endpoints if rule.network]
    found += [single(proxy.endpoint.address) for proxy in scene.proxies]
    return [network for network in found if not network.is_loopback]


def _inside_ends(scene: Scene) -> list[Network]:
    """Addresses that are the client's inside tunnels, not outside."""
    found = [network for tunnel in scene.policy.tunnels for network in tunnel.addresses]
    for end in ends_on(scene.columns, scene.inside_ids):
        if end is not None:
            found.append(single(end[0]))
    return found


def _inner(scene: Scene, fields: dict[str, PolicyField]) -> None:
    """The client's addresses inside tunnels."""
    sources: list[Source] = []
    for tunnel in scene.tunnels:
        for address in interface_addresses(scene.state.interfaces, tunnel.interfaces):
            if inside(address, tunnel.addresses):
                continue
            tunnel.addresses.append(single(address))
            says = f"the capture file names it on {tunnel.label}"
            sources.append(Source(address, says, "certain", Strength.TOLD))
        if tunnel.addresses or not tunnel.interfaces:
            continue
        for found in ends_on(scene.columns, tunnel.interfaces):
            if found is not None and not inside(found[0], scene.clients):
                address, share = found
                tunnel.addresses.append(single(address))
                packets = f"{share:.0%} of the IPv{address.version} packets"
                reason = f"takes part in {packets} on {tunnel.label}"
                sources.append(Source(address, reason, "high" if share > 0.9 else "medium"))
    scene.inner = [network for tunnel in scene.tunnels for network in tunnel.addresses]
    # Without a recording of the tunnel, a second private address of the host, of another
    # network than its first, is taken for the tunnel's.
    guesses = [
        address
        for address in scene.suspected
        if scene.tunnels and not scene.inner and not beside(address, scene.clients)
    ]
    scene.suspected = guesses
    for address in guesses:
        scene.inner.append(single(address))
        sources.append(Source(address, "a second private address of the same host", "medium"))
    scene.sources["tunnel_addresses"] = sources
    given = [n for tunnel in scene.policy.tunnels for n in tunnel.addresses]
    fields["tunnel_addresses"] = given_field(given) if given else found_field(sources)


def _same_client(scene: Scene, field: PolicyField) -> None:
    """Add the other addresses of a client that the policy names by one."""
    columns = scene.columns
    host = Host(
        columns,
        columns.on(scene.outside),
        columns.on(scene.ids("loopback")),
        _servers(scene),
    )
    others = _inside_ends(scene)
    for address, says in host.same_frames(scene.clients, others):
        scene.clients.append(single(address))
        field.value.append(address)
        field.reasons.append(f"{address}: {says}")
    if not host.is_known:
        # Nothing here tells of an address of the other version whose it is.
        rows = columns.on(scene.outside) & (columns.encapsulation == 0)
        rows &= columns.public(columns.orig) | columns.public(columns.resp)
        rows &= ~columns.special(columns.orig) & ~columns.special(columns.resp)
        servers = _servers(scene)
        rows &= ~columns.inside(columns.orig, servers) & ~columns.inside(columns.resp, servers)
        known = {network.version for network in scene.clients}
        ends = [most_common_end(columns, rows, version) for version in {4, 6} - known]
        scene.rivals = [end[0] for end in ends if end is not None and not inside(end[0], others)]
