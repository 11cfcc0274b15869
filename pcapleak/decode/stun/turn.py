"""TURN's data plane: ChannelData (RFC 8656 section 12.4)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from pcapleak.errors import DecodeError

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
        raise DecodeError("turn", "header", 0, f"0x{channel:04X} is no channel number")
    problems = []
    if channel > 0x4FFF:
        problems.append(f"channel 0x{channel:04X} is beyond RFC 8656's 0x4FFF")
    rest = len(data) - 4
    if length > rest:
        problems.append(f"cut short: {rest} of {length} bytes")
    elif rest != length and rest != length + 3 & ~3:
        problems.append(f"{rest - length} bytes after the data")
    return ChannelData(channel, data[4 : 4 + length], tuple(problems))
