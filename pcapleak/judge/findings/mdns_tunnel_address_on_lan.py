"""PL302: a name announced outside carries the tunnel's address."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.announcements import misplaced
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_words import LAN
from pcapleak.values.addresses import classify, inside
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress

KIND = FindingKind(
    id="PL302",
    name="mdns-tunnel-address-on-lan",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("multicast DNS", (LAN,)),
    has_causes=False,
    tested_by=("mdns", "stun"),
    when="A name announced on the physical interface carries the tunnel's address.",
    meaning=(
        "The browser announces its names on every interface. Here the local network learns this "
        "host's address inside the tunnel, and that there is a tunnel at all."
    ),
    confirm="Filter for mdns on the physical interface and read the A and AAAA records.",
    remedy=(
        "Drop multicast DNS outside the tunnel (`nft add rule inet filter output oifname "
        "INTERFACE udp dport 5353 drop`), or set WebRtcIPHandling to "
        "default_public_interface_only."
    ),
    sources=("draft-ietf-mmusic-mdns-ice-candidates section 5", "RFC 6762 section 14"),
    weaknesses=(
        "If the tunnel was not recorded and its address is not given, an unfamiliar address "
        "is taken for it."
    ),
)


def _of_tunnel(scene: Scene, address: IPAddress, announcer: IPAddress) -> bool:
    """Whether an address announced outside is one inside a tunnel."""
    if inside(address, scene.inner):
        return not _is_another(scene, announcer)
    if not scene.tunnels or scene.inner:
        return False
    return (
        classify(address) in ("private IPv4", "unique local IPv6", "shared (CGNAT)")
        and address.version == announcer.version
        and address != announcer
        and not inside(address, scene.lans)
        and not inside(address, scene.clients)
        and inside(announcer, scene.clients)
    )


def _is_another(scene: Scene, announcer: IPAddress) -> bool:
    """Whether it is known not to be the client: VPNs give many customers the same address."""
    mine = [*scene.clients, *scene.inner]
    return (
        announcer.version == 4
        and any(network.version == 4 for network in scene.clients)
        and not inside(announcer, mine)
    )


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each interface and address."""

    def doubtful(address: IPAddress) -> bool:
        return not inside(address, scene.inner) or address in scene.suspected

    return misplaced(
        scene,
        KIND,
        scene.outside,
        lambda address, announcer: _of_tunnel(scene, address, announcer),
        "the tunnel's address {address}, so the local network learns it",
        doubtful,
    )
