"""The packets around each finding, kept from before it happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np

from pcapleak.capture.batches import held_bytes, reorder
from pcapleak.capture.writer import PcapngWriter
from pcapleak.live.notebook import Notebook, TimedNote
from pcapleak.live.writer_thread import Scribe
from pcapleak.values.packets import Bool, Int64, Interface, RecordBatch

MAX_HELD = 256 << 20
"""Bytes of packets held for what comes before a finding: two seconds of a loaded gigabit link,
minutes of a usual one. `pre` is cut short beyond it."""
JUDGED_WITHIN_NS = 5_000_000_000
"""How long a packet may wait for the judgement that makes it evidence."""
MAX_WRITTEN = 1 << 30
"""Bytes of evidence after which no more is written."""
BLOCK_OVERHEAD = 47
"""Bytes around a packet in its block, with the most of padding."""


class Held(NamedTuple):
    """A batch that may yet turn out to be evidence."""

    batch: RecordBatch
    written: Bool
    first_ns: int
    last_ns: int
    size: int
    """Bytes of memory it takes."""


class EvidenceFile:
    """A pcapng of the packets from `pre_ns` before to `post_ns` after those of findings.

    Give each batch to `add`, and after each judgement the frames that are evidence to `mark`.
    Packets are written, in a thread, once a judgement has taken them in: what they are evidence
    for is known then.
    """

    def __init__(
        self,
        file: BinaryIO,
        interfaces: list[Interface],
        pre_ns: int,
        post_ns: int,
        notes: Sequence[TimedNote] = (),
    ) -> None:
        self._file = file
        self._interfaces = interfaces
        self._pre_ns = pre_ns
        self._post_ns = post_ns
        self._writer = PcapngWriter(
            file, comment="Packets around the findings of a watch; comments name the findings."
        )
        file.flush()
        self._notes = Notebook(notes, interfaces)
        self._scribe = Scribe()
        self._unclosed: OSError | None = None
        self._held: deque[Held] = deque()
        self._bytes = 0
        self._written = 0
        self._windows: list[tuple[int, int]] = []
        self._marked: set[int] = set()
        self.cut = False
        """Some packets are missing, because there were more than the bounds hold."""

    @property
    def error(self) -> OSError | None:
        """What ended the writing."""
        return self._scribe.error or self._unclosed

    def add(self, batch: RecordBatch) -> None:
        """Hold a batch until it is too old to come before a finding."""
        before = self._held[-1].batch if self._held else None
        held = Held(
            batch,
            np.zeros(len(batch), np.bool_),
            int(batch.ts_ns.min()),
            int(batch.ts_ns.max()),
            held_bytes(batch, before),
        )
        self._held.append(held)
        self._bytes += held.size
        wanted_ns = held.last_ns - self._pre_ns
        while len(self._held) > 1 and (
            self._bytes > MAX_HELD or self._held[0].last_ns < wanted_ns - JUDGED_WITHIN_NS
        ):
            oldest = self._held.popleft()
            self._bytes -= oldest.size
            self.cut |= oldest.last_ns >= wanted_ns
            self._write(oldest, {}, int(oldest.batch.frame[-1]))

    def mark(self, comments: Mapping[int, str], judged: int) -> None:
        """Write what is evidence by now.

        `comments` says which frames are evidence, and for what; `judged` is the last frame that
        the judgement took in.
        """
        fresh = [frame for frame in comments if frame not in self._marked]
        self._marked &= comments.keys()
        if fresh:
            self._open_windows(np.array(fresh, np.int64))
        if self._held:
            oldest_ns = min(held.first_ns for held in self._held)
            self._windows = [window for window in self._windows if window[1] >= oldest_ns]
        for held in self._held:
            self._write(held, comments, judged)

    def close(self) -> None:
        """End the file."""
        if self._written:
            self._scribe.offer(partial(self._notes.write, self._writer), 0)
        self._scribe.close()
        try:
            self._file.close()
        except OSError as error:
            # What could not be written before is tried once more by then.
            self._unclosed = error

    def _open_windows(self, frames: Int64) -> None:
        for held in self._held:
            rows = np.flatnonzero(np.isin(held.batch.frame, frames))
            self._marked.update(held.batch.frame[rows].tolist())
            for ts_ns in held.batch.ts_ns[rows].tolist():
                self._windows.append((ts_ns - self._pre_ns, ts_ns + self._post_ns))
        self._windows = _joined(self._windows)

    def _write(self, held: Held, comments: Mapping[int, str], judged: int) -> None:
        """Hand the rows that lie in a window, and were not written before, to the thread."""
        batch = held.batch
        wanted = np.zeros(len(batch), np.bool_)
        for start, stop in self._windows:
            if start <= held.last_ns and stop >= held.first_ns:
                wanted |= (batch.ts_ns >= start) & (batch.ts_ns <= stop)
        wanted &= ~held.written & (batch.frame <= judged)
        rows = np.flatnonzero(wanted)
        if len(rows) == 0:
            return
        held.written[rows] = True
        part = reorder(batch, rows)
        marked = np.flatnonzero(np.isin(part.frame, np.array(list(comments), np.int64)))
        part.comments = {row: comments[int(part.frame[row])] for row in marked.tolist()}
        size = int(part.captured_length.sum()) + BLOCK_OVERHEAD * len(part)
        if self._written + size <= MAX_WRITTEN and self._scribe.offer(
            partial(self._write_part, part), size
        ):
            self._written += size
        else:
            self.cut = True

    def _write_part(self, part: RecordBatch) -> None:
        """In the thread."""
        self._notes.write(self._writer)
        self._writer.write_batch(part, self._interfaces)
        self._file.flush()


def _joined(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Overlapping windows as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(windows):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
