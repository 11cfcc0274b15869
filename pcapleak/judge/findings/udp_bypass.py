"""PL201: UDP other than WebRTC and DNS beside the proxy or tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.beside import flow_findings
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_words import FIREWALL_REMEDY, LAN, PROVIDER
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

_QUIC_OFF = (
    "Turn QUIC off in the browser (Chromium: set QuicAllowed to false; Firefox: set "
    "network.http.http3.enable to false)."
)

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
        "UDP left the host outside the tunnel or proxy. Most large websites use QUIC, which "
        "browsers do not send through a SOCKS or HTTP CONNECT proxy."
    ),
    confirm=(
        "Filter for udp on the physical interface, excluding the VPN server's address and the "
        "local network."
    ),
    remedy=f"For a proxy: {_QUIC_OFF} For a VPN: {FIREWALL_REMEDY}",
    proxy_remedy=_QUIC_OFF,
    tunnel_remedy=FIREWALL_REMEDY,
    sources=("RFC 9000", "RFC 9298 section 1"),
    weaknesses=(
        "The program is usually unknown. Traffic that is meant to go outside belongs in the policy."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each interface, service and far network."""
    return flow_findings(scene, KIND, scene.beside.udp)
