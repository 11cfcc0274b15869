"""The protocols that are decoded: one row each, and what leads to a row.

`pcapleak decode`, the analysis, the counts of a report and the words of both go by these rows,
so none of them can call a message something else than another does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import assert_never

from msgspec import Struct

from pcapleak.decode.dns.message import DnsMessage, decode_dns
from pcapleak.decode.lan.dhcp import DhcpMessage, decode_dhcp
from pcapleak.decode.lan.ndp import RouterAdvertisement, decode_router_advertisement
from pcapleak.decode.media.dtls import DtlsHello, decode_dtls
from pcapleak.decode.messages import Message
from pcapleak.decode.streams.connection import Opens
from pcapleak.decode.streams.readers import opens_dns, opens_openvpn, opens_tls
from pcapleak.decode.streams.sip import opens_sip
from pcapleak.decode.streams.socks import opens_socks
from pcapleak.decode.streams.stun import opens_stun
from pcapleak.decode.streams.web import opens_http
from pcapleak.decode.stun.decoder import StunMessage, decode_stun
from pcapleak.decode.stun.turn import ChannelData, decode_channel_data
from pcapleak.decode.tunnels.ike import IkeMessage, decode_ike
from pcapleak.decode.tunnels.openvpn import OpenVpnMessage, decode_openvpn
from pcapleak.decode.tunnels.socks import SocksReply, SocksRequest
from pcapleak.decode.tunnels.wireguard import WireGuardMessage, decode_wireguard
from pcapleak.decode.web.http import METHODS, RESPONSE, HttpRequest, HttpResponse
from pcapleak.decode.web.quic import QuicInitial, decode_quic
from pcapleak.decode.web.sip import SipMessage, decode_sip
from pcapleak.decode.web.tls import ClientHello
from pcapleak.decode.web.websocket import WebSocketMessage
from pcapleak.values.packets import Decoder
from pcapleak.values.registries import SIP_STARTS


class Protocol(Struct, frozen=True):
    """What is known of a protocol."""

    name: str
    """The word that chooses its messages in `pcapleak decode`."""
    counted: str
    """What the counts of a report call them."""
    decode: Callable[[bytes], Message] | None = None
    """From one datagram, or None where messages are found in streams alone."""
    decode_cut: Callable[[bytes, int], Message] | None = None
    """The same for a protocol that judges by the datagram's own length, which a snap length may
    have cut."""
    opens: Opens | None = None
    """The reader of a TCP stream that begins so."""
    first_bytes: bytes = b""
    """Bytes that such a stream may begin with, but for STUN's."""
    texts: tuple[bytes, ...] = ()
    """Texts that one begins with, more of which are waited for."""


STUN = Protocol("stun", "stun", decode_stun, opens=opens_stun)
TURN = Protocol("turn", "channel-data", decode_channel_data)
DNS = Protocol("dns", "dns", decode_dns, opens=opens_dns, first_bytes=bytes(range(4)))
MDNS = Protocol("mdns", "mdns", partial(decode_dns, protocol="mdns"))
LLMNR = Protocol("llmnr", "llmnr", partial(decode_dns, protocol="llmnr"))
DHCP = Protocol("dhcp", "dhcp", decode_dhcp)
NDP = Protocol("ndp", "router-advertisement", decode_router_advertisement)
WIREGUARD = Protocol("wireguard", "wireguard-handshake", decode_wireguard, decode_wireguard)
OPENVPN = Protocol(
    "openvpn",
    "openvpn-handshake",
    decode_openvpn,
    decode_openvpn,
    opens=opens_openvpn,
    first_bytes=bytes(range(4)),
)
IKE = Protocol("ike", "ike", decode_ike, decode_ike)
DTLS = Protocol("dtls", "dtls-hello", decode_dtls)
QUIC = Protocol("quic", "quic-initial", decode_quic)
TLS = Protocol("tls", "tls-hello", opens=opens_tls, first_bytes=b"\x16")
SOCKS = Protocol("socks", "socks", opens=opens_socks, first_bytes=b"\4\5")
HTTP = Protocol(
    "http",
    "http",
    opens=opens_http,
    first_bytes=bytes(range(ord("A"), ord("Z") + 1)),
    texts=(*METHODS, RESPONSE),
)
WEBSOCKET = Protocol("websocket", "websocket")
SIP = Protocol(
    "sip",
    "sip",
    decode_sip,
    opens=opens_sip,
    first_bytes=bytes({start[0] for start in SIP_STARTS}),
    texts=SIP_STARTS,
)

PROTOCOLS = (
    STUN,
    TURN,
    DNS,
    DHCP,
    NDP,
    WIREGUARD,
    OPENVPN,
    IKE,
    DTLS,
    QUIC,
    TLS,
    SOCKS,
    HTTP,
    WEBSOCKET,
    SIP,
    MDNS,
    LLMNR,
)

STREAMS = (STUN, SIP, HTTP, DNS, TLS, SOCKS, OPENVPN)
"""Protocols of TCP streams in the order in which a stream's first bytes are tried."""

_NAMED = {"dns": DNS, "mdns": MDNS, "llmnr": LLMNR}


def protocol_of(message: Message) -> Protocol:
    """The row of a message."""
    match message:
        case DnsMessage():
            return _NAMED[message.protocol]
        case StunMessage():
            return STUN
        case ChannelData():
            return TURN
        case DhcpMessage():
            return DHCP
        case RouterAdvertisement():
            return NDP
        case WireGuardMessage():
            return WIREGUARD
        case OpenVpnMessage():
            return OPENVPN
        case IkeMessage():
            return IKE
        case DtlsHello():
            return DTLS
        case QuicInitial():
            return QUIC
        case ClientHello():
            return TLS
        case SocksRequest() | SocksReply():
            return SOCKS
        case HttpRequest() | HttpResponse():
            return HTTP
        case WebSocketMessage():
            return WEBSOCKET
        case SipMessage():
            return SIP
    assert_never(message)


def recognised_as(code: Decoder) -> Protocol | None:
    """The protocol whose datagrams `dissect.recognise` marks with `code`; None for what wraps
    messages of several."""
    match code:
        case Decoder.STUN:
            return STUN
        case Decoder.CHANNEL_DATA:
            return TURN
        case Decoder.DNS:
            return DNS
        case Decoder.MDNS:
            return MDNS
        case Decoder.LLMNR:
            return LLMNR
        case Decoder.DHCP:
            return DHCP
        case Decoder.WIREGUARD:
            return WIREGUARD
        case Decoder.OPENVPN:
            return OPENVPN
        case Decoder.IKE:
            return IKE
        case Decoder.QUIC:
            return QUIC
        case Decoder.DTLS:
            return DTLS
        case Decoder.ROUTER_ADVERTISEMENT:
            return NDP
        case Decoder.SIP:
            return SIP
        case Decoder.NONE | Decoder.SOCKS_UDP | Decoder.ICMP_ERROR:
            return None
    assert_never(code)
