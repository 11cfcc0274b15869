"""PL202: native IPv6 beside an IPv4-only tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.beside import service_name
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import (
    flow_evidence,
    groups,
    make,
    on_interface,
    public_near,
    rows_of,
)
from pcapleak.judge.finding_words import LAN, PROVIDER
from pcapleak.values.evidence import Confidence
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Int64, Service
from pcapleak.values.words import count, size

KIND = FindingKind(
    id="PL202",
    name="ipv6-bypass",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=True,
    observers=Observers("IPv6 outside", (LAN, PROVIDER, "the servers addressed")),
    has_causes=True,
    tested_by=("ipv6",),
    when="Native IPv6 outside an IPv4-only tunnel.",
    meaning=(
        "The tunnel carries only IPv4 while the network offers IPv6. Everything that prefers "
        "IPv6 leaves outside the tunnel, from an address that often identifies this very host."
    ),
    confirm=(
        "Filter for ipv6 and not ipv6.dst == fe80::/10 and not ipv6.dst == ff00::/8 on the "
        "physical interface."
    ),
    remedy=(
        "Use a VPN that carries IPv6, turn IPv6 off on INTERFACE while the VPN is up, or drop "
        "all IPv6 there except neighbour discovery."
    ),
    sources=("RFC 7359",),
    weaknesses="The tunnel is taken to be IPv4-only because no IPv6 was seen inside it.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each interface."""
    rows = rows_of(scene.beside.ipv6)
    recorded = bool(scene.inside_ids)
    given = any(tunnel.addresses for tunnel in scene.policy.tunnels)
    confidence: Confidence = "high" if recorded or given else "medium"
    reasons = [
        "no IPv6 packet was seen inside the tunnel"
        if recorded
        else "the policy gives the tunnel IPv4 addresses only"
        if given
        else "nothing shows that the tunnel carries IPv6, and it was not recorded"
    ]
    for part in groups(rows, [scene.columns.interface[rows]], scene.columns.bytes[rows]):
        interface = int(scene.columns.interface[part[0]])
        addresses = public_near(scene, part)
        evidence = flow_evidence(scene, part)
        kinds = _kinds(scene, part)
        yield make(
            KIND,
            subject=f"IPv6 on {scene.label(interface)}",
            message=f"Native IPv6 left {scene.label(interface)} outside the IPv4-only tunnel: "
            f"{count(len(part), 'flow')} ({kinds}), {size(evidence.bytes)}, from "
            f"{', '.join(map(str, addresses[:4])) or 'this host'}.",
            evidence=evidence,
            interface=scene.label(interface),
            display_filter=on_interface(
                scene, interface, "ipv6 and not ipv6.dst == ff00::/8 and not ipv6.dst == fe80::/10"
            ),
            confidence=confidence,
            addresses=addresses,
            reasons=reasons,
        )


def _kinds(scene: Scene, rows: Int64) -> str:
    columns = scene.columns
    webrtc = scene.beside.webrtc
    names = []
    if webrtc[rows].any():
        names.append("WebRTC")
    if (columns.services[rows] & int(Service.DNS | Service.DOT)).any():
        names.append("DNS")
    rest = rows[~webrtc[rows]]
    ports = columns.far_port
    names += sorted({service_name(scene, row, int(ports[row])) for row in rest[:1000].tolist()})
    return ", ".join(names[:6])
