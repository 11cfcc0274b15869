"""TURN allocations: what lets the conversation inside TURN be seen with its own endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from pcapleak.decode.media.demux import demultiplex
from pcapleak.decode.stun.attributes import DATA, META_DTLS_IN_STUN
from pcapleak.decode.stun.decoder import StunMessage, decode_stun
from pcapleak.decode.stun.turn import ChannelData, nested_in
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Context, Endpoint

MAX_ALLOCATIONS = 10_000
"""Allocations followed: about 2 KB each with a few channels, 20 MB; the oldest goes first."""

MAX_CHANNELS = 256
"""Channels of one allocation: 4096 are legal; agents use a handful."""

MAX_ALL_CHANNELS = 100_000
"""Channels over all allocations, bound or asked for: about 250 bytes each, so 25 MB."""

_MAX_DEPTH = 2
"""A relay may be reached through a relay; deeper nesting is nobody's."""

_PLAIN_BINDING = frozenset((0x0001, 0x0011, 0x0101, 0x0111))
"""Message types of Binding: nearly all messages, and no business of a relay's."""

Inner = StunMessage | bytes
"""A nested STUN message, or the bytes of another protocol."""


class Allocation(Struct):
    """One client's allocation on one TURN server, by the flow that made it."""

    relayed: Endpoint | None = None
    mapped: Endpoint | None = None
    channels: dict[int, Endpoint] = field(default_factory=dict)
    requests: dict[bytes, tuple[int, Endpoint]] = field(default_factory=dict)
    """Channel binds that wait for their answer."""
    forward: bool = True
    """Whether the client sent first on the flow, as far as recorded."""


class RelayTable:
    """Learns allocations and channels from TURN messages, and unpacks what they carry.

    Keyed by flow id, so the same socket towards two servers is two allocations.
    """

    def __init__(self) -> None:
        self.allocations: dict[int, Allocation] = {}
        self.dropped = 0
        self._channels = 0

    def unpack(
        self, context: Context, message: StunMessage | ChannelData
    ) -> Iterable[tuple[Context, Inner]]:
        """Learn from `message`, then give the messages nested in it, outermost first.

        The inner context has the inner endpoints: the relayed address (the TURN server with
        port 0 where the allocation was not seen) and the peer; `outer` has the carrier's.
        """
        if (
            isinstance(message, StunMessage)
            and message.message_type in _PLAIN_BINDING
            and not (message.has(DATA) or message.has(META_DTLS_IN_STUN))
        ):
            return ()
        return self._unpack(context, message, 0)

    def carries(self, context: Context, message: ChannelData) -> bool:
        """Whether the channel was bound on the flow; without that nothing says it is TURN."""
        allocation = self.allocations.get(context.flow)
        return allocation is not None and message.channel in allocation.channels

    def _unpack(
        self, context: Context, message: StunMessage | ChannelData, depth: int
    ) -> Iterator[tuple[Context, Inner]]:
        if isinstance(message, StunMessage):
            self._learn(context, message)
            nested = nested_in(message)
            if nested is None:
                return
            data = nested.data
            if nested.carrier == "dtls-in-stun":
                layers = (*context.layers, nested.carrier)
                yield context._replace(layers=layers), data
                return
            if nested.peer is None:
                return
            peer, to_peer = nested.peer, nested.to_peer
        else:
            allocation = self.allocations.get(context.flow)
            if allocation is None or message.channel not in allocation.channels:
                return
            peer, data = allocation.channels[message.channel], message.data
            to_peer = context.forward == allocation.forward
        inner = self._inside(context, peer, to_peer)
        if demultiplex(data).protocol != "stun":
            yield inner, data
            return
        try:
            found = decode_stun(data)
        except DecodeError:
            yield inner, data
            return
        yield inner, found
        if depth < _MAX_DEPTH:
            yield from self._unpack(inner, found, depth + 1)

    def _inside(self, context: Context, peer: Endpoint, to_peer: bool) -> Context:
        server = context.destination if to_peer else context.source
        allocation = self.allocations.get(context.flow)
        relayed = allocation.relayed if allocation else None
        near = relayed or Endpoint(server.address, 0)
        source, destination = (near, peer) if to_peer else (peer, near)
        return context._replace(
            source=source,
            destination=destination,
            layers=(*context.layers, "turn"),
            outer=context.outer or (context.source, context.destination),
        )

    def _learn(self, context: Context, message: StunMessage) -> None:
        flow = context.flow
        kind, method = message.message_class, message.method_name
        if method == "Allocate" and kind == "success":
            allocation = self._allocation(flow)
            allocation.relayed = message.relayed_address or allocation.relayed
            allocation.mapped = message.mapped_address or allocation.mapped
        elif method == "ChannelBind":
            self._bind(context, message)

    def _bind(self, context: Context, message: StunMessage) -> None:
        """A bind counts once it is answered; a capture of one direction has no answer, so the
        request's word is taken until an error takes it back."""
        allocation = self._allocation(context.flow)
        if message.message_class == "request":
            allocation.forward = context.forward
            channel, peers = message.channel_number, message.peer_addresses
            if channel is None or not peers or len(allocation.channels) >= MAX_CHANNELS:
                return
            if channel not in allocation.channels:
                if self._channels >= MAX_ALL_CHANNELS:
                    self.dropped += 1
                    return
                self._channels += 1
            allocation.channels[channel] = peers[0]
            if len(allocation.requests) >= MAX_CHANNELS:
                del allocation.requests[next(iter(allocation.requests))]
            allocation.requests[message.transaction_id] = (channel, peers[0])
        elif message.message_class == "error":
            channel, peer = allocation.requests.pop(message.transaction_id, (-1, None))
            if peer is not None and allocation.channels.get(channel) == peer:
                del allocation.channels[channel]
                self._channels -= 1

    def _allocation(self, flow: int) -> Allocation:
        allocation = self.allocations.get(flow)
        if allocation is None:
            if len(self.allocations) >= MAX_ALLOCATIONS:
                oldest = self.allocations.pop(next(iter(self.allocations)))
                self._channels -= len(oldest.channels)
                self.dropped += 1
            allocation = self.allocations[flow] = Allocation()
        return allocation
