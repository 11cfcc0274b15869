"""PL204: TCP beside the proxy or tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.beside import flow_findings
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_words import FIREWALL_REMEDY, LAN, PROVIDER
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL204",
    name="tcp-bypass",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=True,
    observers=Observers("TCP outside", (LAN, PROVIDER, "the servers addressed")),
    has_causes=True,
    tested_by=("tcp",),
    when="TCP outside a tunnel (outside a proxy: information only, unless the policy is strict).",
    meaning=(
        "Connections left the host outside the tunnel and show its own address to their servers."
    ),
    confirm=(
        "Filter for tcp on the physical interface, excluding the address of the VPN server or "
        "proxy and the local network."
    ),
    remedy=FIREWALL_REMEDY,
    proxy_remedy=(
        "Configure the program to use the proxy, or drop everything on INTERFACE that does not go "
        "to the proxy."
    ),
    sources=("RFC 9293",),
    weaknesses=(
        "A proxy is often meant for one program only, so TCP outside it is information unless "
        "the policy is strict. Connections older than the tunnel end slowly; the tails of "
        "closed ones are recognised where their flags show it."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each interface, service and far network."""
    lenient = scene.is_proxy_only and not scene.policy.strict
    return flow_findings(scene, KIND, scene.beside.tcp, lenient=lenient)
