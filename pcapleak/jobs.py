"""Reading one large capture with several processes, with the report of one.

Others walk, dissect, recognise and decode parts of the file; this process takes what they
found in capture order and alone tracks and judges. So nothing has to be merged: flows,
connections and sessions that cross a split never notice it. What depends on earlier packets
before tracking (fragments, and the packets inside tunnels) is left to this process too.
"""

from __future__ import annotations

import mmap
import multiprocessing
from collections import Counter, deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from pcapleak.analyzer import Analyzer, Tally, rare_collection, tally
from pcapleak.capture import CaptureSource, Part, open_capture, split_capture
from pcapleak.datagrams import UNDECODED, decode_datagrams
from pcapleak.errors import DecodeError
from pcapleak.model import (
    Bool,
    Bytes,
    Int64,
    Interface,
    PacketFlag,
    Packets,
    RecordBatch,
    UInt8,
    UInt32,
)
from pcapleak.packets import Dissector, recognise
from pcapleak.policy import Policy
from pcapleak.tracking.state import CaptureFacts

PART = 32 << 20
"""Bytes a process reads at a time: at 120 bytes a packet, a part of the smallest packets is
handed over in 60 MB, and the first results come soon."""

SLACK = 128
"""Readable bytes behind a batch's last record, as `RecordBatch` promises."""

PLACED = PacketFlag.FRAGMENT.value | PacketFlag.REASSEMBLED.value

Progress = Callable[[int, "int | None"], None]


class CannotSplitError(Exception):
    """Reading showed that this capture's parts cannot be read apart."""


@dataclass(slots=True)
class Batch:
    """What another process made of one record batch; offsets count from the file's start."""

    tallies: list[Tally]
    packets: Packets
    """Without `data`."""
    services: UInt32
    decoder: UInt8
    messages: list[object]
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


def read_in_parts(
    path: str | Path,
    policy: Policy | None,
    jobs: int,
    progress: Progress | None = None,
    *,
    part_size: int = PART,
) -> Analyzer | None:
    """An analyzer that has taken the capture, as `read_captures` gives it; None where the
    capture must be read by one process. Raises `CaptureError` where it cannot be read at all.

    With the standard library's rules for processes: a script that calls this has to guard its
    main part by `if __name__ == "__main__"`.
    """
    size = Path(path).stat().st_size if Path(path).is_file() else 0
    parts = split_capture(path, max(1, size // part_size)) if jobs > 1 else []
    if len(parts) < 2:
        return None
    try:
        with rare_collection():
            return _read(str(path), parts, size, policy, jobs, progress)
    except CannotSplitError:
        return None


def _read(
    path: str,
    parts: list[Part],
    size: int,
    policy: Policy | None,
    jobs: int,
    progress: Progress | None,
) -> Analyzer:
    with (
        open_capture(path, part=parts[0]) as source,
        process_pool(jobs - 1) as pool,
        closing(_in_order(pool, path, parts[1:], jobs + 1)) as ahead,
    ):
        analyzer = Analyzer(policy, source.interfaces)
        facts = CaptureFacts(source.path, source.format, bytes=size)
        analyzer.state.captures.append(facts)
        for batch in source:
            analyzer.add(batch)
        own = [each for each in source.interfaces if each.parent is None]
        if not _apart(source) or source.truncated or source.problems:
            raise CannotSplitError
        frames = source.frames
        view = _mapped(path, size)
        whole = np.frombuffer(view, np.uint8)
        for part, read in zip(parts[1:], ahead, strict=True):
            last = part is parts[-1]
            if not read.apart or (not last and (read.truncated or read.problems)):
                raise CannotSplitError
            if list(map(_definition, read.interfaces)) != list(map(_definition, own)):
                raise CannotSplitError
            for taken in read.batches:
                take(analyzer, taken, whole, frames)
            if hasattr(mmap, "MADV_DONTNEED"):
                page = part.start & -mmap.PAGESIZE
                view.madvise(mmap.MADV_DONTNEED, page, part.stop - page)
            frames += read.frames
            for mine, theirs in zip(own, read.interfaces, strict=True):
                mine.drops = mine.drops if theirs.drops is None else theirs.drops
            facts.truncated, facts.problems = read.truncated, read.problems
            if progress is not None:
                progress(part.stop, size)
        return analyzer


def _mapped(path: str, size: int) -> mmap.mmap:
    with Path(path).open("rb") as file:
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)


def _definition(interface: Interface) -> Interface:
    """What a file's head says of an interface."""
    return replace(interface, drops=None, packets=0)


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Processes that start without what this one holds, and without a socket in a folder that a
    confined process may not write."""
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _in_order(
    pool: ProcessPoolExecutor, path: str, parts: list[Part], ahead: int
) -> Generator[PartRead, None, None]:
    """The parts in their order, no more than `ahead` of them read and not yet taken."""
    waiting: deque[Future[PartRead]] = deque()
    todo = deque(parts)
    while todo and len(waiting) < ahead:
        waiting.append(pool.submit(read_part, path, todo.popleft()))
    return _taken(pool, path, waiting, todo)


def _taken(
    pool: ProcessPoolExecutor, path: str, waiting: deque[Future[PartRead]], todo: deque[Part]
) -> Generator[PartRead, None, None]:
    try:
        while waiting:
            read = waiting.popleft().result()
            if todo:
                waiting.append(pool.submit(read_part, path, todo.popleft()))
            yield read
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _apart(source: CaptureSource) -> bool:
    return source.placeless and not source.secrets


def read_part(path: str, part: Part) -> PartRead:
    """Do for one part what needs no knowledge of the others; runs in another process."""
    with rare_collection(), open_capture(path, part=part) as source:
        batches: list[Batch] = []
        for batch in source:
            batches.append(prepare(batch, source.base, source.interfaces))
        return PartRead(
            batches,
            list(source.interfaces),
            source.frames,
            source.truncated,
            _apart(source),
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
    messages = decode_datagrams(packets, decoder)
    return Batch(
        tally(batch),
        replace(packets, data=np.empty(0, np.uint8), payload_offset=packets.payload_offset + base),
        services,
        decoder,
        messages,
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
        [],
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


def take(analyzer: Analyzer, batch: Batch, whole: Bytes, frames: int) -> None:
    """Track what another process read; `frames` came before its part."""
    dissector = analyzer.dissector
    packets, services, decoder = batch.packets, batch.services, batch.decoder
    messages = batch.messages
    packets.frame = packets.frame + frames
    spans = [(packets.payload_offset, packets.payload_length)]
    if batch.left is not None:
        spans.append((batch.left.offset, batch.left.captured_length))
    packets.data, first = _bytes(whole, spans)
    packets.payload_offset = packets.payload_offset - first
    kept = len(dissector.malformed)
    if batch.left is not None:
        left = batch.left
        late = dissector.dissect(
            replace(left, data=packets.data, offset=left.offset - first, frame=left.frame + frames)
        )
        late_services, late_decoder = recognise(late)
        packets, order = _joined(packets, late)
        services = np.concatenate((services, late_services))[order]
        decoder = np.concatenate((decoder, late_decoder))[order]
        known = dict(zip(np.flatnonzero(batch.decoder).tolist(), messages, strict=True))
        messages = [known.get(at, UNDECODED) for at in order[np.flatnonzero(decoder)].tolist()]
    dissector.counters.update(batch.counters)
    dissector.skipped.update(batch.skipped)
    malformed = [(frame + frames, error) for frame, error in batch.malformed]
    dissector.add_malformed(kept, malformed, batch.malformed_total)
    analyzer.take(batch.tallies, packets, services, decoder, messages)


def _bytes(whole: Bytes, spans: list[tuple[Int64, Int64]]) -> tuple[Bytes, int]:
    """The part of the file that holds all `spans`, with slack behind, and where it begins."""
    spans = [span for span in spans if len(span[0])]
    first = min((int(start.min()) for start, _ in spans), default=0)
    last = max((int((start + size).max()) for start, size in spans), default=0)
    data = whole[first : last + SLACK]
    if len(data) < last - first + SLACK:
        data = np.concatenate((data, np.zeros(SLACK, np.uint8)))
    return data, first


def _joined(packets: Packets, late: Packets) -> tuple[Packets, Int64]:
    """Both in capture order, and where each row stood in one behind the other.

    The data of `late` begins with that of `packets`: reassembled datagrams follow behind.
    """
    order = np.argsort(np.concatenate((packets.frame, late.frame)), kind="stable")
    columns = {
        field.name: np.concatenate((getattr(packets, field.name), getattr(late, field.name)))[order]
        for field in fields(Packets)
        if field.name != "data"
    }
    return Packets(data=late.data, **columns), order
