"""From the datagrams that some decoder wants to their messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, repeat

import numpy as np

from pcapleak.errors import DecodeError
from pcapleak.model import Bool, Context, Decoder, Endpoint, Int64, Packets, UInt8, address_of
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

_BY_PLACE = frozenset((Decoder.SOCKS_UDP, Decoder.ICMP_ERROR))
"""What is in them says where it was sent."""

_CODES = {int(code): code for code in Decoder}


UNDECODED = None
"""Stands in `messages` for a datagram whose decoding needs its place."""


def decode_datagrams(packets: Packets, decoder: UInt8) -> list[object]:
    """What is in each datagram some decoder wants: a message, an error, or `UNDECODED`."""
    messages: list[object] = []
    for row in np.flatnonzero(decoder).tolist():
        code = _CODES[int(decoder[row])]
        if code in _BY_PLACE:
            messages.append(UNDECODED)
        else:
            declared = int(packets.payload_declared[row])
            messages.append(_decoded(code, packets.payload(row), declared))
    return messages


def datagrams(
    packets: Packets,
    flow: Int64,
    forward: Bool,
    decoder: UInt8,
    messages: Iterable[object] = (),
) -> Iterator[Event]:
    """The messages of the datagrams some decoder wants, in capture order.

    This is the one place where a decode error of a datagram becomes data. STUN messages that
    ICMP errors quote have the layer `ICMP_QUOTE`: they were sent before, and refused.
    `messages` is what `decode_datagrams` gave, if that was done already.
    """
    known = chain(messages, repeat(UNDECODED))
    for code, context, payload, length in _wanted(packets, flow, forward, decoder):
        message = next(known)
        event: Event | None
        if message is not UNDECODED:
            event = context, message
        elif code is Decoder.SOCKS_UDP:
            event = relayed_message(context, payload)
        elif code is Decoder.ICMP_ERROR:
            event = _quoted(context, payload)
        else:
            event = context, _decoded(code, payload, length)
        if event is not None:
            yield event


def _wanted(
    packets: Packets, flow: Int64, forward: Bool, decoder: UInt8
) -> Iterator[tuple[Decoder, Context, bytes, int]]:
    """The decoder, the place, the payload and the payload's declared length of each datagram."""
    rows = np.flatnonzero(decoder)
    payloads = packets.data.data
    # Columns become Python numbers as a whole: one by one, an item takes ten times as long.
    for row in zip(
        *(
            column[rows].tolist()
            for column in (
                decoder,
                packets.frame,
                packets.ts_ns,
                packets.interface,
                packets.direction,
                packets.version,
                packets.source_hi,
                packets.source_lo,
                packets.source_port,
                packets.destination_hi,
                packets.destination_lo,
                packets.destination_port,
                flow,
                forward,
                packets.payload_offset,
                packets.payload_length,
                packets.payload_declared,
            )
        ),
        strict=True,
    ):
        code, frame, ts_ns, interface, direction, version, *rest = row
        source_hi, source_lo, source_port, far_hi, far_lo, far_port, *rest = rest
        number, is_forward, start, size, declared = rest
        context = Context(
            frame,
            ts_ns,
            interface,
            direction,
            "udp",
            Endpoint(address_of(version, source_hi, source_lo), source_port),
            Endpoint(address_of(version, far_hi, far_lo), far_port),
            number,
            is_forward,
        )
        yield _CODES[code], context, bytes(payloads[start : start + size]), declared


def _decoded(code: Decoder, payload: bytes, length: int) -> object:
    try:
        if code in _DECODE_CUT:
            return _DECODE_CUT[code](payload, length)
        return _DECODE[code](payload)
    except DecodeError as error:
        return error.kept()


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
