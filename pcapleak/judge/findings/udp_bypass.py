"""PL201: UDP other than WebRTC and DNS beside the proxy or tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.beside import flow_findings
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_words import FIREWALL_REMEDY, LAN, PROVIDER
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL201",
    name="udp-bypass",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=True,
    observers=Observers("UDP outside", (LAN, PROVIDER, "the servers addressed")),
    has_causes=True,
    tested_by=("quic", "udp"),
    when="Any other UDP flow outside (QUIC, unknown).",
    meaning=(
        "UDP left the host beside the tunnel or proxy. QUIC carries most of the web's large "
        "sites, and no SOCKS or HTTP CONNECT proxy of a browser takes it along."
    ),
    confirm=(
        "Filter udp on the physical interface, without the VPN server's address and the local "
        "network."
    ),
    remedy=(
        "Behind a proxy turn QUIC off in the browser (Chromium: QuicAllowed false; Firefox: "
        "network.http.http3.enable false). Behind a VPN: " + FIREWALL_REMEDY
    ),
    sources=("RFC 9000", "RFC 9298 section 1"),
    weaknesses=(
        "The program is mostly unknown. What is meant to go outside belongs into the policy."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each interface, service and far network."""
    return flow_findings(scene, KIND, scene.beside.udp)
