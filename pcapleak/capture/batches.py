"""Record batches cut, joined and put in another order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pcapleak.values.packets import Bytes, Int64, RecordBatch


def rows_of(batch: RecordBatch, start: int, stop: int) -> RecordBatch:
    """A run of rows, over the same buffer."""
    rows = slice(start, stop)
    return RecordBatch(
        batch.data,
        batch.offset[rows],
        batch.captured_length[rows],
        batch.original_length[rows],
        batch.ts_ns[rows],
        batch.frame[rows],
        batch.interface[rows],
        batch.link_type[rows],
        batch.direction[rows] if batch.direction is not None else None,
        batch.ethertype[rows] if batch.ethertype is not None else None,
        {row - start: text for row, text in batch.comments.items() if start <= row < stop},
        {row - start: told for row, told in batch.programs.items() if start <= row < stop},
    )


def reorder(batch: RecordBatch, order: Int64) -> RecordBatch:
    """Row `order[i]` as row i, over the same buffer; rows not in `order` are left out."""
    place = np.full(len(batch), -1, np.int64)
    place[order] = np.arange(len(order))
    return RecordBatch(
        batch.data,
        batch.offset[order],
        batch.captured_length[order],
        batch.original_length[order],
        batch.ts_ns[order],
        batch.frame[order],
        batch.interface[order],
        batch.link_type[order],
        batch.direction[order] if batch.direction is not None else None,
        batch.ethertype[order] if batch.ethertype is not None else None,
        {int(place[row]): text for row, text in batch.comments.items() if place[row] >= 0},
        {int(place[row]): told for row, told in batch.programs.items() if place[row] >= 0},
    )


def concatenate(batches: list[RecordBatch], data: Bytes) -> RecordBatch:
    """Batches whose offsets all count in `data`, as one."""
    joined = RecordBatch(
        data,
        np.concatenate([batch.offset for batch in batches]),
        np.concatenate([batch.captured_length for batch in batches]),
        np.concatenate([batch.original_length for batch in batches]),
        np.concatenate([batch.ts_ns for batch in batches]),
        np.concatenate([batch.frame for batch in batches]),
        np.concatenate([batch.interface for batch in batches]),
        np.concatenate([batch.link_type for batch in batches]),
    )
    if any(batch.direction is not None for batch in batches):
        joined.direction = np.concatenate(
            [
                batch.direction if batch.direction is not None else np.zeros(len(batch), np.uint8)
                for batch in batches
            ]
        )
    row = 0
    for batch in batches:
        joined.comments.update((row + i, text) for i, text in batch.comments.items())
        joined.programs.update((row + i, told) for i, told in batch.programs.items())
        row += len(batch)
    return joined


def held_bytes(batch: RecordBatch, before: RecordBatch | None) -> int:
    """Bytes of memory that keeping `batch` takes where `before` is kept already."""
    return 0 if before is not None and batch.data is before.data else batch.data.nbytes


class Tally(NamedTuple):
    """The records of one interface in a batch, counted."""

    interface: int
    packets: int
    wire_bytes: int
    cut: int
    first_ns: int
    last_ns: int


def tally(batch: RecordBatch) -> list[Tally]:
    """Count the records of a batch."""
    counted: list[Tally] = []
    for number in np.flatnonzero(np.bincount(batch.interface)).tolist():
        mine = batch.interface == number
        times = batch.ts_ns[mine]
        cut = batch.captured_length[mine] < batch.original_length[mine]
        size = int(batch.original_length[mine].sum())
        first, last = int(times.min()), int(times.max())
        counted.append(Tally(number, len(times), size, int(cut.sum()), first, last))
    return counted
