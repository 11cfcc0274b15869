"""PL301: a `.local` name joined with the address it hides."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.announcements import webrtc_names
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import gathered, make, sightings_evidence
from pcapleak.judge.finding_words import LAN
from pcapleak.track.names import NameRecord
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress
from pcapleak.values.words import count, series

KIND = FindingKind(
    id="PL301",
    name="mdns-name-unmasked",
    severity=Severity.LOW,
    is_leak=False,
    exposes=False,
    observers=Observers("multicast DNS", (LAN,)),
    has_causes=False,
    tested_by=("mdns", "stun"),
    when="A WebRTC .local name is linked to the address it hides.",
    meaning=(
        "The browser announced the name that stands for its address in candidates. Anyone on "
        "the local network, and anyone who got the name from a page there, can link the two."
    ),
    confirm='Filter for mdns and dns.resp.name contains ".local" and read the A or AAAA record.',
    remedy=(
        "Expected on a local network. To gather no such candidates, use Mode 3 or 4 of RFC 8828 "
        "(WebRtcIPHandling, or WebRtcIPHandlingUrl for individual sites)."
    ),
    sources=("draft-ietf-mmusic-mdns-ice-candidates section 5", "RFC 6762 section 8.3"),
    weaknesses=(
        "Firefox answers only when asked, so the absence of an announcement does not prove "
        "that no name was used."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each address; a page makes new names for it on every visit. Strangers on
    the link may announce what they like: beyond a few the rest of the addresses are one."""
    found: dict[IPAddress, list[NameRecord]] = {}
    for record in webrtc_names(scene):
        for address in record.addresses:
            if not address.is_unspecified:
                found.setdefault(address, []).append(record)
    for addresses in gathered(found, scene.is_client):
        address, *others = addresses
        named = [record for one in addresses for record in found[one]]
        names = list(dict.fromkeys(record.name for record in named))
        told = count(len(addresses), "address", "addresses") if others else str(address)
        record_type = "a" if address.version == 4 else "aaaa"
        interfaces = sorted({interface for record in named for interface, _, _ in record.placed})
        announcers = sorted({str(one) for record in named for one in record.announcers})
        yield make(
            KIND,
            subject="many addresses" if others else str(address),
            message=f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''} "
            f"{'stands' if len(names) == 1 else 'stand'} for {told}, as announced by "
            f"{series([*announcers[:4], *['others'] * (len(announcers) > 4)])} on "
            f"{series(scene.label(number) for number in interfaces)}.",
            evidence=sightings_evidence(
                [record.addresses[one] for one in addresses for record in found[one]]
            ),
            interface=scene.label(interfaces[0]),
            display_filter=(
                'mdns and dns.resp.name contains ".local"'
                if others
                else f"mdns and dns.{record_type} == {address}"
            ),
            addresses=addresses,
            reasons=names[3:],
        )
