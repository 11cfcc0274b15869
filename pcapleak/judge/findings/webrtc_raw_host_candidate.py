"""PL107: a private address in a candidate line in clear."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make, plural, sightings_evidence
from pcapleak.track.signalling import SignalledLine
from pcapleak.values.addresses import classify
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress

_INNER_NETWORKS = ("private IPv4", "unique local IPv6", "shared (CGNAT)", "link-local")

KIND = FindingKind(
    id="PL107",
    name="webrtc-raw-host-candidate",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers(
        "candidate line in clear", ("the page", "everyone on the signalling's way")
    ),
    has_causes=False,
    tested_by=("stun",),
    when="A private address signalled in a host candidate where a .local name is expected.",
    meaning=(
        "A candidate line readable in the capture gives a host's private address instead of a "
        "multicast DNS name, so the page and the peer learn the inner network's addresses."
    ),
    confirm='Filter frame contains "typ host" and read the candidate lines.',
    remedy=(
        "Leave multicast DNS candidates on (WebRtcLocalIpsAllowedUrls empty in Chromium, "
        "media.peerconnection.ice.obfuscate_host_addresses true in Firefox) and take camera and "
        "microphone permissions back."
    ),
    sources=("draft-ietf-mmusic-mdns-ice-candidates section 3.1", "RFC 8828 section 5.2"),
    weaknesses="Only clear signalling is read. With camera permission raw addresses are expected.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """Lines that this host sent; those it received are the peer's."""
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
            KIND,
            subject=f"{address} in signalling",
            message=f"{plural(len(entries), 'candidate line')} over {', '.join(channels)} in clear "
            f"gave {address} itself where browsers write a .local name.",
            evidence=sightings_evidence([entry.seen for entry in entries], []),
            interface=None,
            display_filter=f'frame contains "{address}" and frame contains "typ host"',
            addresses=[address],
            reasons=[f"port {entry.line.port}, sent by {entry.sender}" for entry in entries],
        )
