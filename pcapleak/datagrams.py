"""From the datagrams that some decoder wants to their messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from pcapleak.errors import DecodeError
from pcapleak.model import Bool, Context, Decoder, Int64, Packets, UInt8
from pcapleak.packets.icmp import decode_icmp_quote
from pcapleak.protocols.dhcp import decode_dhcp
from pcapleak.protocols.dns import decode_dns
from pcapleak.protocols.dtls import decode_dtls
from pcapleak.protocols.ike import decode_ike
from pcapleak.protocols.ndp import decode_router_advertisement
from pcapleak.protocols.openvpn import decode_openvpn
from pcapleak.protocols.quic import decode_quic
from pcapleak.protocols.relayed import relayed_message
from pcapleak.protocols.sip import decode_sip
from pcapleak.protocols.stun import HEADER_SIZE, StunMessage, decode_stun
from pcapleak.protocols.turn import decode_channel_data
from pcapleak.protocols.wireguard import decode_wireguard

Event = tuple[Context, object]

ICMP_QUOTE = "icmp-quote"
"""The layer of what an ICMP error quotes."""

_DECODE: dict[Decoder, Callable[[bytes], object]] = {
    Decoder.STUN: decode_stun,
    Decoder.CHANNEL_DATA: decode_channel_data,
    Decoder.DNS: decode_dns,
    Decoder.MDNS: partial(decode_dns, protocol="mdns"),
    Decoder.LLMNR: partial(decode_dns, protocol="llmnr"),
    Decoder.DHCP: decode_dhcp,
    Decoder.QUIC: decode_quic,
    Decoder.DTLS: decode_dtls,
    Decoder.ROUTER_ADVERTISEMENT: decode_router_advertisement,
    Decoder.SIP: decode_sip,
}
_DECODE_CUT: dict[Decoder, Callable[[bytes, int], object]] = {
    Decoder.WIREGUARD: decode_wireguard,
    Decoder.OPENVPN: decode_openvpn,
    Decoder.IKE: decode_ike,
}
"""Decoders that judge by the length: they take the datagram's own, which a snap length may cut."""


def datagrams(packets: Packets, flow: Int64, forward: Bool, decoder: UInt8) -> Iterator[Event]:
    """The messages of the datagrams some decoder wants, in capture order.

    This is the one place where a decode error of a datagram becomes data. STUN messages that
    ICMP errors quote have the layer `ICMP_QUOTE`: they were sent before, and refused.
    """
    for i in np.flatnonzero(decoder).tolist():
        code = Decoder(int(decoder[i]))
        payload = packets.payload(i)
        context = Context(
            frame=int(packets.frame[i]),
            ts_ns=int(packets.ts_ns[i]),
            interface=int(packets.interface[i]),
            direction=int(packets.direction[i]),
            transport="udp",
            source=packets.source(i),
            destination=packets.destination(i),
            flow=int(flow[i]),
            forward=bool(forward[i]),
        )
        if code is Decoder.SOCKS_UDP:
            event = relayed_message(context, payload)
        elif code is Decoder.ICMP_ERROR:
            event = _quoted(context, payload)
        else:
            event = context, _decoded(code, payload, int(packets.payload_declared[i]))
        if event is not None:
            yield event


def _decoded(code: Decoder, payload: bytes, length: int) -> object:
    try:
        if code in _DECODE_CUT:
            return _DECODE_CUT[code](payload, length)
        return _DECODE[code](payload)
    except DecodeError as error:
        return error


def _quoted(context: Context, payload: bytes) -> tuple[Context, StunMessage] | None:
    try:
        quote = decode_icmp_quote(payload)
        if quote.protocol != 17 or len(quote.payload) < HEADER_SIZE:
            return None
        message = decode_stun(quote.payload)
    except DecodeError:
        return None  # quotes are cut, and of any protocol
    inner = context._replace(
        source=quote.source,
        destination=quote.destination,
        layers=(ICMP_QUOTE,),
        outer=(context.source, context.destination),
    )
    return inner, message
