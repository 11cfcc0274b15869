"""PL102: WebRTC traffic beside the proxy or tunnel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.columns import Columns
from pcapleak.judge.context import Scene
from pcapleak.judge.exemptions import from_carrier_socket
from pcapleak.judge.finding_builder import (
    Column,
    address_filter,
    flow_evidence,
    groups,
    make,
    near_addresses,
    on_interface,
    rows_of,
)
from pcapleak.judge.finding_words import (
    BROWSER_REMEDY,
    FIREWALL_REMEDY,
    LAN,
    PROVIDER,
    WEBRTC_REMEDY,
)
from pcapleak.judge.webrtc_flows import WEBRTC
from pcapleak.values.addresses import is_public
from pcapleak.values.evidence import MAX_FRAMES, Evidence
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Int64, Service
from pcapleak.values.words import count, series, size

KIND = FindingKind(
    id="PL102",
    name="webrtc-bypass",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=True,
    observers=Observers(
        "WebRTC packets outside", (LAN, PROVIDER, "the STUN or TURN server or peer")
    ),
    has_causes=True,
    tested_by=("stun",),
    when="STUN, TURN, ICE, DTLS-SRTP or SRTP outside the proxy or tunnel, answered or not.",
    meaning=(
        "WebRTC traffic left the host outside the proxy or tunnel. Even without an answer, the "
        "server, the network and whoever runs the other end saw the host's own address."
    ),
    confirm=(
        "Filter for stun or dtls or rtp on the physical interface; none of it should go "
        "anywhere but to the VPN server or proxy."
    ),
    remedy=WEBRTC_REMEDY,
    proxy_remedy=BROWSER_REMEDY,
    tunnel_remedy=FIREWALL_REMEDY,
    sources=("RFC 8828 section 5.2", "RFC 8656", "RFC 8445 section 7"),
    weaknesses=(
        "Packets do not name the program. Whatever the socket that carries the tunnel sends is "
        "the VPN's own."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each far end on each interface."""
    columns = scene.columns
    rows = rows_of(scene.beside.webrtc)
    if not len(rows):
        return
    own = set(np.flatnonzero(from_carrier_socket(scene)).tolist())
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
            KIND,
            subject=f"{transport} {far if alone else 'many endpoints'} on {label}",
            message=f"{kinds} went from {series(senders[:3])} to "
            f"{far if alone else 'many endpoints'} over {label}, outside {where}: "
            f"{count(evidence.frame_count, 'packet')} sent, {size(evidence.bytes)} in "
            f"all, {'answered' if answered else 'never answered'}.",
            evidence=evidence,
            interface=label,
            display_filter=on_interface(
                scene,
                interface,
                f"{address_filter(far.address)} and {transport}.port == {far.port}"
                if alone
                else "stun or dtls or rtp",
            ),
            severity=Severity.INFO if reason else None,
            addresses=[address for address in senders if is_public(address)],
            reasons=[reason] if reason else (),
        )


def _no_bypass(rows: set[int], own: set[int], served: set[int]) -> str | None:
    """Why none of these flows is WebRTC's of this host, if so."""
    if rows <= own:
        return "a VPN client looking up its own address"
    if rows <= served:
        return "the far end asked and this host only answered, as a STUN server does"
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
    more = columns.serving(WEBRTC & ~Service.STUN)
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
    return series(names) if names else "WebRTC traffic"
