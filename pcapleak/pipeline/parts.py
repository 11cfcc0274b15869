"""What one part of a large capture holds, as far as it can be told without the others.

Runs in other processes (see `jobs`), so it imports next to no tracker.
"""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from pcapleak.capture import CaptureSource, Part, open_capture
from pcapleak.capture.batches import Tally, tally
from pcapleak.decode.streams.tcp import segment_begins
from pcapleak.dissect import Dissector, recognise
from pcapleak.errors import DecodeError
from pcapleak.pipeline.arena import Arena, Handed
from pcapleak.pipeline.gc_policy import RARELY
from pcapleak.values.packets import Bool, Interface, PacketFlag, Packets, RecordBatch, UInt8, UInt32

PLACED = PacketFlag.FRAGMENT.value | PacketFlag.REASSEMBLED.value


@dataclass(slots=True)
class Batch:
    """What another process made of one record batch; offsets count from the file's start."""

    tallies: list[Tally]
    packets: Packets
    """Without `data`."""
    services: UInt32
    decoder: UInt8
    begins: UInt8
    """What `segment_begins` told."""
    left: RecordBatch | None
    """Records that only the one who knows all earlier ones can dissect; without `data`."""
    counters: Counter[str]
    skipped: Counter[str]
    malformed: list[tuple[int, DecodeError]]
    malformed_total: int


@dataclass(slots=True)
class PartRead:
    """What another process made of one part of the file."""

    batches: list[Batch]
    interfaces: list[Interface]
    frames: int
    truncated: bool
    apart: bool
    """Nothing in it showed that parts cannot be read apart."""
    problems: list[str]


_ARENA: Arena | None = None


def prepare_worker(arena: Arena | None) -> None:
    """Runs first in a process made for reading parts, or whole captures."""
    global _ARENA
    _ARENA = arena
    gc.set_threshold(*RARELY)


def hand_part(path: str, part: Part, slot: int) -> Handed:
    """As `read_part`, on the way to the process that shares the arena."""
    assert _ARENA is not None
    return _ARENA.put(slot, read_part(path, part))


def apart(source: CaptureSource) -> bool:
    """Whether nothing in what was read showed that parts cannot be read apart."""
    return source.placeless and not source.secrets


def read_part(path: str, part: Part) -> PartRead:
    """Do for one part what needs no knowledge of the others; runs in another process."""
    with open_capture(path, part=part) as source:
        batches: list[Batch] = []
        for batch in source:
            batches.append(prepare(batch, source.base, source.interfaces))
        return PartRead(
            batches,
            list(source.interfaces),
            source.frames,
            source.truncated,
            apart(source),
            source.problems,
        )


def prepare(batch: RecordBatch, base: int, interfaces: list[Interface]) -> Batch:
    """Do for one batch, whose `data` begins at byte `base` of the file, what needs no other."""
    mine = list(interfaces)
    dissector = Dissector(mine)
    packets = dissector.dissect(batch)
    if len(mine) > len(interfaces):
        # An `any` recording: interfaces are numbered in the order of their first packets.
        return _all_left(batch, base)
    placed = (packets.flags & PLACED != 0) | (packets.encapsulation != 0)
    left: RecordBatch | None = None
    if placed.any():
        rows = np.zeros(len(batch), np.bool_)
        rows[packets.row[placed]] = True
        left = _without_data(batch, base, rows)
        rest = _select(batch, ~rows)
        dissector = Dissector(list(interfaces))
        packets = dissector.dissect(rest)
    services, decoder = recognise(packets)
    return Batch(
        tally(batch),
        replace(packets, data=np.empty(0, np.uint8), payload_offset=packets.payload_offset + base),
        services,
        decoder,
        segment_begins(packets),
        left,
        dissector.counters,
        dissector.skipped,
        dissector.malformed,
        dissector.malformed_total,
    )


def _all_left(batch: RecordBatch, base: int) -> Batch:
    none = _select(batch, np.zeros(len(batch), np.bool_))
    packets = replace(Dissector([]).dissect(none), data=np.empty(0, np.uint8))
    return Batch(
        tally(batch),
        packets,
        np.empty(0, np.uint32),
        np.empty(0, np.uint8),
        np.empty(0, np.uint8),
        _without_data(batch, base, np.ones(len(batch), np.bool_)),
        Counter(),
        Counter(),
        [],
        0,
    )


def _select(batch: RecordBatch, rows: Bool) -> RecordBatch:
    return replace(
        batch,
        offset=batch.offset[rows],
        captured_length=batch.captured_length[rows],
        original_length=batch.original_length[rows],
        ts_ns=batch.ts_ns[rows],
        frame=batch.frame[rows],
        interface=batch.interface[rows],
        link_type=batch.link_type[rows],
        direction=None if batch.direction is None else batch.direction[rows],
        ethertype=None if batch.ethertype is None else batch.ethertype[rows],
        comments={},
        processes={},
    )


def _without_data(batch: RecordBatch, base: int, rows: Bool) -> RecordBatch:
    chosen = _select(batch, rows)
    return replace(chosen, data=np.empty(0, np.uint8), offset=chosen.offset + base)
