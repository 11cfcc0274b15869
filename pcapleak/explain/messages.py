"""Messages of a capture one by one, in capture order, as `pcapleak decode` prints them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

from msgspec import Struct, field

from pcapleak.capture import open_timeline
from pcapleak.decode.datagrams import Datagrams
from pcapleak.decode.dns.message import DnsMessage
from pcapleak.decode.media.demux import Protocol as MediaProtocol
from pcapleak.decode.media.demux import demultiplex
from pcapleak.decode.media.dtls import DtlsHello, decode_dtls
from pcapleak.decode.media.rtp import RtcpPacket, RtpPacket, decode_rtp
from pcapleak.decode.messages import ICMP_QUOTE, Event, Message, Signalling
from pcapleak.decode.streams.tcp import TcpStreams
from pcapleak.decode.stun.decoder import HEADER_SIZE, StunMessage
from pcapleak.decode.stun.proof import prove
from pcapleak.decode.stun.turn import ChannelData
from pcapleak.decode.table import (
    DHCP,
    DNS,
    DTLS,
    IKE,
    OPENVPN,
    PROTOCOLS,
    QUIC,
    SIP,
    STUN,
    TURN,
    WIREGUARD,
    protocol_of,
)
from pcapleak.dissect import Dissector, recognise
from pcapleak.errors import DecodeError
from pcapleak.explain.credentials import Credential, Credentials
from pcapleak.explain.text import JsonValue, message_fields, summarise
from pcapleak.explain.transactions import Transaction, TransactionTable
from pcapleak.report.text import iso_time
from pcapleak.track.flows.table import FlowTable
from pcapleak.track.relays import RelayTable
from pcapleak.values.packets import Context, Endpoint, Interface
from pcapleak.values.registries import MDNS_PORT

WORDS = tuple(
    dict.fromkeys(
        (*(protocol.name for protocol in PROTOCOLS), *get_args(MediaProtocol), "malformed")
    )
)
"""The words that choose messages."""

Found = tuple[Context, Message | DecodeError | bytes]
"""An `Event`, or the bytes of another protocol inside a message."""


class DecodedMessage(Struct, frozen=True):
    """One message in words."""

    protocol: str
    """One of `WORDS`."""
    summary: str
    fields: dict[str, JsonValue]
    problems: tuple[str, ...] = ()
    frame: int | None = None
    ts_ns: int | None = None
    transport: str | None = None
    source: Endpoint | None = None
    destination: Endpoint | None = None
    layers: tuple[str, ...] = ()
    outer: tuple[Endpoint, Endpoint] | None = None
    notes: dict[str, JsonValue] = field(default_factory=dict)
    """What other messages add: the request answered, the round-trip time."""

    def line(self) -> str:
        """The message on one line."""
        parts = []
        if self.frame is not None and self.ts_ns is not None:
            parts = [str(self.frame), iso_time(self.ts_ns)[11:-4]]
        if self.source and self.destination:
            parts.append(f"{self.source} → {self.destination}")
        parts.append("/".join((*filter(None, [self.transport]), *self.layers, self.protocol)))
        parts.append(self.summary)
        parts += [f"[{name.replace('_', ' ')} {value}]" for name, value in self.notes.items()]
        parts += [f"[{problem}]" for problem in self.problems]
        return "  ".join(parts)

    def to_json(self) -> dict[str, JsonValue]:
        """The message as an object; absent facts are left out."""
        found: dict[str, JsonValue] = {}
        if self.frame is not None and self.ts_ns is not None:
            found |= {"frame": self.frame, "time": iso_time(self.ts_ns), "time_ns": self.ts_ns}
        found["protocol"] = self.protocol
        for name, value in (
            ("transport", self.transport),
            ("source", self.source),
            ("destination", self.destination),
        ):
            if value is not None:
                found[name] = str(value)
        if self.layers:
            found["layers"] = list(self.layers)
        if self.outer:
            found["outer"] = {"source": str(self.outer[0]), "destination": str(self.outer[1])}
        found["summary"] = self.summary
        found |= self.notes
        found["problems"] = list(self.problems)
        found["message"] = self.fields
        return found


def decode_capture(
    path: str | Path,
    wanted: frozenset[str] = frozenset(),
    *,
    credential: Credential | None = None,
    transactions: TransactionTable | None = None,
) -> Iterator[DecodedMessage]:
    """The messages of a capture in capture order; those of `wanted` protocols, or all.

    What TURN carries follows its carrier, with its own endpoints; messages that ICMP errors
    quote have the layer `icmp-quote`. Each STUN message that has an integrity attribute notes
    whether that was made with the `credential`'s password or, without one, with the passwords
    that signalling showed. `transactions`, if given, afterwards tells which requests had no
    answer.

    Raises:
        CaptureError: as `open_capture`.
    """
    if transactions is None:
        transactions = TransactionTable()
    credentials = Credentials(credential)
    for context, message in read_messages(path):
        described = _describe(context, message, transactions, credentials)
        if not wanted or described.protocol in wanted:
            yield described


def read_messages(
    paths: str | Path | Sequence[str | Path], *, interfaces: list[Interface] | None = None
) -> Iterator[Found]:
    """The decoded values themselves, each with where it came from; several captures as one
    timeline. Contexts number the interfaces, which are put into `interfaces`.

    Raises:
        CaptureError: as `open_capture`.
    """
    flows, streams, relays = FlowTable(), TcpStreams(), RelayTable()
    datagrams = Datagrams(flows)
    files = [paths] if isinstance(paths, str | Path) else paths
    with open_timeline(files, interfaces=interfaces) as (sources, batches):
        dissector = Dissector(sources[0].interfaces)
        for batch in batches:
            packets = dissector.dissect(batch)
            flow, forward = flows.update(packets)
            services, decoder = recognise(packets)
            flows.mark(flow, services)
            events: list[Event] = [
                *datagrams.update(packets, flow, forward, decoder),
                *streams.update(packets, flow, forward, flows),
            ]
            events.sort(key=lambda event: event[0].frame)
            for context, message in events:
                yield from _opened(relays, context, message)


def _opened(
    relays: RelayTable, context: Context, message: Message | DecodeError
) -> Iterator[Found]:
    """A message and what TURN carries inside it; no ChannelData where no channel was bound."""
    if isinstance(message, ChannelData) and not relays.carries(context, message):
        return
    yield context, message
    if isinstance(message, StunMessage | ChannelData) and ICMP_QUOTE not in context.layers:
        yield from relays.unpack(context, message)


def _describe(
    context: Context,
    message: Message | DecodeError | bytes,
    transactions: TransactionTable,
    credentials: Credentials,
) -> DecodedMessage:
    if isinstance(message, bytes):
        return _describe_bytes(context, message)
    notes: dict[str, JsonValue] = {}
    if isinstance(message, Signalling):
        credentials.learn(message)
    if isinstance(message, StunMessage) and ICMP_QUOTE not in context.layers:
        notes = _notes(context, transactions.add(context, message))
        if proof := credentials.prove(context, message):
            notes["integrity"] = proof
    if isinstance(message, DnsMessage) and _is_legacy_query(context, message):
        notes["legacy_unicast"] = True
    malformed = isinstance(message, DecodeError)
    return DecodedMessage(
        "malformed" if isinstance(message, DecodeError) else protocol_of(message).name,
        summarise(message),
        {} if malformed else message_fields(message),
        getattr(message, "problems", ()),
        context.frame,
        context.ts_ns,
        context.transport,
        context.source,
        context.destination,
        context.layers,
        context.outer,
        notes,
    )


def _is_legacy_query(context: Context, message: DnsMessage) -> bool:
    """Whether a multicast query wants its answer sent to itself alone: RFC 6762 section 6.7."""
    if message.protocol != "mdns":
        return False
    return not message.is_response and context.source.port != MDNS_PORT


def _describe_bytes(context: Context, data: bytes) -> DecodedMessage:
    """A datagram inside a message that is no STUN: named by its first bytes."""
    guess = demultiplex(data)
    protocol, summary = guess.protocol, f"{len(data)} bytes"
    fields: dict[str, JsonValue] = {
        "confidence": guess.confidence,
        "reason": guess.reason,
        "length": len(data),
    }
    if protocol in _NESTED:
        try:
            message = _NESTED[protocol](data)
        except DecodeError:
            pass  # records other than hellos are encrypted, or parts of the handshake
        else:
            summary, fields = summarise(message), message_fields(message)
    return DecodedMessage(
        protocol,
        summary,
        fields,
        frame=context.frame,
        ts_ns=context.ts_ns,
        transport=context.transport,
        source=context.source,
        destination=context.destination,
        layers=context.layers,
        outer=context.outer,
    )


def _notes(context: Context, transaction: Transaction | None) -> dict[str, JsonValue]:
    """What the transaction adds to this message of it."""
    if transaction is None or not transaction.sends:
        return {}
    first = transaction.sends[0][0]
    if transaction.response_frame == context.frame:
        notes: dict[str, JsonValue] = {"answers_frame": first}
        if transaction.round_trip_ns is not None:
            notes["round_trip_ms"] = round(transaction.round_trip_ns / 1e6, 3)
        return notes
    if first == context.frame:
        return {}
    return {"retransmits_frame": first} | (
        {"timers": transaction.timers} if transaction.timers else {}
    )


_Alone = Message | RtpPacket | RtcpPacket

_NESTED: dict[str, Callable[[bytes], DtlsHello | RtpPacket | RtcpPacket]] = {
    "dtls": decode_dtls,
    "rtp": decode_rtp,
    "rtcp": decode_rtp,
}
_BY_NAME: dict[str, Callable[[bytes], _Alone]] = {
    **{protocol.name: protocol.decode for protocol in PROTOCOLS if protocol.decode is not None},
    "rtp": decode_rtp,
}
_GUESSED = (STUN, SIP, WIREGUARD, DTLS, QUIC, DHCP, IKE, DNS, OPENVPN, TURN)
"""Surest first: a decoder that refuses most of what is not its own goes before the others."""


def decode_hex(
    text: str, protocol: str | None = None, *, credential: Credential | None = None
) -> DecodedMessage:
    """Decode one message pasted as hexadecimal: spaces, colons and `0x` are ignored.

    Without `protocol` the decoders are tried, the strictest first. `credential` proves a STUN
    message's integrity.

    Raises:
        DecodeError: no hexadecimal, or no decoder takes it; with `protocol`, its refusal.
    """
    digits = re.sub(r"0[xX]|[\s:,-]", "", text)
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        bad = re.search(r"[^0-9a-fA-F]", digits)
        at = bad.start() if bad else len(digits)
        reason = (
            f"{bad.group()!r} is not a hexadecimal digit" if bad else "half a byte is left over"
        )
        raise DecodeError("hex", "digit", at, reason) from None
    if protocol is not None:
        if protocol not in _BY_NAME:
            raise DecodeError("hex", "protocol", 0, f"one of {', '.join(_BY_NAME)} is needed")
        return _alone(protocol, _BY_NAME[protocol](data), credential)
    refusals = []
    for guessed in _GUESSED:
        name = guessed.name
        try:
            message = _BY_NAME[name](data)
        except DecodeError as error:
            refusals.append(error)
            continue
        # Half of all bytes are one of these, but for what is wrong with them.
        if not (isinstance(message, DnsMessage | ChannelData) and message.problems):
            return _alone(name, message, credential)
    if len(data) < HEADER_SIZE:
        raise refusals[0]
    raise DecodeError("hex", "message", 0, "no protocol is known by these bytes")


def _alone(protocol: str, message: _Alone, credential: Credential | None) -> DecodedMessage:
    notes: dict[str, JsonValue] = {}
    if isinstance(message, StunMessage) and credential is not None:
        password, username, realm = credential
        proof = prove(message, password, username=username, realm=realm)
        notes = {"integrity": proof or "absent"}
    problems: tuple[str, ...] = getattr(message, "problems", ())
    fields = message_fields(message)
    return DecodedMessage(protocol, summarise(message), fields, problems, notes=notes)
