"""PL303: a name announced into the tunnel carries a local address."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.announcements import misplaced
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_words import OPERATOR
from pcapleak.values.addresses import classify, inside
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress

KIND = FindingKind(
    id="PL303",
    name="mdns-lan-address-in-tunnel",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("multicast DNS", (OPERATOR,)),
    has_causes=False,
    tested_by=("mdns", "stun"),
    when="A name announced into the tunnel carries a LAN address.",
    meaning=(
        "The tunnel's operator, or other hosts in the tunnel, learn this host's address on its "
        "local network, and that a page gathered candidates."
    ),
    confirm="Filter for mdns on the tunnel's interface and read the A and AAAA records.",
    remedy=(
        "Drop multicast DNS on the tunnel: `nft add rule inet filter output oifname TUNNEL udp "
        "dport 5353 drop`."
    ),
    sources=("draft-ietf-mmusic-mdns-ice-candidates section 5", "RFC 6762 section 14"),
    weaknesses="Whether the tunnel forwards multicast cannot be seen; many drop it at the far end.",
)


_LOCAL = ("private IPv4", "unique local IPv6", "shared (CGNAT)", "link-local")


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each interface and address."""

    def is_local(address: IPAddress, announcer: IPAddress) -> bool:
        if inside(address, scene.inner):
            return False
        local = classify(address) in _LOCAL and address != announcer
        return local or inside(address, scene.clients)

    return misplaced(
        scene,
        KIND,
        scene.inside_ids,
        is_local,
        "the local address {address}, so whoever runs the tunnel learns it",
        doubtful=lambda address: False,
    )
