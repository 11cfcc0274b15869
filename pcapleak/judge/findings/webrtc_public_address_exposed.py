"""PL101: a STUN or TURN answer outside shows the client's public address."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.context import Scene
from pcapleak.judge.exemptions import from_carrier_socket
from pcapleak.judge.finding_builder import make, on_interface, sightings_evidence
from pcapleak.judge.finding_words import (
    BROWSER_REMEDY,
    FIREWALL_REMEDY,
    LAN,
    PROVIDER,
    WEBRTC_REMEDY,
)
from pcapleak.judge.judgement import BYPASS
from pcapleak.judge.paths import local_traffic
from pcapleak.track.ice.foreign import NO_COOKIE
from pcapleak.track.ice.link_values import LinkKey
from pcapleak.track.ice.links import Link
from pcapleak.track.sightings import Sighting
from pcapleak.values.addresses import inside, is_public, unmapped
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress
from pcapleak.values.words import series

KIND = FindingKind(
    id="PL101",
    name="webrtc-public-address-exposed",
    severity=Severity.CRITICAL,
    is_leak=True,
    exposes=True,
    observers=Observers(
        "STUN or TURN answer", (LAN, PROVIDER, "the STUN or TURN server", "the page")
    ),
    has_causes=False,
    tested_by=("stun",),
    when="A STUN or TURN answer outside the proxy or tunnel shows the client's public address.",
    meaning=(
        "A server told this host, unencrypted and outside the proxy or tunnel, which public "
        "address it has. The browser hands that address to the page as a server-reflexive "
        "candidate, so any page that runs a few lines of script learns who is behind the proxy "
        "or VPN."
    ),
    confirm=(
        "Filter for stun.type.class == 2 on the physical interface and read XOR-MAPPED-ADDRESS: "
        "it is the client's own address and not the exit's."
    ),
    remedy=WEBRTC_REMEDY,
    proxy_remedy=BROWSER_REMEDY,
    tunnel_remedy=FIREWALL_REMEDY,
    sources=("RFC 8489 section 14.2", "RFC 8828 section 5.2", "RFC 8445 section 5.1.1.2"),
    weaknesses=(
        "An answer does not prove that a page asked. Give --exit-ip if the exit is unknown."
    ),
)


def _telling(scene: Scene, address: IPAddress, shown: list[tuple[LinkKey, Link, Sighting]]) -> str:
    """A filter for the messages that tell an address, as Wireshark's dissectors call it: answers
    without the magic cookie have one of their own."""
    version = "ipv4" if address.version == 4 else "ipv6"
    asked = [link.back for _, link, _ in shown if link.back is not None]
    ways = {f"stun.att.{version} == {address}": None}
    if any(link.foreign == NO_COOKIE for link in asked):
        ways[f"classicstun.att.{version} == {address}"] = None
    for _, link, _ in shown:
        for mapped, _ in link.told():
            if mapped.address != address and unmapped(mapped.address) == address:
                ways[f"stun.att.ipv6 == {mapped.address}"] = None
    return next(iter(ways)) if len(ways) == 1 else f"({' or '.join(ways)})"


OLDER = "the answer's request was not recorded: the recording began in between"


def find(scene: Scene) -> Iterator[Finding]:
    """Only what was told to the client counts: XOR-MAPPED, never XOR-PEER or RELAYED."""
    own = set(np.flatnonzero(from_carrier_socket(scene)).tolist())
    found: dict[tuple[int, IPAddress], list[tuple[LinkKey, Link, Sighting]]] = {}
    asked: set[tuple[int, IPAddress]] = set()
    local = local_traffic(scene)
    for key, link in scene.state.ice.links.items():
        told = link.answers or link.check_answers or link.allocations
        if not told or key.layers or link.flow in own or local[link.flow]:
            continue
        if scene.has_policy and (
            scene.path[link.flow] != BYPASS or not scene.is_client(key.destination.address)
        ):
            continue
        if not scene.has_policy and not _asked_here(scene, key.destination.address):
            continue
        for mapped, sighting in link.told():
            address = unmapped(mapped.address)
            if is_public(address) and not scene.is_exit(address):
                found.setdefault((key.interface, address), []).append((key, link, sighting))
                if mapped not in link.presumed:
                    asked.add((key.interface, address))
    for (interface, address), shown in found.items():
        presumed = (interface, address) not in asked
        servers = list(dict.fromkeys(str(key.source) for key, _, _ in shown))
        label = scene.label(interface)
        if scene.has_policy:
            where = "outside the proxy" if scene.is_proxy_only else "outside the tunnel"
        else:
            where = "with no proxy or tunnel known"
        yield make(
            KIND,
            subject=f"{address} on {label}",
            message=f"{series([*servers[:2], *['others'] * (len(servers) > 2)])} "
            f"told this host, over {label} and {where}, that its public address is "
            f"{address}; any page that asked for it now has it.",
            evidence=sightings_evidence(
                [sighting for _, _, sighting in shown], [link.flow for _, link, _ in shown]
            ),
            interface=label,
            display_filter=on_interface(scene, interface, _telling(scene, address, shown)),
            severity=None if scene.has_policy else Severity.INFO,
            confidence="medium" if presumed else "certain",
            addresses=[address],
            reasons=[
                *dict.fromkeys(f"{key.source} told {key.destination}" for key, _, _ in shown),
                *[OLDER] * presumed,
            ],
        )


def _asked_here(scene: Scene, address: IPAddress) -> bool:
    """Whether who was answered is the client or, where a network was recorded, one of its hosts:
    a server's recording shows answers to public addresses."""
    return inside(address, scene.clients) or not is_public(address)
