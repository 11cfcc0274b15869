"""Which flows are WebRTC's."""

from __future__ import annotations

from pcapleak.judge.columns import UDP, Columns
from pcapleak.judge.context import Scene
from pcapleak.values.packets import Bool, Service

WEBRTC = (
    Service.STUN | Service.TURN | Service.ICE | Service.CHANNEL_DATA | Service.DTLS | Service.RTP
)
VPN_SOFTWARE = ("tailnode",)
"""SOFTWARE of VPN clients that look for their own address outside the tunnel by design."""

GATHER_NS = 5_000_000_000
"""Gathering on several interfaces begins together; a check list is gathered in seconds."""


def webrtc_flows(columns: Columns) -> Bool:
    """Flows of WebRTC. ChannelData, DTLS and RTP alone are shapes: with UDP only."""
    stun = columns.serving(Service.STUN | Service.TURN | Service.ICE)
    shaped = columns.serving(WEBRTC) & (columns.protocol == UDP) & ~columns.serving(Service.QUIC)
    found: Bool = stun | shaped
    return found


def vpn_own_flows(scene: Scene) -> set[int]:
    """Flows on which a VPN client looks for its own address."""
    return {
        link.flow
        for link in scene.state.ice.links.values()
        if link.software is not None and link.software.lower().startswith(VPN_SOFTWARE)
    }
