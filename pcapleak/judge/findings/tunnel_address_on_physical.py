"""PL206: packets outside with the tunnel's address as source."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import (
    address_filter,
    by_address,
    flow_evidence,
    make,
    on_interface,
    rows_of,
)
from pcapleak.judge.finding_words import LAN, PROVIDER
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.words import count

MAX_FARS = 16

KIND = FindingKind(
    id="PL206",
    name="tunnel-address-on-physical",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=True,
    observers=Observers("source address on the physical link", (LAN, PROVIDER)),
    has_causes=False,
    when="Packets leave the physical interface with the tunnel's address as their source.",
    meaning=(
        "A program bound its socket to the tunnel's address while the route leads out of the "
        "physical interface. The packets never arrive, but everyone on the local network and at "
        "the provider learns the tunnel's address, which ties this host to its VPN session."
    ),
    confirm="Filter for ip.src == TUNNEL_ADDRESS on the physical interface.",
    remedy=(
        "Drop packets with the tunnel's source address on all other interfaces: `nft add rule "
        "inet filter output oifname != TUNNEL ip saddr TUNNEL_ADDRESS drop`."
    ),
    sources=("RFC 8828 section 6.1", "CVE-2019-14899"),
    weaknesses=(
        "If the tunnel was not recorded and its address is not given, taking a second "
        "private address for it is a guess."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """A recording that does not tell interfaces apart cannot show it."""
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
            KIND,
            subject=f"{address} on {label}",
            message=f"{count(evidence.frame_count, 'packet')} left {label} with the tunnel's "
            f"address {address} as {'its' if evidence.frame_count == 1 else 'their'} source, to "
            f"{', '.join(fars[:3])}{', ...' if len(fars) > 3 else ''}.",
            evidence=evidence,
            interface=label,
            display_filter=on_interface(scene, interface, address_filter(address, "src")),
            confidence="medium" if guessed else "certain",
            addresses=[address],
            reasons=["a second private address of the same host is taken to be the tunnel's"]
            if guessed
            else (),
        )
