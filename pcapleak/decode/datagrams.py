"""From the datagrams that some decoder wants to their messages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pcapleak.decode.dns.message import DnsMessage, decode_dns
from pcapleak.decode.lan.ndp import RouterAdvertisement, sent_on_link
from pcapleak.decode.media.demux import demultiplex
from pcapleak.decode.messages import ICMP_QUOTE, Event, Message
from pcapleak.decode.stun.decoder import HEADER_SIZE, StunMessage, decode_stun
from pcapleak.decode.table import recognised_as
from pcapleak.decode.tunnels.socks import decode_socks_udp
from pcapleak.decode.web.quic import QuicHellos, QuicInitial
from pcapleak.dissect.icmp import IcmpQuote, decode_icmp_quotes
from pcapleak.errors import DecodeError
from pcapleak.values.packets import (
    Bool,
    Context,
    Decoder,
    Endpoint,
    FlowNumbers,
    Int64,
    PacketFlag,
    Packets,
    UInt8,
)
from pcapleak.values.registries import DNS_PORT, UDP

MAX_ENDS = 32_768
"""Flows whose endpoints are at hand: about 600 bytes each, so 20 MB."""

_new = tuple.__new__
"""Makes a named tuple of its fields, which its own constructor takes twice as long to do."""

_NO_LAYERS: tuple[str, ...] = ()


class Datagrams:
    """Gives the messages of datagrams their places."""

    def __init__(self, flows: FlowNumbers) -> None:
        self._flows = flows
        self._hellos = QuicHellos()
        self._ends: dict[int, tuple[Endpoint, Endpoint]] = {}
        """Orig and resp by flow id."""

    def update(self, packets: Packets, flow: Int64, forward: Bool, decoder: UInt8) -> list[Event]:
        """The messages of the datagrams some decoder wants, in capture order.

        This is the one place where a decode error of a datagram becomes data. STUN messages
        that ICMP errors quote have the layer `ICMP_QUOTE`: they were sent before, and refused.
        """
        events: list[Event] = []
        rows = np.flatnonzero(decoder)
        self._learn(packets, rows, flow, forward)
        payloads = packets.data.data
        columns = (
            decoder,
            packets.frame,
            packets.ts_ns,
            packets.interface,
            packets.direction,
            packets.encapsulation,
            flow,
            forward,
            packets.payload_offset,
            packets.payload_length,
            packets.payload_declared,
        )
        quotes = iter(self._quotes(packets, decoder))
        known_ends = self._ends.get
        # Columns become Python numbers as a whole: one by one, an item takes ten times as long.
        for (
            row, number, frame, ts_ns, interface, direction, carrier, flow_id, by_orig, start, size,
            declared,
        ) in zip(
            rows.tolist(), *[column[rows].tolist() for column in columns], strict=True
        ):  # fmt: skip
            ends = known_ends(flow_id)
            if ends is None:
                source, destination = packets.source(row), packets.destination(row)
            elif by_orig:
                source, destination = ends
            else:
                destination, source = ends
            place = (
                frame, ts_ns, interface, direction, "udp", source, destination, flow_id, by_orig,
                _NO_LAYERS, None, carrier,
            )  # fmt: skip
            context = _new(Context, place)
            if number == Decoder.ICMP_ERROR:
                events += _quoted(context, next(quotes))
                continue
            payload = bytes(payloads[start : start + size])
            decode, decode_cut, unwrap = _BY_CODE[number]
            if unwrap is not None:
                events += unwrap(context, payload)
                continue
            message: Message | DecodeError
            try:
                if decode_cut is not None:
                    message = decode_cut(payload, declared)
                else:
                    assert decode is not None
                    message = decode(payload)
            except DecodeError as error:
                message = _kept(error, size, declared)
            else:
                if isinstance(message, QuicInitial):
                    message = self._hellos.join(context, message)
                elif isinstance(message, RouterAdvertisement):
                    message = message._replace(valid=_is_valid(packets, row, payload))
            events.append((context, message))
        return events

    @staticmethod
    def _quotes(packets: Packets, decoder: UInt8) -> list[IcmpQuote | DecodeError]:
        rows = np.flatnonzero(decoder == Decoder.ICMP_ERROR)
        return decode_icmp_quotes([packets.payload(row) for row in rows.tolist()])

    def _learn(self, packets: Packets, rows: Int64, flow: Int64, forward: Bool) -> None:
        """Make the ends of flows that are not at hand, of as many as there is room for."""
        numbers = flow[rows]
        single = self._flows.single
        whole = packets.protocol[rows] == UDP
        if single is not None:
            whole &= numbers < single
        # Backwards, so that the first row of each flow stays.
        pairs = zip(numbers[whole][::-1].tolist(), rows[whole][::-1].tolist(), strict=True)
        asked = dict(pairs)
        known = self._ends
        wanted = [number for number in asked if number not in known][:MAX_ENDS]
        if len(known) + len(wanted) > MAX_ENDS:
            known.clear()
            wanted = list(asked)[:MAX_ENDS]
        at = np.array([asked[number] for number in wanted], np.int64)
        ways = zip(wanted, packets.ends(at), forward[at].tolist(), strict=True)
        for number, ends, by_orig in ways:
            known[number] = ends if by_orig else (ends[1], ends[0])


def _is_valid(packets: Packets, row: int, payload: bytes) -> bool:
    """Whether hosts take a router advertisement: none in fragments (RFC 6980 section 5)."""
    joined = packets.flags[row] & PacketFlag.REASSEMBLED.value
    ends = packets.source(row).address, packets.destination(row).address
    return not joined and sent_on_link(*ends, int(packets.hop_limit[row]), payload)


def _kept(error: DecodeError, size: int, length: int) -> DecodeError:
    if size >= length:
        return error.kept()
    # Not the sender's doing.
    why = f"{error.reason}; the capture keeps {size} of {length} bytes"
    return DecodeError(error.protocol, error.place, error.offset, why)


def _quoted(context: Context, quote: IcmpQuote | DecodeError) -> list[Event]:
    """The STUN message, or the answer of DNS, in the packet that an ICMP error quotes."""
    if isinstance(quote, DecodeError) or quote.protocol != UDP or len(quote.payload) < HEADER_SIZE:
        return []
    message: Message
    try:
        if quote.source.port == DNS_PORT:
            message = decode_dns(quote.payload)
        else:
            message = decode_stun(quote.payload)
    except DecodeError:
        return []  # quotes are cut, and of any protocol
    inner = context._replace(
        source=quote.source,
        destination=quote.destination,
        layers=(ICMP_QUOTE,),
        outer=(context.source, context.destination),
    )
    return [(inner, message)]


def unwrap_relayed(context: Context, payload: bytes) -> list[Event]:
    """The STUN or DNS message in a SOCKS 5 relay's datagram (RFC 1928 section 7), with the far
    end it names.

    Ten bytes shaped like the header prove nothing, so only a message that proves itself counts.
    """
    try:
        datagram = decode_socks_udp(payload)
        message = None if datagram.fragment else _proving_itself(datagram.port, datagram.payload)
    except DecodeError:
        return []
    if message is None:
        return []
    source, destination = context.source, context.destination
    if not isinstance(datagram.destination, str):
        far = Endpoint(datagram.destination, datagram.port)
        # The client speaks first; the relay answers in the same form.
        source, destination = (source, far) if context.forward else (far, destination)
    inner = context._replace(
        source=source,
        destination=destination,
        layers=(*context.layers, "socks"),
        outer=(context.source, context.destination),
    )
    return [(inner, message)]


def _proving_itself(port: int, data: bytes) -> StunMessage | DnsMessage | None:
    if port == DNS_PORT and len(data) >= 12:
        message = decode_dns(data)
        return message if message.questions and not message.problems else None
    guess = demultiplex(data)
    if guess.protocol != "stun" or guess.confidence == "medium":
        return None
    return decode_stun(data)


_Row = tuple[
    Callable[[bytes], Message] | None,
    Callable[[bytes, int], Message] | None,
    Callable[[Context, bytes], list[Event]] | None,
]
"""What decodes a datagram; or what unwraps messages of several protocols."""


def _row(code: Decoder) -> _Row:
    if code is Decoder.SOCKS_UDP:
        return None, None, unwrap_relayed
    protocol = recognised_as(code)
    return (protocol.decode, protocol.decode_cut, None) if protocol else (None, None, None)


_BY_CODE = {code.value: _row(code) for code in Decoder}
