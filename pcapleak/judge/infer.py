"""Completes a policy from the capture: every field given, inferred with reasons, or empty."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from typing import Literal

from pcapleak.judge.carriers import fit_proxy
from pcapleak.judge.clients import Known, lan_guess
from pcapleak.judge.columns import Columns
from pcapleak.judge.context import Scene, SceneProxy, SceneTunnel, Source
from pcapleak.judge.discover import find_around, find_proxies, find_tunnels, fit_tunnel
from pcapleak.judge.exits import exit_sources
from pcapleak.judge.fields import found_field, given_field
from pcapleak.judge.judgement import JudgedPolicy, PolicyField
from pcapleak.judge.mirrors import open_mirrors
from pcapleak.judge.relays import find_relays
from pcapleak.judge.side_evidence import settle
from pcapleak.judge.sides import interface_roles
from pcapleak.judge.whose import clients_field
from pcapleak.policy.policy import Policy
from pcapleak.track.state import State
from pcapleak.values.addresses import holds_public, inside
from pcapleak.values.claims import Strength


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
    if policy.infer and not scene.tunnels:
        scene.around = find_around(scene)
    _fit_proxies(scene)
    fields: dict[str, PolicyField] = {}
    _tunnel_fields(scene, fields)
    clients_field(scene, fields)
    _lans(scene, fields)
    _orient(scene)
    _exits(scene, fields)
    _resolvers(scene, fields)
    fields["allow"] = given_field([rule.text for rule in policy.allow])
    fields["strict"] = PolicyField(
        ["yes" if policy.strict else "no"], "given" if policy.strict else "default"
    )
    for name, given in policy.given().items():
        fields.setdefault(name, given_field(given))
    scene.entry = JudgedPolicy(_kind(scene), fields)
    return scene


def _kind(scene: Scene) -> Literal["none", "tunnel", "proxy", "tunnel+proxy"]:
    if scene.tunnels:
        return "tunnel+proxy" if scene.proxies else "tunnel"
    return "proxy" if scene.proxies else "none"


def _fit_proxies(scene: Scene) -> None:
    """Join proxies with what was seen of them."""
    for proxy in scene.proxies:
        for seen in scene.state.tunnels.proxies():
            named = seen.server == proxy.endpoint and not seen.layers
            if named and not scene.only_arrives(seen.flows):
                proxy.seen.append(seen)
                proxy.relays.extend(relay for relay in seen.relays if relay not in proxy.relays)
        find_relays(scene, proxy)
        fit_proxy(scene, proxy, scene.outside)


def _tunnel_fields(scene: Scene, fields: dict[str, PolicyField]) -> None:
    given = [tunnel for tunnel in scene.tunnels if tunnel.given]
    if given or not scene.tunnels:
        fields["tunnels"] = given_field([tunnel.label for tunnel in given])
        fields["tunnels"].reasons = [reason for tunnel in given for reason in tunnel.reasons]
    else:
        fields["tunnels"] = found_field(
            [Source(t.label, reason, t.confidence) for t in scene.tunnels for reason in t.reasons]
        )
    asked = [
        rule.text
        for tunnel in scene.policy.tunnels
        if not tunnel.reasons
        for rule in tunnel.endpoints
    ]
    if asked:
        fields["vpn_endpoints"] = given_field(asked)
        fields["vpn_endpoints"].reasons = list(scene.policy.known_by)
    else:
        fields["vpn_endpoints"] = found_field(
            [
                Source(rule.text, "; ".join(tunnel.reasons), tunnel.confidence)
                for tunnel in scene.tunnels
                for rule in tunnel.endpoints
            ]
        )
    named = [str(proxy) for proxy in scene.policy.proxies if not proxy.reasons]
    if named or not scene.proxies:
        fields["proxies"] = given_field(named)
    else:
        fields["proxies"] = found_field(
            [
                Source(f"{proxy.scheme}://{proxy.endpoint}", reason, proxy.confidence)
                for proxy in scene.proxies
                for reason in proxy.reasons
            ]
        )


def _lans(scene: Scene, fields: dict[str, PolicyField]) -> None:
    if scene.policy.lans:
        scene.lans = list(scene.policy.lans)
        fields["lans"] = given_field(scene.policy.lans)
        return
    known = Known()
    for number in scene.outside:
        for text in scene.state.interfaces[number].addresses:
            network = ip_interface(text).network
            if network.num_addresses > 1:
                says = "the capture file names it as the interface's"
                known.add(network, says, "certain", Strength.TOLD)
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
            known.add(guess, reason, confidence, Strength.TYPICAL)
    # A network that declares the public internet its own is judged by PL209, not believed. An
    # IPv6 link of 64 bits is ordinary.
    scene.lans = [
        network
        for network in known.networks
        if not holds_public(network) or (network.version == 6 and network.prefixlen >= 64)
    ]
    scene.sources["lans"] = known.sources
    fields["lans"] = found_field(known.sources)


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
    sources = scene.sources["exits"] = list(exit_sources(scene))
    # Who says where it comes out does not want more addresses of the same kind.
    scene.exits = given or list(dict.fromkeys(ip_network(one.value) for one in sources))
    fields["exits"] = given_field(given) if given else found_field(sources)


def _resolvers(scene: Scene, fields: dict[str, PolicyField]) -> None:
    scene.resolvers = list(scene.policy.resolvers)
    tunnelled = set(scene.inside_ids)
    sources: list[Source] = []
    for used in scene.state.resolvers.resolvers():
        if used.interface in tunnelled:
            reason = "queried inside the tunnel"
            sources.append(Source(used.endpoint.address, reason, "high"))
    given = [
        *scene.policy.resolvers,
        *(address for tunnel in scene.policy.tunnels for address in tunnel.resolvers),
    ]
    fields["resolvers"] = given_field(given) if given else found_field(sources)
