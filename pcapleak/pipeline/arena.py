"""Columns handed from one process to another through memory both of them have.

A pipe takes a megabyte in 16 pieces, for each of which a busy interpreter has to be waited for, and
each copy goes to fresh memory, which costs more than the copying.
"""

from __future__ import annotations

import mmap
import os
import pickle
from multiprocessing import reduction
from typing import Any, NamedTuple

_ALIGNED = 64


class Handed(NamedTuple):
    """A value on its way: `data` unpickles to it, with its columns where `spans` are."""

    data: bytes
    spans: list[tuple[int, int]]
    """Start and length in the arena."""


class Arena:
    """Room for values of other processes, in slots. A value whose columns do not fit comes whole.

    Can be given to a process that is being started. Linux has it; elsewhere, and without slots,
    every value comes whole.
    """

    def __init__(self, slots: int, slot_size: int) -> None:
        """Memory is taken as it is written: slots may be large."""
        self.slot_size = slot_size if hasattr(os, "memfd_create") else 0
        self._map: mmap.mmap | None = None
        if self.slot_size:
            self._fd = os.memfd_create("pcapleak")
            os.ftruncate(self._fd, slots * slot_size)
            self._map = mmap.mmap(self._fd, slots * slot_size)

    def __getstate__(self) -> tuple[int, Any]:
        return self.slot_size, reduction.DupFd(self._fd) if self.slot_size else None

    def __setstate__(self, state: tuple[int, Any]) -> None:
        self.slot_size, descriptor = state
        self._map = None
        if descriptor is not None:
            self._fd = descriptor.detach()
            self._map = mmap.mmap(self._fd, os.fstat(self._fd).st_size)

    def put(self, slot: int, value: object) -> Handed:
        """Make `value` ready to be handed over; what was in `slot` is lost."""
        buffers: list[pickle.PickleBuffer] = []
        data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        raw = [buffer.raw() for buffer in buffers]
        sizes = [each.nbytes + _ALIGNED - 1 & -_ALIGNED for each in raw]
        if self._map is None or sum(sizes) > self.slot_size:
            return Handed(pickle.dumps(value, protocol=5), [])
        spans: list[tuple[int, int]] = []
        at = slot * self.slot_size
        for each, size in zip(raw, sizes, strict=True):
            self._map[at : at + each.nbytes] = each
            spans.append((at, each.nbytes))
            at += size
        return Handed(data, spans)

    def get(self, handed: Handed) -> Any:
        """The value; its columns are good until its slot is used again."""
        view = memoryview(self._map or b"")
        columns = [view[start : start + size] for start, size in handed.spans]
        return pickle.loads(handed.data, buffers=columns)  # noqa: S301  from a process of ours

    def close(self) -> None:
        """Give the descriptor back; the memory goes with the last value in it."""
        if self.slot_size:
            os.close(self._fd)
