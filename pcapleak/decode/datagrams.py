"""From the datagrams that some decoder wants to their messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from pcapleak.decode.dns.message import decode_dns
from pcapleak.decode.lan.dhcp import decode_dhcp
from pcapleak.decode.lan.ndp import decode_router_advertisement
from pcapleak.decode.media.dtls import decode_dtls
from pcapleak.decode.stun.decoder import HEADER_SIZE, StunMessage, decode_stun
from pcapleak.decode.stun.turn import decode_channel_data
from pcapleak.decode.tunnels.ike import decode_ike
from pcapleak.decode.tunnels.openvpn import decode_openvpn
from pcapleak.decode.tunnels.socks_relay import relayed_message
from pcapleak.decode.tunnels.wireguard import decode_wireguard
from pcapleak.decode.web.quic import decode_quic
from pcapleak.decode.web.sip import decode_sip
from pcapleak.dissect.icmp import decode_icmp_quote
from pcapleak.errors import DecodeError
from pcapleak.track.flows.table import FlowTable
from pcapleak.values.packets import Bool, Context, Decoder, Endpoint, Int64, Packets, UInt8

Event = tuple[Context, object]

UDP = 17

MAX_ENDS = 32_768
"""Flows whose endpoints are at hand: about 600 bytes each, so 20 MB."""

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

_CODES = {int(code): code for code in Decoder}


class Datagrams:
    """Gives the messages of datagrams their places."""

    def __init__(self, flows: FlowTable) -> None:
        self._flows = flows
        self._ends: dict[int, tuple[Endpoint, Endpoint]] = {}
        """Orig and resp by flow id."""

    def update(self, packets: Packets, flow: Int64, forward: Bool, decoder: UInt8) -> list[Event]:
        """The messages of the datagrams some decoder wants, in capture order.

        This is the one place where a decode error of a datagram becomes data. STUN messages
        that ICMP errors quote have the layer `ICMP_QUOTE`: they were sent before, and refused.
        """
        events: list[Event] = []
        rows = np.flatnonzero(decoder)
        payloads = packets.data.data
        columns = (
            decoder,
            packets.frame,
            packets.ts_ns,
            packets.interface,
            packets.direction,
            flow,
            forward,
            packets.payload_offset,
            packets.payload_length,
            packets.payload_declared,
        )
        # Columns become Python numbers as a whole: one by one, an item takes ten times as long.
        for row, number, frame, ts_ns, interface, direction, flow_id, by_orig, *rest in zip(
            rows.tolist(), *(column[rows].tolist() for column in columns), strict=True
        ):
            start, size, declared = rest
            ends = self._ends.get(flow_id) or self._learn(packets, row, flow_id, by_orig)
            source, destination = ends if by_orig else (ends[1], ends[0])
            context = Context(
                frame, ts_ns, interface, direction, "udp", source, destination, flow_id, by_orig
            )
            payload = bytes(payloads[start : start + size])
            code = _CODES[number]
            event: Event | None
            if code is Decoder.SOCKS_UDP:
                event = relayed_message(context, payload)
            elif code is Decoder.ICMP_ERROR:
                event = _quoted(context, payload)
            else:
                event = context, _decoded(code, payload, declared)
            if event is not None:
                events.append(event)
        return events

    def _learn(
        self, packets: Packets, row: int, flow: int, forward: bool
    ) -> tuple[Endpoint, Endpoint]:
        source, destination = packets.source(row), packets.destination(row)
        ends = (source, destination) if forward else (destination, source)
        single = self._flows.single
        if (single is None or flow < single) and packets.protocol[row] == UDP:
            if len(self._ends) >= MAX_ENDS:
                self._ends.clear()
            self._ends[flow] = ends
        return ends


def _decoded(code: Decoder, payload: bytes, length: int) -> object:
    try:
        if code in _DECODE_CUT:
            return _DECODE_CUT[code](payload, length)
        return _DECODE[code](payload)
    except DecodeError as error:
        if len(payload) < length:
            # Not the sender's doing.
            why = f"{error.reason}; the capture keeps {len(payload)} of {length} bytes"
            return DecodeError(error.protocol, error.place, error.offset, why)
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
