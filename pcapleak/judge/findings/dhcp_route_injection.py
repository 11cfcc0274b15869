"""PL208: a DHCP server pulls public ranges out of the tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make, on_interface
from pcapleak.judge.finding_words import LAN, PROVIDER
from pcapleak.judge.judgement import BYPASS
from pcapleak.track.network import Lease
from pcapleak.values.addresses import holds_public, inside
from pcapleak.values.evidence import Evidence
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Bool
from pcapleak.values.words import count

MAX_FACTS = 16
"""Ranges told among what observers learn."""

KIND = FindingKind(
    id="PL208",
    name="dhcp-route-injection",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=False,
    observers=Observers("routes given by DHCP", (LAN, PROVIDER, "the routers named")),
    has_causes=False,
    when="DHCP option 121 or 249 routes public ranges around the tunnel.",
    meaning=(
        "The DHCP server handed out routes for public ranges. They are more specific than the "
        "tunnel's default route, so that traffic leaves unencrypted while the VPN claims to be "
        "up."
    ),
    confirm="Filter for dhcp.option.type == 121 or dhcp.option.type == 249 and read the routes.",
    remedy=(
        "Ignore the option on untrusted networks (systemd-networkd: UseRoutes=false), or rely "
        "on firewall rules or a network namespace of the VPN's own rather than on routes alone."
    ),
    sources=("CVE-2024-3661 (TunnelVision)", "RFC 3442"),
    weaknesses="Networks that need static routes send it too; private ranges are not reported.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each lease."""
    columns = scene.columns
    for lease in scene.leases():
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
            reasons.append(f"{count(int(taken.sum()), 'flow')} took this route, outside the tunnel")
        label = scene.label(lease.interface)
        yield make(
            KIND,
            subject=f"routes from DHCP server {lease.server} on {label}",
            message=f"DHCP server {lease.server} gave {lease.address} routes for public ranges "
            f"({', '.join(map(str, diverted[:4]))}{', ...' if len(diverted) > 4 else ''}), "
            "which take precedence over a tunnel's default route.",
            evidence=Evidence(lease.frames, len(lease.frames), lease.first_ns, lease.last_ns),
            interface=label,
            display_filter=on_interface(
                scene,
                lease.interface,
                "dhcp.option.type == 121 or dhcp.option.type == 249",
            ),
            severity=_severity(scene, lease, taken),
            confidence="certain" if taken.any() else "high",
            facts=[f"traffic to {network}" for network in diverted[:MAX_FACTS]],
            reasons=reasons,
        )


def _severity(scene: Scene, lease: Lease, taken: Bool) -> Severity | None:
    """Of routes for a host: what is given to another one than the client does not divert it, nor
    what it did not ask for."""
    if not scene.tunnels:
        return Severity.INFO
    known = any(network.version == 4 for network in scene.clients)
    other = known and not inside(lease.address, scene.clients)
    vain = (other or not lease.asked) and not taken.any()
    return Severity.MEDIUM if vain else None
