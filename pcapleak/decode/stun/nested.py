"""Datagrams that STUN and TURN messages carry: the peer conversation inside."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pcapleak.decode.media.demux import Guess, demultiplex
from pcapleak.decode.stun import attributes as attr
from pcapleak.decode.stun.message import StunMessage
from pcapleak.values.packets import Endpoint


class Nested(NamedTuple):
    """A datagram inside a message."""

    carrier: Literal["turn-data", "dtls-in-stun"]
    data: bytes
    guess: Guess
    peer: Endpoint | None
    """The far end that a TURN message names; the near end is the relayed address."""
    to_peer: bool
    """Whether the datagram travels to the peer."""


def nested_in(message: StunMessage) -> Nested | None:
    """What a STUN message carries: DATA of TURN's indications (RFC 8656 section 11) and of
    [MS-TURN]'s requests, or libwebrtc's DTLS inside a check."""
    data = message.data
    if data is not None:
        peers = message.peer_addresses
        to_peer = message.method_name == "Send"
        guess = demultiplex(data)
        return Nested("turn-data", data, guess, peers[0] if peers else None, to_peer)
    data = message.raw(attr.META_DTLS_IN_STUN)
    if data:
        return Nested("dtls-in-stun", data, demultiplex(data), None, False)
    return None
