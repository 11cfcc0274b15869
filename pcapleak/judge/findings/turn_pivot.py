"""PL504: a relay is asked to reach what is inside of it, or beside it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address, ip_network
from itertools import chain

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import address_filter, make, on_interface, sightings_evidence
from pcapleak.judge.webrtc_flows import living_sessions, pair_of, told_links
from pcapleak.track.ice.link_values import (
    CHANNEL_BIND,
    CONNECT,
    CREATE_PERMISSION,
    LinkKey,
)
from pcapleak.track.ice.links import Link
from pcapleak.values.addresses import is_public, range_kind, unmapped, unwrap
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Endpoint, IPAddress
from pcapleak.values.words import count

KIND = FindingKind(
    id="PL504",
    name="turn-pivot",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("TURN permissions", ("the TURN server's operator",)),
    has_causes=False,
    when=(
        "TURN permissions, channels or connections for loopback, link-local, multicast or cloud "
        "metadata addresses, or for private addresses of the relay's own network."
    ),
    meaning=(
        "No peer has such an address where a relay could reach it. The client is trying to "
        "reach the relay's own services, its cloud's metadata service (which may hand out "
        "credentials) or the network behind it. Relays that allow this have been abused this "
        "way."
    ),
    confirm=(
        "Filter for stun.type.method in {0x0008, 0x0009, 0x000a} and read XOR-PEER-ADDRESS and "
        "the answer."
    ),
    remedy=(
        "On the relay, deny addresses that no peer has (coturn: "
        "denied-peer-ip=127.0.0.0-127.255.255.255, 169.254.0.0-169.254.255.255, "
        "0.0.0.0-0.255.255.255 and the relay's own network; no-tcp-relay). On the client, find "
        "the page or program that asked."
    ),
    sources=(
        "RFC 8656 section 21.4",
        "CVE-2020-26262",
        "hackerone.com/reports/333419",
    ),
    weaknesses=(
        "TURN over TLS or DTLS shows nothing. Private peers alone are normal: agents ask for "
        "permissions for every candidate of the other side. A Windows host without a lease has "
        "a link-local candidate too."
    ),
)

METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200",
            "168.63.129.16", "192.0.0.192", "fd20:ce::254", "fd00:42::42",
        ),
    )
)  # fmt: skip
"""Where clouds (AWS, ECS, Alibaba, Azure, Oracle, Google, Scaleway; most others use the first)
tell their machines who they are."""

MIN_PORT = 1024
"""Sockets that ask for no port of their own are given none below."""

MIN_PRIVATE = 16
"""Private peers of one client without one ICE check to any: no check list, a scan."""


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each TURN server on each interface."""
    checked, candidates = _checked(scene)
    found: dict[tuple[int, Endpoint], list[tuple[LinkKey, Link, dict[Endpoint, str]]]] = {}
    for key, link in told_links(scene):
        if not link.permissions:
            continue
        targets = _targets(key, link, link.back, checked)
        if targets:
            found.setdefault((key.interface, key.destination), []).append((key, link, targets))
    for (interface, server), asked in found.items():
        label = scene.label(interface)
        targets = {peer: what for _, _, some in asked for peer, what in some.items()}
        # libwebrtc has a loopback candidate for TCP, Windows a link-local one without a lease.
        harmless = all(
            peer in candidates and _meant(peer.address) not in METADATA for peer in targets
        )
        listed = list(dict.fromkeys(peer.address for peer in targets))
        backs = [link.back for _, link, _ in asked]
        refusals = sorted(
            {
                f"{code}"
                for back in backs
                if back is not None
                for method, code in back.errors
                if method in (CREATE_PERMISSION, CHANNEL_BIND, CONNECT) and code not in _RETRIED
            }
        )
        yield make(
            KIND,
            subject=f"TURN server {server} on {label}",
            message=f"TURN server {server} was asked to reach "
            f"{count(len(listed), 'address', 'addresses')} "
            f"{'that a peer offered as candidates' if harmless else 'that no peer can have'}: "
            f"{', '.join(map(str, listed[:6]))}{', ...' if len(listed) > 6 else ''}"
            + (f"; some or all were refused (error {', '.join(refusals)})" if refusals else "")
            + ".",
            evidence=sightings_evidence(
                [link.permissions[peer] for _, link, some in asked for peer in some],
                [link.flow for _, link, _ in asked],
            ),
            interface=label,
            display_filter=on_interface(
                scene, interface, f"{address_filter(server.address)} and stun.attribute == 0x0012"
            ),
            severity=Severity.INFO if harmless else None,
            confidence="high",
            facts=[f"tried through the relay: {address}" for address in listed[:16]],
            reasons=chain(
                ["candidates of a peer that was reached at another address"] if harmless else [],
                (f"{peer}: {what}" for peer, what in targets.items()),
                (
                    f"{peer} was requested together with these"
                    for _, link, some in asked
                    for peer in link.permissions
                    if peer not in some and not is_public(unmapped(peer.address))
                ),
            ),
        )


_RETRIED = (401, 438)
"""Answers that ask for credentials, after which the client asks again."""


def _checked(scene: Scene) -> tuple[set[IPAddress], set[Endpoint]]:
    """Who was checked as ICE through relays; among them what a real peer may have signalled:
    at a port that sockets are given, in a session that lives or has public candidates too."""
    checked: dict[Endpoint, set[frozenset[str]]] = {}
    for key, link in scene.state.ice.links.items():
        if "turn" in key.layers and link.usernames:
            checked.setdefault(key.destination, set()).update(map(pair_of, link.usernames))
    real = living_sessions(scene)
    for peer, pairs in checked.items():
        if is_public(unmapped(peer.address)):
            real |= pairs
    candidates = {peer for peer, pairs in checked.items() if peer.port >= MIN_PORT and pairs & real}
    return {peer.address for peer in checked}, candidates


def _meant(peer: IPAddress) -> IPAddress:
    """Where packets for a peer end up: a relay with NAT64 or 6to4 sends them on by IPv4."""
    address, how = unwrap(peer)
    if how == "Teredo":
        return peer
    low = int(address) & 0xFFFF_FFFF
    # IPv4-compatible (RFC 4291 section 2.5.5.1), which some relays' filters let through.
    return IPv4Address(low) if address.version == 6 and low == int(address) > 1 else address


def _targets(
    key: LinkKey, link: Link, back: Link | None, checked: set[IPAddress]
) -> dict[Endpoint, str]:
    """Peers that are no peers, and what they are."""
    relayed = [] if back is None else [one.relayed.address for one in back.allocations]
    inner = [one for one in relayed if not is_public(one)]
    networks = [
        ip_network((address, 24 if address.version == 4 else 64), strict=False) for address in inner
    ]
    # A relay of a private network serves peers of that network.
    networks = networks if is_public(key.destination.address) else []
    found: dict[Endpoint, str] = {}
    private: list[Endpoint] = []
    for peer in link.permissions:
        if not is_public(unmapped(peer.address)):
            private.append(peer)
        elif peer.address.version == 4 and not networks and peer.address not in METADATA:
            continue
        address = _meant(peer.address)
        if address in METADATA:
            found[peer] = "a cloud's metadata service"
        elif (
            address.is_loopback
            or address.is_unspecified
            or (address.version == 4 and int(address) >> 24 == 0)
        ):
            found[peer] = "the relay itself"
        elif address.is_link_local:
            found[peer] = "link-local: the relay's own link"
        elif range_kind(address) in ("multicast", "broadcast"):
            found[peer] = "all hosts of the relay's own network"
        elif any(address in network for network in networks):
            found[peer] = "the relay's own network"
        elif peer in link.connects and not is_public(address):
            found[peer] = "a TCP connection to a private address"
    addresses = {peer.address for peer in private}
    if len(addresses) >= MIN_PRIVATE and not addresses & checked:
        for peer in private:
            found.setdefault(peer, "one of many private addresses, none of them checked as ICE")
    return found
