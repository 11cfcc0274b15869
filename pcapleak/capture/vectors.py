"""Many packets as pcapng blocks at once: heads by column, packets from where they are.

writev(2) collects both, so no packet is copied or touched in Python, and the interpreter is free
for other threads while the kernel copies. Windows has no such call.
"""

from __future__ import annotations

import ctypes
import os
import sys

import numpy as np

from pcapleak.capture.blocks import PACKET
from pcapleak.capture.packet_options import FLAGS
from pcapleak.values.packets import Int64, RecordBatch, UInt32

MAX_VECTORS = 1024
"""IOV_MAX of Linux and macOS."""
_WORDS = 12
"""Of a gap: one of padding, four that end a packet's block (option, its value, end of options,
length), seven that begin the next (type, length, interface, time, captured, original)."""
_TAIL, _HEAD = 4, 20
"""Where those parts begin, in bytes."""


def write_packets(descriptor: int, batch: RecordBatch, numbers: UInt32) -> int:
    """Write a batch as enhanced packet blocks with a flags option each; gives the bytes written.

    `numbers` are the interfaces' in this section, a row each. Comments are not written.
    Raises `OSError`.
    """
    count = len(batch)
    if count == 0:
        return 0
    captured = batch.captured_length
    padding = -captured & 3
    total = captured + padding + 44
    gaps = np.zeros((count + 1, _WORDS), "<u4")
    head, tail = gaps[:-1, 5:], gaps[1:, 1:5]
    head[:, 0] = PACKET
    head[:, 1] = total
    head[:, 2] = numbers
    head[:, 3] = batch.ts_ns >> 32
    head[:, 4] = batch.ts_ns & 0xFFFF_FFFF
    head[:, 5] = captured
    head[:, 6] = batch.original_length
    tail[:, 0] = FLAGS | 4 << 16
    if batch.direction is not None:
        tail[:, 1] = batch.direction
    tail[:, 3] = total
    # struct iovec: where, and how many bytes. Gaps and packets take turns.
    vectors = np.empty((2 * count + 1, 2), np.int64)
    vectors[1::2, 0] = batch.data.ctypes.data + batch.offset
    vectors[1::2, 1] = captured
    gap = vectors[::2]
    gap[:, 0] = gaps.ctypes.data + np.arange(count + 1) * (_WORDS * 4)
    gap[:, 1] = _WORDS * 4
    skipped = np.append(_HEAD, _TAIL - padding)
    gap[:, 0] += skipped
    gap[:, 1] -= skipped
    gap[-1, 1] -= _WORDS * 4 - _HEAD
    _write(descriptor, vectors)
    return int(total.sum())


def _write(descriptor: int, vectors: Int64) -> None:
    if sys.platform == "win32":
        parts = [ctypes.string_at(start, size) for start, size in vectors.tolist()]
        rest = memoryview(b"".join(parts))
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        return
    libc = ctypes.CDLL(None, use_errno=True)
    at = 0
    while at < len(vectors):
        part = vectors[at : at + MAX_VECTORS]
        done = libc.writev(descriptor, ctypes.c_void_p(part.ctypes.data), len(part))
        if done < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        ends = np.cumsum(part[:, 1])
        whole = int(np.searchsorted(ends, done, "right"))
        at += whole
        if whole < len(part):
            rest = done - (int(ends[whole - 1]) if whole else 0)
            part[whole] += (rest, -rest)
