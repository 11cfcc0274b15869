"""What TURN and STUN messages carry: ChannelData (RFC 8656 section 12.4), the peer conversation
inside indications, DTLS inside checks."""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from pcapleak.decode.media.demux import Guess, demultiplex
from pcapleak.decode.stun import attributes as attr
from pcapleak.decode.stun.message import StunMessage
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Endpoint

_head = struct.Struct("!HH").unpack_from


class ChannelData(NamedTuple):
    """A datagram on a TURN channel."""

    channel: int
    data: bytes
    problems: tuple[str, ...] = ()


def decode_channel_data(data: bytes) -> ChannelData:
    """Decode the ChannelData message that `data` begins with.

    Channels 0x4000 to 0x7FFF are read: RFC 8656 ends them at 0x4FFF, older agents use more.
    Nothing in four bytes proves the protocol; use this only where TURN is known on the flow.

    Raises:
        DecodeError: fewer than four bytes, or no channel number.
    """
    if len(data) < 4:
        raise DecodeError("turn", "header", 0, f"{len(data)} bytes, a ChannelData header takes 4")
    channel, length = _head(data)
    if channel & 0xC000 != 0x4000:
        raise DecodeError("turn", "header", 0, f"0x{channel:04X} is not a channel number")
    problems = []
    if channel > 0x4FFF:
        problems.append(f"channel 0x{channel:04X} is beyond RFC 8656's 0x4FFF")
    rest = len(data) - 4
    if length > rest:
        problems.append(f"cut short: {rest} of {length} bytes")
    elif rest != length and rest != length + 3 & ~3:
        problems.append(f"{rest - length} bytes after the data")
    return ChannelData(channel, data[4 : 4 + length], tuple(problems))


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
