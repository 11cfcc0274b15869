"""PL101 to PL107: what WebRTC shows beside a proxy or tunnel, and in clear."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

import numpy as np

from pcapleak.judge.addresses import classify, inside, is_public, unmapped
from pcapleak.judge.columns import Columns
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import (
    Column,
    Evidence,
    address_filter,
    amount,
    flow_evidence,
    groups,
    make,
    near_addresses,
    on_interface,
    plural,
    rows_of,
)
from pcapleak.judge.findings.sockets import socket_findings
from pcapleak.judge.judgement import BYPASS
from pcapleak.judge.paths import local_traffic
from pcapleak.report.document import MAX_FRAMES, Finding
from pcapleak.track.ice.links import Link, LinkKey
from pcapleak.track.sightings import Sighting
from pcapleak.track.signalling import SignalledLine
from pcapleak.values.packets import Bool, Endpoint, Int64, IPAddress, Service

_WEBRTC = (
    Service.STUN | Service.TURN | Service.ICE | Service.CHANNEL_DATA | Service.DTLS | Service.RTP
)
VPN_SOFTWARE = ("tailnode",)
"""SOFTWARE of VPN clients that look for their own address outside the tunnel by design."""


def webrtc_flows(columns: Columns) -> Bool:
    """Flows of WebRTC. ChannelData, DTLS and RTP alone are shapes: with UDP only."""
    stun = columns.serving(Service.STUN | Service.TURN | Service.ICE)
    shaped = columns.serving(_WEBRTC) & (columns.protocol == 17) & ~columns.serving(Service.QUIC)
    found: Bool = stun | shaped
    return found


def webrtc_findings(scene: Scene) -> Iterator[Finding]:
    """PL101 to PL107."""
    own = _vpn_own(scene)
    yield from _reflexive(scene, own)
    if scene.has_policy:
        yield from _bypass(scene, own)
        yield from socket_findings(scene)
    yield from _mapped(scene)
    yield from _peers(scene)
    yield from _raw_hosts(scene)


def _evidence(seen: list[Sighting], flows: list[int]) -> Evidence:
    return Evidence(
        frames=sorted({frame for sighting in seen for frame in sighting.frames})[:MAX_FRAMES],
        frame_count=sum(sighting.count for sighting in seen),
        first_ns=min(sighting.first_ns for sighting in seen),
        last_ns=max(sighting.last_ns for sighting in seen),
        flow=flows[0] if flows else None,
        flow_count=len(set(flows)),
    )


def _vpn_own(scene: Scene) -> set[int]:
    """Flows on which a VPN client looks for its own address."""
    return {
        link.flow
        for link in scene.state.ice.links.values()
        if link.software is not None and link.software.lower().startswith(VPN_SOFTWARE)
    }


def _answers(link: Link) -> Iterator[tuple[Endpoint, Sighting]]:
    """What the sender of this link told its receiver about the receiver's address."""
    yield from link.answers.items()
    yield from link.check_answers.items()
    for allocation, sighting in link.allocations.items():
        if allocation.mapped is not None:
            yield allocation.mapped, sighting


def _reflexive(scene: Scene, own: set[int]) -> Iterator[Finding]:
    """PL101. Only what was told to the client counts: XOR-MAPPED, never XOR-PEER or RELAYED."""
    found: dict[tuple[int, IPAddress], list[tuple[LinkKey, Link, Sighting]]] = {}
    local = local_traffic(scene)
    for key, link in scene.state.ice.links.items():
        if key.layers or link.flow in own or local[link.flow]:
            continue
        if scene.has_policy and (
            scene.path[link.flow] != BYPASS or not scene.is_client(key.destination.address)
        ):
            continue
        if not scene.has_policy and not _asked_here(scene, key.destination.address):
            continue
        for mapped, sighting in _answers(link):
            address = unmapped(mapped.address)
            if is_public(address) and not scene.is_exit(address):
                found.setdefault((key.interface, address), []).append((key, link, sighting))
    for (interface, address), shown in found.items():
        servers = list(dict.fromkeys(str(key.source) for key, _, _ in shown))
        label = scene.label(interface)
        if scene.has_policy:
            where = "outside the proxy" if scene.is_proxy_only else "outside the tunnel"
        else:
            where = "with no proxy or tunnel known"
        yield make(
            "PL101",
            subject=f"{address} on {label}",
            message=f"{' and '.join(servers[:2])}{' and others' if len(servers) > 2 else ''} "
            f"answered on {label}, {where}, that this host is {address}: a page that asked "
            f"knows its real address.",
            evidence=_evidence(
                [sighting for _, _, sighting in shown], [link.flow for _, link, _ in shown]
            ),
            interface=label,
            display_filter=on_interface(
                scene,
                interface,
                f"stun.att.{'ipv4' if address.version == 4 else 'ipv6'} == {address}",
            ),
            severity=None if scene.has_policy else "info",
            addresses=[address],
            reasons=list(
                dict.fromkeys(f"told to {key.destination} by {key.source}" for key, _, _ in shown)
            ),
        )


def _asked_here(scene: Scene, address: IPAddress) -> bool:
    """Whether who was answered is the client or, where a network was recorded, one of its hosts:
    a server's recording shows answers to public addresses."""
    return inside(address, scene.clients) or not is_public(address)


def _bypass(scene: Scene, own: set[int]) -> Iterator[Finding]:
    """PL102."""
    columns = scene.columns
    mask = webrtc_flows(columns) & (scene.path == BYPASS) & (columns.sent_packets > 0)
    rows = rows_of(mask)
    served = _served(scene)
    sent: dict[int, list[int]] = {}
    for key, link in scene.state.ice.links.items():
        if scene.is_client(key.source.address):
            sent.setdefault(link.flow, []).extend(link.seen.frames)
    keys: list[Column] = [
        columns.interface[rows],
        columns.protocol[rows].astype(np.int64),
        columns.far[0][rows],
        columns.far[1][rows],
        columns.far_port[rows].astype(np.int64),
    ]
    for part in groups(rows, keys, columns.bytes[rows]):
        first = int(part[0])
        interface = int(columns.interface[first])
        label = scene.label(interface)
        far = columns.far_endpoint(first)
        alone = len({columns.far_endpoint(row) for row in part[:1000].tolist()}) == 1
        kinds = _kinds(columns, part[:1000].tolist())
        evidence = _with_messages(flow_evidence(scene, part), sent, part)
        answered = bool((columns.packets[part] > columns.sent_packets[part]).any())
        senders = near_addresses(scene, part)
        where = "the proxy" if scene.is_proxy_only else "the tunnel"
        transport = "tcp" if columns.protocol[first] == 6 else "udp"
        reason = _no_bypass(set(part.tolist()), own, served)
        yield make(
            "PL102",
            subject=f"{transport} {far if alone else 'many endpoints'} on {label}",
            message=f"{kinds} went from {', '.join(map(str, senders[:3]))} to "
            f"{far if alone else 'many endpoints'} on {label}, outside {where}: "
            f"{plural(evidence.frame_count, 'packet')} sent, {amount(evidence.bytes)} in all, "
            f"{'answered' if answered else 'never answered'}.",
            evidence=evidence,
            interface=label,
            display_filter=on_interface(
                scene,
                interface,
                f"{address_filter(far.address)} and {transport}.port == {far.port}"
                if alone
                else "stun or dtls or rtp",
            ),
            severity="info" if reason else None,
            addresses=[address for address in senders if is_public(address)],
            reasons=[reason] if reason else (),
        )


def _no_bypass(rows: set[int], own: set[int], served: set[int]) -> str | None:
    """Why none of these flows is WebRTC's of this host, if so."""
    if rows <= own:
        return "a VPN client looks for its own address"
    if rows <= served:
        return "the far end asked; this host only answered, as a STUN server does"
    return None


def _served(scene: Scene) -> set[int]:
    """Flows on which others asked this host for their address, and it asked nothing.

    An agent answers too, but to checks (RFC 8445 section 7.3).
    """
    columns = scene.columns
    asked: set[int] = set()
    asks: set[int] = set()
    for key, link in scene.state.ice.links.items():
        if scene.is_client(key.source.address):
            asks.update((link.flow,) if link.asks else ())
        elif link.bare is not None and link.checks is None:
            asked.add(link.flow)
    more = columns.serving(_WEBRTC & ~Service.STUN)
    return {row for row in asked - asks if not more[row]}


def _with_messages(evidence: Evidence, sent: dict[int, list[int]], rows: Int64) -> Evidence:
    """The evidence of flows with the frames of the messages that were read in them."""
    frames = {*evidence.frames}
    for row in rows[:MAX_FRAMES].tolist():
        frames.update(sent.get(row, ()))
    return evidence._replace(frames=sorted(frames)[:MAX_FRAMES])


def _kinds(columns: Columns, rows: list[int]) -> str:
    services = 0
    for row in rows:
        services |= int(columns.services[row])
    names = [
        name
        for service, name in (
            (Service.TURN, "TURN"),
            (Service.ICE, "ICE checks"),
            (Service.STUN, "STUN"),
            (Service.DTLS, "DTLS"),
            (Service.RTP, "SRTP"),
            (Service.CHANNEL_DATA, "TURN channels"),
        )
        if services & service
    ]
    return ", ".join(names)


def _mapped(scene: Scene) -> Iterator[Finding]:
    """PL105."""
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
            "PL105",
            subject=f"{mapped} on {scene.label(interface)}",
            message=f"An ICE exchange on {scene.label(interface)} gives {plain} as the IPv6 "
            f"address {mapped}, a form that the masking of private addresses can miss.",
            evidence=_evidence([s for _, s in shown], [link.flow for link, _ in shown]),
            interface=scene.label(interface),
            display_filter=on_interface(scene, interface, f"stun.att.ipv6 == {mapped}"),
        )


def _peers(scene: Scene) -> Iterator[Finding]:
    """PL106: one finding for each TURN server, private peers first."""
    found: dict[tuple[int, Endpoint], dict[Endpoint, list[tuple[Link, Sighting]]]] = {}
    for key, link in scene.state.ice.links.items():
        for table, server in ((link.permissions, key.destination), (link.peers, key.source)):
            for peer, sighting in table.items():
                peers = found.setdefault((key.interface, server), {})
                peers.setdefault(peer, []).append((link, sighting))
    for (interface, server), peers in found.items():
        ranked = sorted(peers, key=lambda peer: (is_public(peer.address), int(peer.address)))
        listed = list(dict.fromkeys(peer.address for peer in ranked))
        private = [address for address in listed if not is_public(address)]
        shown = [entry for peer in ranked for entry in peers[peer]]
        yield make(
            "PL106",
            subject=f"peers of TURN server {server} on {scene.label(interface)}",
            message=f"TURN messages with {server} name {plural(len(listed), 'peer')} in clear"
            + (f", {len(private)} of them private" if private else "")
            + f": {', '.join(map(str, listed[:5]))}{', ...' if len(listed) > 5 else ''}.",
            evidence=_evidence([s for _, s in shown], [link.flow for link, _ in shown]),
            interface=scene.label(interface),
            display_filter=on_interface(
                scene,
                interface,
                f"{address_filter(server.address)} and stun.attribute == 0x0012",
            ),
            reasons=[f"{peer} ({classify(peer.address)})" for peer in ranked],
        )


def _raw_hosts(scene: Scene) -> Iterator[Finding]:
    """PL107. Lines that this host sent; those it received are the peer's."""
    found: dict[IPAddress, list[SignalledLine]] = {}
    for entry in scene.state.signalling.lines():
        if entry.line.type != "host" or entry.encrypted:
            continue
        if not scene.is_client(entry.sender.address):
            continue
        try:
            address = ip_address(entry.line.address)
        except ValueError:
            continue
        if classify(address) in _INNER_NETWORKS:
            found.setdefault(address, []).append(entry)
    for address, entries in found.items():
        channels = sorted({entry.channel for entry in entries})
        yield make(
            "PL107",
            subject=f"{address} in signalling",
            message=f"{plural(len(entries), 'candidate line')} over {', '.join(channels)} in clear "
            f"gave {address} itself where browsers write a .local name.",
            evidence=_evidence([entry.seen for entry in entries], []),
            interface=None,
            display_filter=f'frame contains "{address}" and frame contains "typ host"',
            addresses=[address],
            reasons=[f"port {entry.line.port}, sent by {entry.sender}" for entry in entries],
        )


_INNER_NETWORKS = ("private IPv4", "unique local IPv6", "shared (CGNAT)", "link-local")
