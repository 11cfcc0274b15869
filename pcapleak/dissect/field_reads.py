"""Fixed-size reads at many offsets of one byte buffer at once.

Offsets must leave the size read inside the buffer: a record batch promises 128 readable bytes
past its last record, and every caller keeps its offsets at or before a record's end.
"""

from __future__ import annotations

import numpy as np

from pcapleak.values.packets import Bytes, Int64, UInt8, UInt16, UInt32, UInt64


def take(data: Bytes, offset: Int64, size: int) -> Bytes:
    """`size` bytes at each offset, as an array of shape (len(offset), size).

    One memcpy a row: ten times faster than two-dimensional indexing.
    """
    windows = np.ndarray((len(data) - size + 1,), f"V{size}", data, 0, (1,))
    rows: Bytes = windows[offset].view(np.uint8).reshape(len(offset), size)
    return rows


def pick(rows: Bytes, chosen: Int64) -> Bytes:
    """The `chosen` rows of what `take` gave, again one memcpy a row."""
    size = rows.shape[1]
    picked: Bytes = rows.view(f"V{size}")[chosen, 0].view(np.uint8).reshape(len(chosen), size)
    return picked


def take_u8(data: Bytes, offset: Int64) -> UInt8:
    """The byte at each offset."""
    return data[offset]


def take_u16(data: Bytes, offset: Int64) -> UInt16:
    """The big-endian 16-bit word at each offset."""
    words = np.ndarray((len(data) - 1,), ">u2", data, 0, (1,))
    return words[offset].astype(np.uint16)


def take_address(data: Bytes, offset: Int64) -> UInt64:
    """The link-layer address of 48 bits at each offset, as a number."""
    words = np.ndarray((len(data) - 7,), ">u8", data, 0, (1,))
    return words[offset].astype(np.uint64) >> np.uint64(16)


def take_u32(data: Bytes, offset: Int64) -> UInt32:
    """The big-endian 32-bit word at each offset."""
    words = np.ndarray((len(data) - 3,), ">u4", data, 0, (1,))
    return words[offset].astype(np.uint32)
