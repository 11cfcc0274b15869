"""PL106: TURN messages name peers in clear."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import (
    address_filter,
    gathered,
    make,
    on_interface,
    sightings_evidence,
)
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


class _Named(NamedTuple):
    """A peer, and the messages that name it."""

    peer: Endpoint
    link: Link
    sighting: Sighting


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each TURN server, private peers first; beyond a few the rest are one."""
    found: dict[tuple[int, Endpoint], list[_Named]] = {}
    for key, link in scene.state.ice.links.items():
        for table, server in ((link.permissions, key.destination), (link.peers, key.source)):
            if table:
                named = [_Named(peer, link, sighting) for peer, sighting in table.items()]
                found.setdefault((key.interface, server), []).extend(named)
    for servers in gathered(found, lambda place: _is_asked_here(scene, found[place][0].link)):
        (interface, server), *others = servers
        label = scene.label(interface)
        told = "many TURN servers" if others else f"TURN server {server}"
        shown = sorted((one for place in servers for one in found[place]), key=_private_first)
        peers = dict.fromkeys(one.peer for one in shown)
        listed = list(dict.fromkeys(peer.address for peer in peers))
        private = sum(1 for _ in takewhile(lambda address: not is_public(address), listed))
        in_clear = "stun.attribute == 0x0012"
        yield make(
            KIND,
            subject=f"peers of {told} on {label}",
            message=f"TURN messages with {told if others else server} name "
            f"{count(len(listed), 'peer')} unencrypted"
            + (f", {private} of them private" if private else "")
            + f": {', '.join(map(str, listed[:5]))}{', ...' if len(listed) > 5 else ''}.",
            evidence=sightings_evidence(
                [one.sighting for one in shown], [one.link.flow for one in shown]
            ),
            interface=label,
            display_filter=(
                in_clear
                if others
                else on_interface(
                    scene, interface, f"{address_filter(server.address)} and {in_clear}"
                )
            ),
            facts=[f"a peer's address: {address}" for address in listed[:MAX_FACTS]],
            reasons=(f"{peer} ({classify(peer.address)})" for peer in peers),
        )


def _private_first(named: _Named) -> tuple[bool, int]:
    address = named.peer.address
    return is_public(address), int(address)


def _is_asked_here(scene: Scene, link: Link) -> bool:
    """Whether one of its ends is a client of ours."""
    return scene.is_client(link.key.source.address) or scene.is_client(link.key.destination.address)
