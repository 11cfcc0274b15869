"""Which flows are WebRTC's."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.columns import UDP, Columns
from pcapleak.judge.context import Scene
from pcapleak.judge.stun_payload import fragments
from pcapleak.track.ice.link_values import LinkKey
from pcapleak.track.ice.links import Link
from pcapleak.values.packets import Bool, Service

WEBRTC = (
    Service.STUN | Service.TURN | Service.ICE | Service.CHANNEL_DATA | Service.DTLS | Service.RTP
)
GATHER_NS = 5_000_000_000
"""Gathering on several interfaces begins together; a check list is gathered in seconds."""


def webrtc_flows(columns: Columns) -> Bool:
    """Flows of WebRTC. ChannelData, DTLS and RTP alone are shapes: with UDP only."""
    stun = columns.serving(Service.STUN | Service.TURN | Service.ICE)
    shaped = columns.serving(WEBRTC) & (columns.protocol == UDP) & ~columns.serving(Service.QUIC)
    found: Bool = stun | shaped
    return found


def told_links(scene: Scene) -> Iterator[tuple[LinkKey, Link]]:
    """Links, without what anybody can have arrive: in encapsulation that only came in."""
    arriving = scene.arriving_rows
    for key, link in scene.state.ice.links.items():
        if link.flow not in arriving:
            yield key, link


def pair_of(username: str) -> frozenset[str]:
    """The username fragments of both ends, whoever sends."""
    return frozenset(fragments(username))


def living_sessions(scene: Scene) -> set[frozenset[str]]:
    """Pairs of fragments of which both ends were heard: by an answer, or by checks both ways.

    Each end names the receiver's fragment first (RFC 8445 section 7.2.2).
    """
    said: set[tuple[str, ...]] = set()
    alive: set[frozenset[str]] = set()
    for link in scene.state.ice.links.values():
        if not link.usernames:
            continue
        back = link.back
        for username in link.usernames:
            parts = tuple(fragments(username))
            said.add(parts)
            if (back is not None and back.check_answers) or (
                parts != parts[::-1] and parts[::-1] in said
            ):
                alive.add(frozenset(parts))
    return alive
