"""Completes a policy from the capture: every field given, inferred with reasons, or empty."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_interface, ip_network
from typing import Literal

import numpy as np

from pcapleak.judge.carriers import fit_proxy
from pcapleak.judge.clients import (
    Known,
    add_other_uplinks,
    beside,
    complete_clients,
    ends_on,
    interface_addresses,
    lan_guess,
    most_common_end,
)
from pcapleak.judge.columns import Columns
from pcapleak.judge.context import Scene, SceneProxy, SceneTunnel, Source, single
from pcapleak.judge.discover import find_proxies, find_tunnels, fit_tunnel
from pcapleak.judge.exits import exit_sources
from pcapleak.judge.hosts import Host
from pcapleak.judge.judgement import JudgedPolicy, PolicyField, PolicyValue
from pcapleak.judge.mirrors import open_mirrors
from pcapleak.judge.relays import find_relays
from pcapleak.judge.side_evidence import settle
from pcapleak.judge.sides import interface_roles
from pcapleak.policy.policy import Network, Policy
from pcapleak.track.state import State
from pcapleak.values.addresses import holds_public, inside
from pcapleak.values.evidence import weakest

MAX_CARRIERS = 1000
"""Flows to a tunnel's endpoint looked at for the client's addresses."""


def infer(state: State, policy: Policy) -> Scene:
    """The scene of a run: the policy as given, and what the capture adds to it."""
    columns = Columns(state.flows)
    mirrors = open_mirrors(state, columns, policy)
    roles = interface_roles(state.interfaces, columns, policy)
    roles = settle(state, columns, policy, roles)
    scene = Scene(state=state, policy=policy, columns=columns, roles=roles, mirrors=mirrors)
    scene.tunnels = [
        SceneTunnel(
            label=tunnel.interface or str(tunnel.endpoints[0].text),
            kind=tunnel.protocol,
            is_named=tunnel.interface is not None,
            endpoints=list(tunnel.endpoints),
            addresses=list(tunnel.addresses),
            resolvers=list(tunnel.resolvers),
            exits=list(tunnel.exits),
            routes=list(tunnel.routes),
            given=not tunnel.reasons,
            reasons=list(tunnel.reasons),
        )
        for tunnel in policy.tunnels
    ]
    scene.proxies = [
        SceneProxy(
            proxy.scheme,
            proxy.endpoint,
            given=not proxy.reasons,
            exits=list(proxy.exits),
            reasons=list(proxy.reasons),
        )
        for proxy in policy.proxies
    ]
    if policy.is_empty and policy.infer:
        scene.tunnels = find_tunnels(scene)
    for tunnel in scene.tunnels:
        fit_tunnel(scene, tunnel)
    if policy.is_empty and policy.infer and not scene.tunnels:
        scene.proxies = find_proxies(scene)
    _fit_proxies(scene)
    fields: dict[str, PolicyField] = {}
    _tunnel_fields(scene, fields)
    _clients(scene, fields)
    _lans(scene, fields)
    _orient(scene)
    _exits(scene, fields)
    _resolvers(scene, fields)
    fields["allow"] = _given([rule.text for rule in policy.allow])
    fields["strict"] = PolicyField(
        ["yes" if policy.strict else "no"], "given" if policy.strict else "default"
    )
    for name, given in policy.given().items():
        fields.setdefault(name, _given(given))
    scene.entry = JudgedPolicy(_kind(scene), fields)
    return scene


def _kind(scene: Scene) -> Literal["none", "tunnel", "proxy", "tunnel+proxy"]:
    if scene.tunnels:
        return "tunnel+proxy" if scene.proxies else "tunnel"
    return "proxy" if scene.proxies else "none"


def _given(values: Sequence[PolicyValue]) -> PolicyField:
    return PolicyField(list(values), "given" if values else "default")


def _found(sources: list[Source]) -> PolicyField:
    """A field that the capture gave."""
    if not sources:
        return PolicyField([], "default")
    surely = weakest(*(confidence for _, _, confidence in sources))
    return PolicyField(
        list(dict.fromkeys(value for value, _, _ in sources)),
        "inferred",
        surely,
        list(dict.fromkeys(f"{value}: {reason}" for value, reason, _ in sources)),
    )


def _fit_proxies(scene: Scene) -> None:
    """Join proxies with what was seen of them."""
    for proxy in scene.proxies:
        for seen in scene.state.tunnels.proxies():
            if seen.server == proxy.endpoint and not seen.layers:
                proxy.seen.append(seen)
                proxy.relays.extend(relay for relay in seen.relays if relay not in proxy.relays)
        find_relays(scene, proxy)
        fit_proxy(scene, proxy, scene.outside)


def _tunnel_fields(scene: Scene, fields: dict[str, PolicyField]) -> None:
    given = [tunnel for tunnel in scene.tunnels if tunnel.given]
    if given or not scene.tunnels:
        fields["tunnels"] = _given([tunnel.label for tunnel in given])
        fields["tunnels"].reasons = [reason for tunnel in given for reason in tunnel.reasons]
    else:
        fields["tunnels"] = _found(
            [(t.label, reason, t.confidence) for t in scene.tunnels for reason in t.reasons]
        )
    asked = [
        rule.text
        for tunnel in scene.policy.tunnels
        if not tunnel.reasons
        for rule in tunnel.endpoints
    ]
    if asked:
        fields["vpn_endpoints"] = _given(asked)
    else:
        fields["vpn_endpoints"] = _found(
            [
                (rule.text, "; ".join(tunnel.reasons), tunnel.confidence)
                for tunnel in scene.tunnels
                for rule in tunnel.endpoints
            ]
        )
    named = [str(proxy) for proxy in scene.policy.proxies if not proxy.reasons]
    if named or not scene.proxies:
        fields["proxies"] = _given(named)
    else:
        fields["proxies"] = _found(
            [
                (f"{proxy.scheme}://{proxy.endpoint}", reason, proxy.confidence)
                for proxy in scene.proxies
                for reason in proxy.reasons
            ]
        )


def _clients(scene: Scene, fields: dict[str, PolicyField]) -> None:
    policy, columns = scene.policy, scene.columns
    if policy.clients:
        scene.clients = list(policy.clients)
        fields["clients"] = _given(policy.clients)
        _same_client(scene, fields["clients"])
        _inner(scene, fields)
        return
    known = Known()
    outside = scene.outside
    for address in interface_addresses(scene.state.interfaces, outside):
        known.add(address, "the capture file names it as the interface's", "certain")
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
            known.add(one.address, one.says, "high")
    fields["clients"] = _found(
        [(value, reason, known.confidence) for value, reason in known.reasons.items()]
    )


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
            sources.append((address, f"the capture file names it on {tunnel.label}", "certain"))
        if tunnel.addresses or not tunnel.interfaces:
            continue
        for found in ends_on(scene.columns, tunnel.interfaces):
            if found is not None and not inside(found[0], scene.clients):
                address, share = found
                tunnel.addresses.append(single(address))
                packets = f"{share:.0%} of the IPv{address.version} packets"
                reason = f"takes part in {packets} on {tunnel.label}"
                sources.append((address, reason, "high" if share > 0.9 else "medium"))
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
        sources.append((address, "a second private address of the same host", "medium"))
    given = [n for tunnel in scene.policy.tunnels for n in tunnel.addresses]
    fields["tunnel_addresses"] = _given(given) if given else _found(sources)


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


def _lans(scene: Scene, fields: dict[str, PolicyField]) -> None:
    if scene.policy.lans:
        scene.lans = list(scene.policy.lans)
        fields["lans"] = _given(scene.policy.lans)
        return
    known = Known()
    for number in scene.outside:
        for text in scene.state.interfaces[number].addresses:
            network = ip_interface(text).network
            if network.num_addresses > 1:
                known.add(network, "the capture file names it as the interface's", "certain")
    for lease in scene.leases():
        if lease.network is not None and inside(lease.address, scene.clients):
            known.add(lease.network, f"DHCP lease from {lease.server}", "high")
    outside = set(scene.outside)
    # Traffic is local between two addresses of one network: one must be the client's.
    mine = [int(network.network_address) for network in scene.clients if network.version == 6]
    for router in scene.routers() if mine else ():
        if router.interface not in outside:
            continue
        for prefix in router.prefixes.values():
            if prefix.on_link and any(map(prefix.holds, mine)):
                known.add(prefix.network, f"announced on-link by {router.address}", "high")
    for guess, reason, confidence in lan_guess(scene.clients):
        if not any(guess.version == network.version for network in known.networks):
            known.add(guess, reason, confidence)
    # A network that declares the public internet its own is judged by PL209, not believed. An
    # IPv6 link of 64 bits is ordinary.
    scene.lans = [
        network
        for network in known.networks
        if not holds_public(network) or (network.version == 6 and network.prefixlen >= 64)
    ]
    fields["lans"] = _found(
        [(value, reason, known.confidence) for value, reason in known.reasons.items()]
    )


def _orient(scene: Scene) -> None:
    """Tell the columns which end of each flow is the client's."""
    columns = scene.columns
    mine = [*scene.clients, *scene.inner]
    orig, resp = columns.inside(columns.orig, mine), columns.inside(columns.resp, mine)
    columns.orient(orig | ~resp)


def _exits(scene: Scene, fields: dict[str, PolicyField]) -> None:
    given = [
        *scene.policy.exits,
        *(network for tunnel in scene.policy.tunnels for network in tunnel.exits),
        *(network for proxy in scene.policy.proxies for network in proxy.exits),
    ]
    sources = list(exit_sources(scene))
    scene.exit_sources = sources
    # Who says where it comes out does not want more addresses of the same kind.
    scene.exits = given or list(dict.fromkeys(ip_network(value) for value, _, _ in sources))
    fields["exits"] = _given(given) if given else _found(sources)


def _resolvers(scene: Scene, fields: dict[str, PolicyField]) -> None:
    scene.resolvers = list(scene.policy.resolvers)
    tunnelled = set(scene.inside_ids)
    sources: list[Source] = []
    for used in scene.state.resolvers.resolvers():
        if used.interface in tunnelled:
            reason = "asked inside the tunnel"
            sources.append((used.endpoint.address, reason, "high"))
    given = [
        *scene.policy.resolvers,
        *(address for tunnel in scene.policy.tunnels for address in tunnel.resolvers),
    ]
    fields["resolvers"] = _given(given) if given else _found(sources)
