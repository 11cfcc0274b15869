"""The packets around each finding, kept from before it happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

import numpy as np

from pcapleak.capture.writer import PcapngWriter
from pcapleak.model import Bool, Direction, Int64, Interface, RecordBatch

MAX_HELD = 64 << 20
"""Bytes of packets held for what comes before a finding: `pre` is cut short beyond it."""
MAX_WRITTEN = 1 << 30
"""Bytes of evidence after which no more is written."""


class Held(NamedTuple):
    """A batch that may yet turn out to be evidence."""

    batch: RecordBatch
    written: Bool
    last_ns: int


class EvidenceFile:
    """A pcapng of the packets from `pre_ns` before to `post_ns` after those of findings.

    Give each batch to `add`, and after each judgement the frames that are evidence to `mark`.
    """

    def __init__(
        self, file: BinaryIO, interfaces: list[Interface], pre_ns: int, post_ns: int
    ) -> None:
        self._file = file
        self._interfaces = interfaces
        self._pre_ns = pre_ns
        self._post_ns = post_ns
        self._writer = PcapngWriter(
            file, comment="Packets around the findings of a watch; comments name the findings."
        )
        file.flush()
        self._held: deque[Held] = deque()
        self._bytes = 0
        self._written = 0
        self._windows: list[tuple[int, int]] = []
        self._marked: set[int] = set()
        self.cut = False
        """Some packets are missing, because there were more than the bounds hold."""

    def add(self, batch: RecordBatch) -> None:
        """Hold a batch until it is too old to come before a finding."""
        self._held.append(
            Held(batch, np.zeros(len(batch), np.bool_), int(batch.ts_ns.max(initial=0)))
        )
        self._bytes += int(batch.captured_length.sum())
        newest = self._held[-1].last_ns
        while len(self._held) > 1 and (
            self._bytes > MAX_HELD or self._held[0].last_ns < newest - self._pre_ns - self._post_ns
        ):
            if self._held[0].last_ns >= newest - self._pre_ns:
                self.cut = True
            self._bytes -= int(self._held.popleft().batch.captured_length.sum())

    def mark(self, comments: Mapping[int, str]) -> None:
        """Write what is evidence by now: `comments` says of which frames it is, and for what."""
        fresh = [frame for frame in comments if frame not in self._marked]
        if fresh:
            self._open_windows(np.array(fresh, np.int64))
        for held in self._held:
            rows = np.zeros(len(held.batch), np.bool_)
            for start, stop in self._windows:
                rows |= (held.batch.ts_ns >= start) & (held.batch.ts_ns <= stop)
            rows &= ~held.written
            for row in np.flatnonzero(rows).tolist():
                self._write(held.batch, row, comments)
            held.written[rows] = True
        self._file.flush()

    def _open_windows(self, frames: Int64) -> None:
        for held in self._held:
            rows = np.flatnonzero(np.isin(held.batch.frame, frames))
            self._marked.update(held.batch.frame[rows].tolist())
            for ts_ns in held.batch.ts_ns[rows].tolist():
                self._windows.append((ts_ns - self._pre_ns, ts_ns + self._post_ns))
        self._windows = _joined(self._windows)

    def _write(self, batch: RecordBatch, row: int, comments: Mapping[int, str]) -> None:
        start, size = int(batch.offset[row]), int(batch.captured_length[row])
        if self._written > MAX_WRITTEN:
            self.cut = True
            return
        self._written += size + 44
        direction = Direction.UNKNOWN
        if batch.direction is not None:
            direction = Direction(int(batch.direction[row]))
        self._writer.write(
            self._interfaces[int(batch.interface[row])],
            int(batch.ts_ns[row]),
            batch.data[start : start + size].tobytes(),
            int(batch.original_length[row]),
            direction=direction,
            comment=comments.get(int(batch.frame[row]), ""),
        )

    def close(self) -> None:
        """End the file."""
        self._file.close()


def _joined(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Overlapping windows as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(windows):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
