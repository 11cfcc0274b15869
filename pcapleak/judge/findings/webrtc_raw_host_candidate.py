"""PL107: a private address in a candidate line in clear."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make, sightings_evidence
from pcapleak.track.ice.session import PageRow
from pcapleak.track.signalling import SignalledLine
from pcapleak.values.addresses import classify
from pcapleak.values.evidence import MAX_FRAMES, Evidence
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress
from pcapleak.values.words import count

_INNER_NETWORKS = ("private IPv4", "unique local IPv6", "shared (CGNAT)", "link-local")

KIND = FindingKind(
    id="PL107",
    name="webrtc-raw-host-candidate",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers(
        "unencrypted candidate line", ("the page", "everyone on the signalling path")
    ),
    has_causes=False,
    tested_by=("stun",),
    when=(
        "A private address is signalled in a host candidate where a .local name is expected, or "
        "read so by pcapleak's test page without a permission."
    ),
    meaning=(
        "A candidate line readable in the capture gives a host's private address instead of a "
        "multicast DNS name, so the page and the peer learn addresses of the internal network."
    ),
    confirm=(
        'Filter for frame contains "typ host" and read the candidate lines; of the test page, the '
        "reading it saved."
    ),
    remedy=(
        "Keep multicast DNS candidates on (leave WebRtcLocalIpsAllowedUrls empty in Chromium, "
        "set media.peerconnection.ice.obfuscate_host_addresses to true in Firefox) and revoke "
        "camera and microphone permissions."
    ),
    sources=("draft-ietf-mmusic-mdns-ice-candidates section 3.1", "RFC 8828 section 5.2"),
    weaknesses=(
        "Only unencrypted signalling and readings of the test page are read. With camera "
        "permission, raw addresses are expected."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """Addresses in clear signalling, and those that the test page read."""
    yield from _signalled(scene)
    yield from _read(scene)


def _signalled(scene: Scene) -> Iterator[Finding]:
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
        evidence = sightings_evidence([entry.seen for entry in entries], [])
        yield make(
            KIND,
            subject=f"{address} in signalling",
            message=f"{count(len(entries), 'candidate line')} over {', '.join(channels)}, "
            f"unencrypted, gave {address} itself where browsers write a .local name.",
            evidence=evidence,
            interface=None,
            # WebSocket's mask hides the line from a search of the frame's bytes.
            display_filter=f"frame.number in {{{', '.join(map(str, evidence.frames))}}}",
            addresses=[address],
            reasons=[f"port {entry.line.port}, sent by {entry.sender}" for entry in entries],
        )


def _read(scene: Scene) -> Iterator[Finding]:
    """What pcapleak's own page read, which says whether it had a permission. Nobody on the way
    learns it from that, so no address is listed as learned."""
    rows: dict[IPAddress, list[PageRow]] = {}
    for row in scene.state.page_rows:
        told, facts = row.told, scene.state.page_facts.get(row.path or "")
        if told is None or told.ip is None or row.candidate is None or told.type != "host":
            continue
        if facts is None or facts.test is None or facts.test.microphone:
            continue
        if classify(told.ip) in _INNER_NETWORKS and scene.is_client(told.ip):
            rows.setdefault(told.ip, []).append(row)
    for address, read in rows.items():
        shown = [row.candidate for row in read if row.candidate is not None]
        frames = sorted({frame for one in shown for frame in one.frames})[:MAX_FRAMES]
        listed = ", ".join(map(str, frames))
        yield make(
            KIND,
            subject=f"{address} read by the page",
            message=f"The page read {address} in {count(len(read), 'host candidate')} in clear, "
            "without a microphone permission.",
            evidence=Evidence(frames, sum(one.frame_count for one in shown), None, None),
            interface=None,
            display_filter=f"frame.number in {{{listed}}}" if frames else "",
            reasons=[f"{row.path}: {row.told.text}" for row in read if row.told is not None],
        )
