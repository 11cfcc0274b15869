"""Several captures as one timeline, in the order mergecap gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from pcapleak.capture.batches import concatenate, reorder, rows_of
from pcapleak.capture.source import CaptureSource, open_capture
from pcapleak.capture.window import SLACK
from pcapleak.values.packets import Int64, Interface, RecordBatch

Timeline = tuple[list[CaptureSource], Iterator[RecordBatch]]


@contextmanager
def open_timeline(
    paths: Sequence[str | Path], *, interfaces: list[Interface] | None = None
) -> Iterator[Timeline]:
    """The opened sources of `paths`, which share `interfaces`, and their records by time.

    Raises `CaptureError` where one of them cannot be read at all.
    """
    with ExitStack() as stack:
        sources: list[CaptureSource] = []
        for number, path in enumerate(paths):
            shared = sources[0].interfaces if sources else interfaces
            source = open_capture(path, interfaces=shared, capture=number)
            sources.append(stack.enter_context(source))
        yield sources, merge_captures(sources) if len(sources) > 1 else iter(sources[0])


def merge_captures(sources: Sequence[CaptureSource]) -> Iterator[RecordBatch]:
    """The records of all `sources` by time, frames counted from 1 over all of them.

    As mergecap does it: the next record is the earliest among the next ones of each file, the
    last file's where times are equal. So a file that is out of order keeps its own order, and
    nothing is held but a batch of each file. The sources must share one `interfaces` list.
    """
    heads = [head for head in map(_Head, range(len(sources)), sources) if head.fill()]
    frame = 1
    while heads:
        # A head whose batch ends first must be read on before anything later is known to follow.
        horizon = min(head.last_key() for head in heads)
        parts = [part for head in heads if (part := head.take(horizon)) is not None]
        batch = parts[0].batch if len(parts) == 1 else _interleave(parts)
        batch.frame = np.arange(frame, frame + len(batch), dtype=np.int64)
        frame += len(batch)
        yield batch
        heads = [head for head in heads if head.fill()]


class _Part:
    """Rows of one source that come next, with what they are ordered by."""

    def __init__(self, batch: RecordBatch, due_ns: Int64, rank: int) -> None:
        self.batch = batch
        self.due_ns = due_ns
        self.rank = rank


class _Head:
    """One source: its batch in hand and how much of it is used."""

    def __init__(self, number: int, source: CaptureSource) -> None:
        self._rank = -number
        self._batches = iter(source)
        self._batch: RecordBatch | None = None
        self._due_ns: Int64 = np.empty(0, np.int64)
        self._used = 0
        self._latest_ns = np.iinfo(np.int64).min

    def fill(self) -> bool:
        """Have a record in hand; False at the source's end."""
        while self._batch is None or self._used == len(self._batch):
            self._batch = next(self._batches, None)
            if self._batch is None:
                return False
            self._used = 0
            if len(self._batch):
                # A late record waits for those before it in its file: it is due at their time.
                due_ns = np.maximum.accumulate(self._batch.ts_ns)
                self._due_ns = np.maximum(due_ns, self._latest_ns)
                self._latest_ns = int(self._due_ns[-1])
        return True

    def last_key(self) -> tuple[int, int]:
        """Where the last record in hand stands in the order."""
        return int(self._due_ns[-1]), self._rank

    def take(self, horizon: tuple[int, int]) -> _Part | None:
        """The rows up to `horizon`."""
        assert self._batch is not None
        last_ns, rank = horizon
        side: Literal["left", "right"] = "right" if self._rank <= rank else "left"
        start = self._used
        self._used = max(start, int(np.searchsorted(self._due_ns, last_ns, side)))
        if self._used == start:
            return None
        part = rows_of(self._batch, start, self._used)
        return _Part(part, self._due_ns[start : self._used], self._rank)


def _interleave(parts: list[_Part]) -> RecordBatch:
    """One batch of all parts in order, their bytes copied behind each other."""
    batches = [_compact(part.batch) for part in parts]
    sizes = [len(batch.data) for batch in batches]
    data = np.zeros(sum(sizes) + SLACK, np.uint8)
    start = 0
    for batch in batches:
        data[start : start + len(batch.data)] = batch.data
        batch.offset = batch.offset + start
        start += len(batch.data)
    due_ns = np.concatenate([part.due_ns for part in parts])
    rank = np.concatenate([np.full(len(part.batch), part.rank) for part in parts])
    joined = concatenate(batches, data)
    return reorder(joined, np.lexsort((rank, due_ns)))


def _compact(batch: RecordBatch) -> RecordBatch:
    """The same rows over only the bytes they span."""
    first = int(batch.offset[0])
    last = int(batch.offset[-1] + batch.captured_length[-1])
    compact = rows_of(batch, 0, len(batch))
    compact.data = batch.data[first:last]
    compact.offset = batch.offset - first
    return compact
