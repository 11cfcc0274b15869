"""Words that the pages of several findings share.

A remedy's words in capitals (INTERFACE, VPN_SERVER, TUNNEL, TUNNEL_ADDRESS) are filled in by
`judge.remedies` where the capture or the policy shows what they stand for.
"""

from __future__ import annotations

LAN = "the local network"
PROVIDER = "the internet provider"
OPERATOR = "the tunnel's operator"

BROWSER_REMEDY = (
    "In Chromium-based browsers, set the managed policy WebRtcIPHandling (or WebRtcIPHandlingUrl "
    "for individual sites) to disable_non_proxied_udp. In Firefox, set "
    "media.peerconnection.ice.proxy_only to true, or media.peerconnection.enabled to false if no "
    "page needs WebRTC."
)
"""What mends most WebRTC findings of a proxy."""

FIREWALL_REMEDY = (
    "Turn on the VPN client's kill switch, or let nothing leave the physical interface but what "
    "goes to the VPN server: `nft add rule inet filter output oifname INTERFACE ip daddr "
    "VPN_SERVER accept && nft add rule inet filter output oifname INTERFACE drop`."
)
"""What mends most findings of a VPN, in more than one family."""

WEBRTC_REMEDY = f"For a proxy: {BROWSER_REMEDY} For a VPN: {FIREWALL_REMEDY}"
"""Both, where it is not known which is in use."""
