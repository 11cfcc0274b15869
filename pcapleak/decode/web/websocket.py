"""WebSocket frames (RFC 6455 section 5)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from pcapleak.errors import DecodeError

WebSocketKind = Literal["text", "binary"]

_OPCODES = frozenset((0, 1, 2, 8, 9, 10))


class WebSocketMessage(NamedTuple):
    """A whole message, put together from its frames, unmasked and decompressed."""

    kind: WebSocketKind
    payload: bytes


class FrameHeader(NamedTuple):
    """The header of a frame whose `length` bytes of payload follow."""

    final: bool
    compressed: bool
    """RSV1, which permessage-deflate uses (RFC 7692 section 6)."""
    opcode: int
    mask: bytes
    """Four bytes, or none."""
    length: int


def parse_frame_header(data: bytes) -> tuple[FrameHeader, int] | None:
    """The frame header that `data` begins with and how many bytes it took; None while it is
    not all there."""
    if len(data) < 2:
        return None
    opcode = data[0] & 15
    if opcode not in _OPCODES or data[0] & 0x30:
        raise DecodeError("websocket", "frame", 0, f"first byte {data[0]:#04x}")
    length = data[1] & 0x7F
    if opcode >= 8 and (length > 125 or not data[0] & 0x80):
        raise DecodeError("websocket", "frame", 0, "a control frame that is long or not final")
    at = 2
    if length >= 126:
        width = 2 if length == 126 else 8
        if len(data) < at + width:
            return None
        length = int.from_bytes(data[at : at + width], "big")
        at += width
        if length >> 63:
            raise DecodeError("websocket", "frame", 2, "a length above 63 bits")
    mask = b""
    if data[1] & 0x80:
        if len(data) < at + 4:
            return None
        mask = data[at : at + 4]
        at += 4
    return FrameHeader(bool(data[0] & 0x80), bool(data[0] & 0x40), opcode, mask, length), at


def unmask(payload: bytes, mask: bytes) -> bytes:
    """`payload` as it was before masking (RFC 6455 section 5.3)."""
    if not mask:
        return payload
    key = np.frombuffer((mask * (len(payload) // 4 + 1))[: len(payload)], np.uint8)
    return (np.frombuffer(payload, np.uint8) ^ key).tobytes()
