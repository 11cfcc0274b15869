"""STUN messages (RFC 8489), with TURN, ICE, RFC 3489 and the vendors' dialects.

`decode_stun` walks the attributes once and keeps the bytes; every view of a message is
derived when asked for. A message is read as far as it can be: what is wrong with it stands
in `problems`, and only bytes that are no STUN message at all raise `DecodeError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise

from pcapleak.errors import DecodeError
from pcapleak.protocols.stun_attributes import attribute_name
from pcapleak.protocols.stun_message import (
    COOKIE,
    MS_TURN_START,
    RawAttribute,
    StunMessage,
)
from pcapleak.protocols.stun_types import MS_TURN_TYPES

__all__ = ["HEADER_SIZE", "RawAttribute", "StunMessage", "decode_stun"]

HEADER_SIZE = 20

_MULTIPLEXED = 0xFF10
"""What Microsoft's relays begin datagrams with that belong to a session: this, a length and the
session's 8 bytes stand before the message ([MS-TURN])."""

_CLASSIC_TYPES = frozenset({0x0001, 0x0101, 0x0111, 0x0002, 0x0102, 0x0112})

_u16_pair = struct.Struct("!HH").unpack_from

_Layout = tuple[
    Callable[[bytes], tuple[int, ...]], tuple[int, ...], tuple[int, ...], dict[int, int]
]
"""How to read all attribute heads at once, what they are, and what a walk along them gives."""

_layouts: dict[int, _Layout] = {}
"""Layouts by size and type of the message: an agent's messages are alike, and comparing heads
is cheaper than walking them. Only speed depends on what is remembered."""

_MAX_LAYOUTS, _MAX_PARTS = 1024, 32
"""At most 32 attributes of about 200 bytes each: 7 MB."""


def decode_stun(data: bytes) -> StunMessage:
    """Decode the STUN message that `data` begins with.

    With the magic cookie at its place, lengths are read leniently: a message cut short, bytes
    after it, and missing padding are problems of the message. Without it, only what strictly
    follows RFC 3489 or [MS-TURN] is a message.

    Raises:
        DecodeError: `data` is no STUN message.
    """
    size = len(data)
    if size < HEADER_SIZE:
        raise DecodeError("stun", "header", 0, f"{size} bytes, a header takes 20")
    message_type, length = _u16_pair(data)
    if message_type & 0xC000:
        if message_type == _MULTIPLEXED and data[16:20] == COOKIE and data[12] < 0x40:
            return decode_stun(data[12:])
        raise DecodeError("stun", "header", 0, "the two top bits are not zero")
    end = HEADER_SIZE + length
    if data[4:8] != COOKIE:
        return _decode_classic(data, message_type, end)

    problems: list[str] = []
    if end != size:
        if end > size:
            problems.append(f"cut short: {size} of {end} bytes")
            end = size
        else:
            problems.append(f"{size - end} bytes after the message")
            data = data[:end]
    known = _layouts.get(end << 16 | message_type)
    if known is not None:
        heads, expected, offsets, first = known
        if heads(data) == expected:
            return StunMessage(data, message_type, offsets, first, tuple(problems))
    found, first, at = _walk(data, 3)
    if at != end:
        if data[20:28] == MS_TURN_START and (unpadded := _walk(data, 0))[2] == end:
            found, first, _ = unpadded
        else:
            problems += _ending_problems(data, found, at)
    offsets = tuple(found)
    if known is None and at == end and len(offsets) <= _MAX_PARTS and len(_layouts) < _MAX_LAYOUTS:
        _layouts[end << 16 | message_type] = _layout(data, offsets, first)
    return StunMessage(data, message_type, offsets, first, tuple(problems))


def _layout(data: bytes, offsets: tuple[int, ...], first: dict[int, int]) -> _Layout:
    places = struct.Struct(
        f"!{HEADER_SIZE}x"
        + "".join(f"HH{stop - 4 - at}x" for at, stop in pairwise((*offsets, len(data) + 4)))
    )
    return places.unpack_from, places.unpack(data), offsets, first


def _walk(data: bytes, padding: int) -> tuple[list[int], dict[int, int], int]:
    """Offsets of the values, of the first of each type, and where the last attribute ends:
    the message's end if all is well. `padding` is 3 where values are padded to four bytes, 0
    where they are not."""
    at, end, mask = HEADER_SIZE, len(data) - 4, ~padding
    offsets: list[int] = []
    first: dict[int, int] = {}
    while at <= end:
        type_, length = _u16_pair(data, at)
        at += 4
        offsets.append(at)
        if type_ not in first:
            first[type_] = at
        at += length + padding & mask
    return offsets, first, at


def _ending_problems(data: bytes, offsets: list[int], at: int) -> list[str]:
    """Why the attributes do not end where the message does."""
    end = len(data)
    if at < end:
        return [f"{end - at} bytes at byte {at} are no attribute"]
    last = offsets[-1]
    type_, length = _u16_pair(data, last - 4)
    if last + length <= end:
        return [f"attribute {attribute_name(type_)} at byte {last} is not padded"]
    missing = last + length - end
    return [f"attribute {attribute_name(type_)} at byte {last} lacks {missing} of {length} bytes"]


def _decode_classic(data: bytes, message_type: int, end: int) -> StunMessage:
    """A message without cookie, if nothing about it is odd: strangers' bytes that begin with
    a zero are common, so every one must be accounted for."""

    def refuse(offset: int, why: str) -> DecodeError:
        return DecodeError("stun", "header", offset, f"no magic cookie, and not RFC 3489: {why}")

    is_ms_turn = data[20:28] == MS_TURN_START
    if message_type not in (MS_TURN_TYPES if is_ms_turn else _CLASSIC_TYPES):
        raise refuse(0, f"type 0x{message_type:04X}")
    if end != len(data):
        raise refuse(2, f"{end - HEADER_SIZE} bytes announced, {len(data) - HEADER_SIZE} there")
    offsets, first, at = _walk(data, 0)
    if at != end:
        raise refuse(offsets[-1] if offsets else HEADER_SIZE, "the attributes end elsewhere")
    message = StunMessage(data, message_type, tuple(offsets), first)
    for attribute in message.attributes:
        if message.kind(attribute.type) is None:
            raise refuse(attribute.offset - 4, f"attribute {attribute.name}")
        message.decode(attribute)
    return message
