"""PL105: an IPv4-mapped IPv6 address in an ICE exchange."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make, on_interface, sightings_evidence
from pcapleak.track.ice.links import Link
from pcapleak.track.sightings import Sighting
from pcapleak.values.addresses import unmapped
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress

KIND = FindingKind(
    id="PL105",
    name="webrtc-v4-mapped-reflexive",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers(
        "address in an ICE exchange", ("the page", "the peer", "everyone along the path")
    ),
    has_causes=False,
    tested_by=("stun",),
    when="An IPv4-mapped IPv6 address in an ICE exchange.",
    meaning=(
        "A STUN answer or TURN message carries ::ffff:a.b.c.d. Such a peer-reflexive address "
        "can slip past the masking that replaces private addresses with .local names."
    ),
    confirm="Filter for stun.att.family == 2 and look for addresses that begin with ::ffff:.",
    remedy="Update the browser. On the server, bind separate IPv4 and IPv6 sockets (IPV6_V6ONLY).",
    sources=("RFC 4291 section 2.5.5.2", "draft-ietf-mmusic-mdns-ice-candidates"),
    weaknesses="A dual-stack server that reports IPv4 clients this way looks the same.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each address on each interface."""
    found: dict[tuple[int, IPAddress], list[tuple[Link, Sighting]]] = {}
    for key, link in scene.state.ice.links.items():
        for told in (link.answers, link.check_answers, link.permissions, link.peers):
            for endpoint, sighting in told.items():
                address = endpoint.address
                if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
                    found.setdefault((key.interface, address), []).append((link, sighting))
    for (interface, address), shown in found.items():
        plain = unmapped(address)
        # How Python writes such addresses depends on its version.
        mapped = f"::ffff:{plain}"
        yield make(
            KIND,
            subject=f"{mapped} on {scene.label(interface)}",
            message=f"An ICE exchange on {scene.label(interface)} carries {plain} as the IPv6 "
            f"address {mapped}, a form that the masking of private addresses can miss.",
            evidence=sightings_evidence([s for _, s in shown], [link.flow for link, _ in shown]),
            interface=scene.label(interface),
            display_filter=on_interface(scene, interface, f"stun.att.ipv6 == {mapped}"),
            facts=[f"{plain}, written as {mapped}"],
        )
