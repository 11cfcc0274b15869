"""Words that the pages of several findings share."""

from __future__ import annotations

LAN = "the local network"
PROVIDER = "the internet provider"
OPERATOR = "the tunnel's operator"

BROWSER_REMEDY = (
    "In Chromium-based browsers set the managed policy WebRtcIPHandling, or for single sites "
    "WebRtcIPHandlingUrl, to disable_non_proxied_udp; in Firefox set "
    "media.peerconnection.ice.proxy_only to true, or media.peerconnection.enabled to false where "
    "no page needs WebRTC. Behind a VPN, let its firewall (kill switch) drop all UDP that does "
    "not go to the VPN server."
)
FIREWALL_REMEDY = (
    "Turn on the VPN client's kill switch, or drop on the physical interface all that does not "
    "go to the VPN server, such as: nft add rule inet filter output oifname eth0 ip daddr != "
    "VPN_SERVER drop."
)
"""What mends most findings of a VPN, in more than one family."""
