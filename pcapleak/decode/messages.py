"""Everything that a packet may be decoded to, as one closed union.

Whoever takes a `Message` tells its kinds apart by `match` and ends in `assert_never`, so that
the type checker names each place where a kind is forgotten.
"""

from __future__ import annotations

from pcapleak.decode.dns.message import DnsMessage
from pcapleak.decode.lan.dhcp import DhcpMessage
from pcapleak.decode.lan.ndp import RouterAdvertisement
from pcapleak.decode.media.dtls import DtlsHello
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.stun.turn import ChannelData
from pcapleak.decode.tunnels.ike import IkeMessage
from pcapleak.decode.tunnels.openvpn import OpenVpnMessage
from pcapleak.decode.tunnels.socks import SocksReply, SocksRequest
from pcapleak.decode.tunnels.wireguard import WireGuardMessage
from pcapleak.decode.web.http import HttpRequest, HttpResponse
from pcapleak.decode.web.quic import QuicInitial
from pcapleak.decode.web.sip import SipMessage
from pcapleak.decode.web.tls import ClientHello
from pcapleak.decode.web.websocket import WebSocketMessage
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Context

Signalling = HttpRequest | HttpResponse | WebSocketMessage | SipMessage
"""What may carry the descriptions of ICE agents."""

Message = (
    StunMessage
    | ChannelData
    | DnsMessage
    | DhcpMessage
    | RouterAdvertisement
    | WireGuardMessage
    | OpenVpnMessage
    | IkeMessage
    | DtlsHello
    | QuicInitial
    | ClientHello
    | SocksRequest
    | SocksReply
    | Signalling
)

Event = tuple[Context, Message | DecodeError]
"""A message, or what was wrong with one, and where it came from."""

ICMP_QUOTE = "icmp-quote"
"""The layer of what an ICMP error quotes."""
