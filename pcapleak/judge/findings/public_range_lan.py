"""PL209: a public range declared local."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make, on_interface
from pcapleak.judge.finding_words import LAN
from pcapleak.policy.policy import Network
from pcapleak.values.addresses import holds_public, inside
from pcapleak.values.evidence import Evidence
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL209",
    name="public-range-lan",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers(
        "a public range declared local", (LAN, "whoever answers there for the range")
    ),
    has_causes=False,
    when="DHCP or a router advertisement declares a public range as on-link.",
    meaning=(
        "Traffic to addresses on the local link goes outside the tunnel by design. A network "
        "that claims a public range as its own thus draws that range's traffic out of the "
        "tunnel."
    ),
    confirm=(
        "Filter for dhcp.option.subnet_mask or icmpv6.type == 134 and compare the range with "
        "the addresses it holds."
    ),
    remedy="Have the VPN client block access to local networks that use public addresses.",
    sources=("USENIX Security 2023, TunnelCrack (LocalNet), CVE-2023-36672",),
    weaknesses=(
        "Some hosts do have public addresses of their own, at universities or as servers. An "
        "IPv6 /64 is on-link everywhere and is not reported; shorter prefixes are."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each range on each interface."""
    declared: list[tuple[Network, str, int, Evidence]] = []
    for lease in scene.leases():
        if lease.network is not None and holds_public(lease.network):
            declared.append(
                (
                    lease.network,
                    f"DHCP server {lease.server}",
                    lease.interface,
                    Evidence(lease.frames, len(lease.frames), lease.first_ns, lease.last_ns),
                )
            )
    for router in scene.routers():
        for prefix in router.prefixes.values():
            if prefix.on_link and prefix.length < 64 and holds_public(prefix.network):
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
            KIND,
            subject=f"{network} on {label}",
            message=f"{who} declares the public range {network} to be local to {label}, so "
            "traffic to it leaves outside a tunnel.",
            evidence=evidence,
            interface=label,
            display_filter=on_interface(
                scene, interface, "dhcp" if network.version == 4 else "icmpv6.type == 134"
            ),
            severity=None if scene.tunnels else Severity.INFO,
            confidence="high",
            facts=[f"traffic to {network}"],
            reasons=[
                f"the tunnel's endpoint {rule.text} is in it"
                for tunnel in scene.tunnels
                for rule in tunnel.endpoints
                if rule.network is not None and inside(rule.network.network_address, [network])
            ],
        )
