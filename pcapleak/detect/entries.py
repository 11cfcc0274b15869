"""The report's lists of resolvers and tunnels."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pcapleak.detect.clients import CONFIDENCES
from pcapleak.detect.completeness import completeness
from pcapleak.detect.judgement import BYPASS, PATHS, TUNNEL_TRANSPORT
from pcapleak.detect.paths import matches
from pcapleak.detect.scene import Scene, SceneTunnel, Source
from pcapleak.detect.sockets import both_sides
from pcapleak.detect.timeline import TunnelLife
from pcapleak.document import Confidence, ResolverEntry, Time, TunnelEntry
from pcapleak.model import Bool, Service
from pcapleak.tracking.tunnels import Tunnel as SeenTunnel

TunnelKind = Literal["wireguard", "openvpn", "ikev1", "ikev2", "esp", "gre", "l2tp", "unknown"]

_KINDS: tuple[tuple[TunnelKind, Service], ...] = (
    ("wireguard", Service.WIREGUARD | Service.WIREGUARD_HANDSHAKE),
    ("openvpn", Service.OPENVPN),
    ("ikev2", Service.IKE),
    ("esp", Service.ESP),
    ("gre", Service.GRE),
    ("l2tp", Service.L2TP),
)


def resolver_entries(scene: Scene) -> list[ResolverEntry]:
    """Every resolver that was asked, in order of first sight."""
    entries = []
    for used in scene.state.resolvers.resolvers():
        if not used.queries:
            continue
        row = used.flows[0] if used.flows else None
        path = "unassessed" if row is None else PATHS[int(scene.path[row])]
        entries.append(
            ResolverEntry(
                address=str(used.endpoint.address),
                transport=used.transport,
                queries=used.queries,
                interface=scene.label(used.interface),
                path=path,
                frames=list(used.frames),
            )
        )
    return entries


def exit_evidence(scene: Scene) -> list[tuple[str, str, Confidence]]:
    """Exits as given; else those seen or assumed, each with its surest reason, surest first."""
    exits = scene.entry.fields["exits"]
    if exits.source == "given":
        return [(text, "the policy gives it", "certain") for text in exits.value]
    found: dict[str, Source] = {}
    for source in sorted(scene.exit_sources, key=lambda one: CONFIDENCES.index(one[2])):
        found.setdefault(source[0], source)
    return list(found.values())


def tunnel_entries(scene: Scene, lives: list[TunnelLife]) -> list[TunnelEntry]:
    """The policy's tunnels and proxies, then whatever else was seen confirmed."""
    entries = [
        _tunnel(scene, tunnel, life) for tunnel, life in zip(scene.tunnels, lives, strict=True)
    ]
    used = [id(seen) for tunnel in scene.tunnels for seen in tunnel.seen]
    for seen in scene.state.tunnels.tunnels():
        if id(seen) not in used and seen.confirmed:
            entries.append(_other(scene, seen))
    known = {proxy.endpoint: proxy for proxy in scene.proxies}
    for proxy in scene.state.tunnels.proxies():
        if not proxy.confirmed and proxy.server not in known:
            continue
        up = [] if proxy.first_granted_ns is None else [Time(proxy.first_granted_ns)]
        entries.append(
            TunnelEntry(
                kind=proxy.kind,
                endpoint=str(proxy.server),
                interface=scene.label(proxy.interface),
                up=up,
                confirmed=proxy.confirmed,
                reasons=[f"granted {proxy.granted} of {proxy.requests} requests"],
            )
        )
    return entries


def _tunnel(scene: Scene, tunnel: SceneTunnel, life: TunnelLife) -> TunnelEntry:
    carrier = np.zeros(len(scene.columns), np.bool_)
    for rule in tunnel.endpoints:
        carrier |= (scene.path == TUNNEL_TRANSPORT) & matches(scene.columns, rule)
    reasons = list(tunnel.reasons)
    share = completeness(scene, tunnel, carrier)
    if share is not None:
        reasons.append(f"the inside recorded explains {share:.1%} of the carrier's bytes")
        reasons.append(_sides(scene, tunnel))
    return TunnelEntry(
        kind=_kind(scene, tunnel, carrier),
        endpoint=", ".join(rule.text for rule in tunnel.endpoints),
        interface=", ".join(dict.fromkeys(map(scene.label, tunnel.interfaces))) or None,
        up=[Time(time) for time in life.up],
        down=[Time(time) for time in sorted(life.lost)],
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
        f"{int(within.sum()) - len(both)} flows were inside only, "
        f"{int(beside.sum()) - len(both)} beside it only, {len(both)} on both sides"
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


def _other(scene: Scene, seen: SeenTunnel) -> TunnelEntry:
    return TunnelEntry(
        kind=seen.kind,
        endpoint=str(seen.server),
        interface=scene.label(seen.interface),
        up=[Time(handshake.completed_ns) for handshake in seen.handshakes],
        confirmed=True,
        reasons=[seen.handshakes[0].proof],
    )
