"""STUN messages (RFC 8489), with TURN, ICE, RFC 3489 and the vendors' dialects.

`decode_stun` walks the attributes once and keeps the bytes; every view of a message is
derived when asked for. A message is read as far as it can be: what is wrong with it stands
in `problems`, and only bytes that are no STUN message at all raise `DecodeError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise

from pcapleak.decode.stun.attributes import attribute_name
from pcapleak.decode.stun.message import MS_TURN_START, RawAttribute, StunMessage
from pcapleak.decode.stun.types import MS_TURN_TYPES
from pcapleak.errors import DecodeError
from pcapleak.values.registries import COOKIE

__all__ = ["HEADER_SIZE", "MULTIPLEXED", "RawAttribute", "StunMessage", "decode_stun"]

HEADER_SIZE = 20

MULTIPLEXED = 0xFF10
"""What Microsoft's relays begin datagrams with that belong to a session: this, a length and the
session's 8 bytes stand before the message ([MS-TURN]). Over TCP, too."""

_CLASSIC_TYPES = frozenset({0x0001, 0x0101, 0x0111, 0x0002, 0x0102, 0x0112})

_header = struct.Struct("!HHI").unpack_from
_head = struct.Struct("!HH").unpack_from
_new = tuple.__new__

_COOKIE_WORD = int.from_bytes(COOKIE, "big")

_Layout = tuple[
    Callable[[bytes], tuple[int, ...]], tuple[int, ...], tuple[int, ...], dict[int, int]
]
"""How to read all attribute heads at once, what they are, and what a walk along them gives."""

_layouts: dict[int, list[_Layout]] = {}
"""Layouts by size and type of the message: an agent's messages are alike, and comparing heads
is cheaper than walking them. Only speed depends on what is remembered."""

_MAX_LAYOUTS, _MAX_ALIKE, _MAX_PARTS = 512, 4, 32
"""Both roles and a nomination make layouts of one size and type. With 32 attributes of about 200
bytes each: 13 MB, of usual messages a hundredth of that."""


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
    message_type, length, cookie = _header(data)
    end = HEADER_SIZE + length
    if end == size and cookie == _COOKIE_WORD:
        for heads, expected, offsets, first in _layouts.get(end << 16 | message_type, ()):
            if heads(data) == expected:
                return _new(StunMessage, (data, message_type, offsets, first, ()))
    if message_type & 0xC000:
        if message_type == MULTIPLEXED and data[16:20] == COOKIE and data[12] < 0x40:
            return decode_stun(data[12:])
        raise DecodeError("stun", "header", 0, "the two top bits are not zero")
    if cookie != _COOKIE_WORD:
        return _decode_classic(data, message_type, end)

    problems: list[str] = []
    if end > size:
        problems.append(f"cut short: {size} of {end} bytes")
    elif end < size:
        problems.append(f"{size - end} bytes after the message")
        data = data[:end]
    found, first, at = _walk(data, 3)
    if at == len(data):
        if not problems:
            _remember(data, message_type, tuple(found), first)
    elif data[20:28] == MS_TURN_START and (unpadded := _walk(data, 0))[2] == len(data):
        found, first, _ = unpadded
    else:
        problems += _ending_problems(data, found, at)
    return StunMessage(data, message_type, tuple(found), first, tuple(problems))


def _remember(
    data: bytes, message_type: int, offsets: tuple[int, ...], first: dict[int, int]
) -> None:
    if len(offsets) > _MAX_PARTS or len(_layouts) >= _MAX_LAYOUTS:
        return
    alike = _layouts.setdefault(len(data) << 16 | message_type, [])
    if len(alike) < _MAX_ALIKE:
        places = struct.Struct(
            f"!{HEADER_SIZE}x"
            + "".join(f"I{stop - 4 - at}x" for at, stop in pairwise((*offsets, len(data) + 4)))
        )
        alike.append((places.unpack_from, places.unpack(data), offsets, first))


def _walk(data: bytes, padding: int) -> tuple[list[int], dict[int, int], int]:
    """Offsets of the values, of the first of each type, and where the last attribute ends:
    the message's end if all is well. `padding` is 3 where values are padded to four bytes, 0
    where they are not."""
    at, end, mask = HEADER_SIZE, len(data) - 4, ~padding
    offsets: list[int] = []
    first: dict[int, int] = {}
    while at <= end:
        type_, length = _head(data, at)
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
        return [f"{end - at} bytes at byte {at} are not an attribute"]
    last = offsets[-1]
    type_, length = _head(data, last - 4)
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
