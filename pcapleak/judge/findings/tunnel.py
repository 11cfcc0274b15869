"""PL205 to PL209: tunnels that fail, addresses on the wrong side, and networks that divert."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.addresses import holds_public, inside, is_public
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import (
    Evidence,
    address_filter,
    amount,
    by_address,
    flow_evidence,
    make,
    near_addresses,
    on_interface,
    plural,
    rows_of,
)
from pcapleak.judge.judgement import BYPASS
from pcapleak.judge.timeline import TunnelLife
from pcapleak.policy.policy import Network
from pcapleak.report.document import Finding, Severity
from pcapleak.track.network import Lease
from pcapleak.values.packets import Bool


def tunnel_findings(scene: Scene, lives: list[TunnelLife]) -> Iterator[Finding]:
    """PL205 to PL209."""
    for life in lives:
        yield from _while_down(scene, life)
    yield from _tunnel_address_outside(scene)
    yield from _lan_address_inside(scene)
    yield from _injected_routes(scene)
    yield from _public_lans(scene)


def _while_down(scene: Scene, life: TunnelLife) -> Iterator[Finding]:
    columns = scene.columns
    sent = (scene.path == BYPASS) & (columns.sent_packets > 0)
    hit = np.zeros(len(columns), np.bool_)
    windows = []
    for window in life.down:
        # A flow that spans a window from before it to after it was beside the tunnel anyway.
        during = sent & (columns.first_ns >= window.start) & (columns.first_ns < window.end)
        if during.any():
            hit |= during
            windows.append(window)
    rows = rows_of(hit)
    if not len(rows):
        return
    evidence = flow_evidence(scene, rows)
    longest = max(window.end - window.start for window in windows)
    interfaces = sorted({scene.label(int(i)) for i in np.unique(columns.interface[rows])})
    yield make(
        "PL205",
        subject=life.label,
        message=f"While {life.label} was down ({plural(len(windows), 'time')}, at most "
        f"{longest / 1e6:.0f} ms) {plural(evidence.frame_count, 'packet')} of "
        f"{plural(len(rows), 'flow')} left {', '.join(interfaces)} outside it, "
        f"{amount(evidence.bytes)} in all.",
        evidence=evidence,
        interface=interfaces[0],
        display_filter=_time_filter(windows[0].start, windows[0].end),
        confidence="high",
        addresses=[address for address in near_addresses(scene, rows) if is_public(address)],
        reasons=[window.reason for window in windows],
    )


def _time_filter(start: int, end: int) -> str:
    return f"frame.time_epoch >= {start / 1e9:.6f} and frame.time_epoch < {end / 1e9:.6f}"


def _tunnel_address_outside(scene: Scene) -> Iterator[Finding]:
    """PL206. A recording that does not tell interfaces apart cannot show it."""
    columns = scene.columns
    physical = [
        number for number in scene.outside if scene.roles[number].role in ("physical", "unknown")
    ]
    mask = columns.on(physical) & columns.inside(columns.near, scene.inner)
    mask &= (columns.sent_packets > 0) & (columns.encapsulation == 0)
    mask &= ~columns.inside(columns.near, scene.clients)
    for interface, address, part in by_address(scene, rows_of(mask), columns.near):
        label = scene.label(interface)
        evidence = flow_evidence(scene, part)
        fars = list(
            dict.fromkeys(str(columns.far_endpoint(row)) for row in part[:MAX_FARS].tolist())
        )
        guessed = address in scene.suspected
        yield make(
            "PL206",
            subject=f"{address} on {label}",
            message=f"{plural(evidence.frame_count, 'packet')} left {label} with the tunnel's "
            f"address {address} as source, to {', '.join(fars[:3])}"
            f"{', ...' if len(fars) > 3 else ''}.",
            evidence=evidence,
            interface=label,
            display_filter=on_interface(scene, interface, address_filter(address, "src")),
            confidence="medium" if guessed else "certain",
            addresses=[address],
            reasons=["a second private address of the same host is taken for the tunnel's"]
            if guessed
            else (),
        )


MAX_FARS = 16


def _lan_address_inside(scene: Scene) -> Iterator[Finding]:
    columns = scene.columns
    mask = columns.on(scene.inside_ids) & (columns.sent_packets > 0)
    mask &= ~columns.inside(columns.near, scene.inner) & columns.orig_is_near
    local = columns.inside(columns.near, [*scene.clients, *scene.lans])
    # Also of an interface that was not recorded, or has nothing but a link-local address.
    other = ~columns.public(columns.near) & ~columns.multicast(columns.near)
    mask &= local | (other & columns.public(columns.far) & _addressed(scene))
    for interface, address, part in by_address(scene, rows_of(mask), columns.near):
        label = scene.label(interface)
        evidence = flow_evidence(scene, part)
        yield make(
            "PL207",
            subject=f"{address} on {label}",
            message=f"{plural(evidence.frame_count, 'packet')} entered {label} with the local "
            f"address {address} as source.",
            evidence=evidence,
            interface=label,
            display_filter=on_interface(scene, interface, address_filter(address, "src")),
            addresses=[address],
        )


def _addressed(scene: Scene) -> Bool:
    """Flows of a version of IP of which the client's address inside tunnels is known."""
    columns = scene.columns
    return np.isin(columns.version, [network.version for network in scene.inner])


def _injected_routes(scene: Scene) -> Iterator[Finding]:
    """PL208."""
    columns = scene.columns
    for lease in scene.state.network.leases():
        if lease.interface in scene.inside_ids:
            continue
        endpoints = [
            rule.network
            for tunnel in scene.tunnels
            for rule in tunnel.endpoints
            if rule.network is not None
        ]
        diverted = [
            network
            for network, _ in lease.classless_routes
            # The default route is no range of its own.
            if network.prefixlen and holds_public(network) and network not in endpoints
        ]
        if not diverted:
            continue
        routers = sorted({str(router) for net, router in lease.classless_routes if net in diverted})
        taken = (scene.path == BYPASS) & columns.inside(columns.far, diverted)
        reasons = [f"{network} through {', '.join(routers)}" for network in diverted]
        if taken.any():
            reasons.append(f"{plural(int(taken.sum()), 'flow')} went that way, outside the tunnel")
        label = scene.label(lease.interface)
        yield make(
            "PL208",
            subject=f"routes from DHCP server {lease.server} on {label}",
            message=f"DHCP server {lease.server} gave {lease.address} routes for public ranges "
            f"({', '.join(map(str, diverted[:4]))}{', ...' if len(diverted) > 4 else ''}): they "
            "go past a tunnel's default route.",
            evidence=Evidence(lease.frames, len(lease.frames), lease.first_ns, lease.last_ns),
            interface=label,
            display_filter=on_interface(
                scene,
                lease.interface,
                "dhcp.option.type == 121 or dhcp.option.type == 249",
            ),
            severity=_severity(scene, lease, taken),
            confidence="certain" if taken.any() else "high",
            reasons=reasons,
        )


def _severity(scene: Scene, lease: Lease, taken: Bool) -> Severity | None:
    """Of routes for a host: what is given to another one than the client does not divert it."""
    if not scene.tunnels:
        return "info"
    known = any(network.version == 4 for network in scene.clients)
    other = known and not inside(lease.address, scene.clients) and not taken.any()
    return "medium" if other else None


def _public_lans(scene: Scene) -> Iterator[Finding]:
    """PL209."""
    declared: list[tuple[Network, str, int, Evidence]] = []
    for lease in scene.state.network.leases():
        if lease.network is not None and holds_public(lease.network):
            declared.append(
                (
                    lease.network,
                    f"DHCP server {lease.server}",
                    lease.interface,
                    Evidence(lease.frames, len(lease.frames), lease.first_ns, lease.last_ns),
                )
            )
    for router in scene.state.network.routers():
        for prefix in router.prefixes.values():
            if prefix.on_link and prefix.network.prefixlen < 64 and holds_public(prefix.network):
                declared.append(
                    (
                        prefix.network,
                        f"router {router.address}",
                        router.interface,
                        Evidence(
                            router.frames, len(router.frames), router.first_ns, router.last_ns
                        ),
                    )
                )
    for network, who, interface, evidence in declared:
        if interface in scene.inside_ids:
            continue
        label = scene.label(interface)
        yield make(
            "PL209",
            subject=f"{network} on {label}",
            message=f"{who} declares the public range {network} local to {label}: its traffic "
            "goes beside a tunnel.",
            evidence=evidence,
            interface=label,
            display_filter=on_interface(
                scene, interface, "dhcp" if network.version == 4 else "icmpv6.type == 134"
            ),
            severity=None if scene.tunnels else "info",
            confidence="high",
            reasons=[
                f"the tunnel's endpoint {rule.text} is in it"
                for tunnel in scene.tunnels
                for rule in tunnel.endpoints
                if rule.network is not None and inside(rule.network.network_address, [network])
            ],
        )
