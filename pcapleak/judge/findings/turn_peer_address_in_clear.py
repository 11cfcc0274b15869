"""PL106: TURN messages name peers in clear."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import address_filter, make, on_interface, sightings_evidence
from pcapleak.judge.finding_words import LAN, PROVIDER
from pcapleak.track.ice.links import Link
from pcapleak.track.sightings import Sighting
from pcapleak.values.addresses import classify, is_public
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Endpoint
from pcapleak.values.words import count

MAX_FACTS = 16
"""Peers told among what observers learn; the reasons of the finding have more."""

KIND = FindingKind(
    id="PL106",
    name="turn-peer-address-in-clear",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers(
        "unencrypted TURN messages", (LAN, PROVIDER, "the TURN server", "everyone along the path")
    ),
    has_causes=False,
    tested_by=("stun",),
    when="Unencrypted TURN messages show peers' addresses, above all private ones.",
    meaning=(
        "CreatePermission, ChannelBind, Send and Data carry the other side's addresses, "
        "including private ones that the peer put into its candidates. Everyone along the path "
        "can read them."
    ),
    confirm="Filter for stun.attribute == 0x0012 and read XOR-PEER-ADDRESS.",
    remedy="Offer TURN over TLS or DTLS (turns:) only.",
    sources=("RFC 8656 section 14.3", "RFC 8656 section 21.1"),
    weaknesses=(
        "These are the peer's addresses as signalled, not the client's own. A relay that is "
        "itself the peer shows only its own address."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each TURN server, private peers first."""
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
            KIND,
            subject=f"peers of TURN server {server} on {scene.label(interface)}",
            message=f"TURN messages with {server} name {count(len(listed), 'peer')} unencrypted"
            + (f", {len(private)} of them private" if private else "")
            + f": {', '.join(map(str, listed[:5]))}{', ...' if len(listed) > 5 else ''}.",
            evidence=sightings_evidence([s for _, s in shown], [link.flow for link, _ in shown]),
            interface=scene.label(interface),
            display_filter=on_interface(
                scene,
                interface,
                f"{address_filter(server.address)} and stun.attribute == 0x0012",
            ),
            facts=[f"a peer's address: {address}" for address in listed[:MAX_FACTS]],
            reasons=[f"{peer} ({classify(peer.address)})" for peer in ranked],
        )
