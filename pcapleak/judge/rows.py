"""Resolvers, tunnels and exits, as they were seen."""

from __future__ import annotations

from ipaddress import ip_network

import numpy as np

from pcapleak.judge.beside import both_sides
from pcapleak.judge.context import Scene, SceneTunnel
from pcapleak.judge.coverage import completeness
from pcapleak.judge.judgement import (
    BYPASS,
    PATHS,
    TUNNEL_TRANSPORT,
    Exit,
    ResolverUse,
    TunnelKind,
    TunnelUse,
)
from pcapleak.judge.tunnel_life import TunnelLife
from pcapleak.policy.policy import Network
from pcapleak.track.proxies import Proxy as SeenProxy
from pcapleak.track.tunnels import Tunnel as SeenTunnel
from pcapleak.values.evidence import CONFIDENCES
from pcapleak.values.packets import Bool, Service

_KINDS: tuple[tuple[TunnelKind, Service], ...] = (
    ("wireguard", Service.WIREGUARD | Service.WIREGUARD_HANDSHAKE),
    ("openvpn", Service.OPENVPN),
    ("ikev2", Service.IKE),
    ("esp", Service.ESP),
    ("gre", Service.GRE),
    ("l2tp", Service.L2TP),
)


def resolver_entries(scene: Scene) -> list[ResolverUse]:
    """Every resolver that was asked, in order of first sight."""
    entries = []
    for used in scene.state.resolvers.resolvers():
        if not used.queries:
            continue
        row = used.flows[0] if used.flows else None
        path = "unassessed" if row is None else PATHS[int(scene.path[row])]
        entries.append(
            ResolverUse(
                address=used.endpoint.address,
                transport=used.transport,
                queries=used.queries,
                interface=scene.label(used.interface),
                path=path,
                frames=list(used.frames),
            )
        )
    return entries


def exit_evidence(scene: Scene) -> list[Exit]:
    """Exits as given; else those seen or assumed, each with its surest reason, surest first."""
    exits = scene.entry.fields["exits"]
    if exits.source == "given":
        return [Exit(ip_network(one), "the policy gives it", "certain") for one in exits.value]
    found: dict[Network, Exit] = {}
    for one in sorted(scene.sources["exits"], key=lambda one: CONFIDENCES.index(one.confidence)):
        network = ip_network(one.value)
        found.setdefault(network, Exit(network, one.says, one.confidence))
    return list(found.values())


def tunnel_entries(scene: Scene) -> list[TunnelUse]:
    """The policy's tunnels and proxies, then whatever else was seen confirmed."""
    entries = [
        _tunnel(scene, tunnel, life)
        for tunnel, life in zip(scene.tunnels, scene.lives, strict=True)
    ]
    used = [id(seen) for tunnel in scene.tunnels for seen in tunnel.seen]
    others: dict[tuple[str, ...], list[SeenTunnel]] = {}
    for seen in scene.state.tunnels.tunnels():
        if id(seen) not in used and seen.confirmed:
            which = seen.kind, str(seen.server), scene.label(seen.interface)
            others.setdefault(which, []).append(seen)
    entries += [_other(scene, same) for same in others.values()]
    known = {proxy.endpoint for proxy in scene.proxies}
    proxies: dict[tuple[str, ...], list[SeenProxy]] = {}
    for proxy in scene.state.tunnels.proxies():
        if proxy.confirmed or proxy.server in known:
            place = proxy.kind, str(proxy.server), scene.label(proxy.interface)
            proxies.setdefault(place, []).append(proxy)
    return entries + [_proxy(scene, same) for same in proxies.values()]


def _proxy(scene: Scene, same: list[SeenProxy]) -> TunnelUse:
    """One proxy, though it was seen inside another layer or on an interface of the same name."""
    granted = [proxy.first_granted_ns for proxy in same if proxy.first_granted_ns is not None]
    asked = sum(proxy.requests for proxy in same)
    return TunnelUse(
        kind=same[0].kind,
        endpoints=(same[0].server,),
        interface=scene.label(same[0].interface),
        up=[min(granted)] if granted else [],
        confirmed=bool(granted),
        reasons=[f"granted {sum(proxy.granted for proxy in same)} of {asked} requests"],
    )


def _tunnel(scene: Scene, tunnel: SceneTunnel, life: TunnelLife) -> TunnelUse:
    carrier = (scene.path == TUNNEL_TRANSPORT) & tunnel.carrier
    reasons = list(tunnel.reasons)
    share = completeness(scene, tunnel, carrier)
    if share is not None:
        reasons.append(f"the inside recorded explains {share:.1%} of the carrier's bytes")
        reasons.append(_sides(scene, tunnel))
    return TunnelUse(
        kind=_kind(scene, tunnel, carrier),
        endpoints=tuple(tunnel.endpoints),
        interface=", ".join(dict.fromkeys(map(scene.label, tunnel.interfaces))) or None,
        up=list(life.up),
        down=sorted(life.lost),
        confirmed=any(seen.confirmed for seen in tunnel.seen),
        reasons=reasons,
        completeness=share,
    )


def _sides(scene: Scene, tunnel: SceneTunnel) -> str:
    """How many flows were inside only, beside it only, and both."""
    within = scene.columns.on(tunnel.interfaces)
    beside = (scene.path == BYPASS) & (scene.columns.sent_packets > 0)
    both = {outer for _, outer in both_sides(scene, np.ones(len(scene.columns), np.bool_))}
    return (
        f"flows: {int(within.sum()) - len(both)} inside only, "
        f"{int(beside.sum()) - len(both)} outside only, {len(both)} on both sides"
    )


def _kind(scene: Scene, tunnel: SceneTunnel, carrier: Bool) -> TunnelKind:
    """As given or proven, else what its carrier's packets look like."""
    if tunnel.kind == "ikev1":
        return "ikev1"
    services = int(np.bitwise_or.reduce(scene.columns.services[carrier]))
    for name, service in _KINDS:
        if tunnel.kind == name or (tunnel.kind is None and services & service):
            return name
    return "unknown"


def _other(scene: Scene, same: list[SeenTunnel]) -> TunnelUse:
    """One tunnel, though it was seen from several ports or on interfaces of the same name."""
    first = same[0]
    return TunnelUse(
        kind=first.kind,
        endpoints=(first.server,),
        interface=scene.label(first.interface),
        up=sorted(done.completed_ns for s in same for done in s.handshakes),
        confirmed=True,
        reasons=[first.handshakes[0].proof],
    )
