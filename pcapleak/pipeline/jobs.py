"""Reading one large capture with several processes, with the report of one.

Others walk, dissect and recognise parts of the file; this process takes their columns in capture
order and alone decodes messages, tracks and judges: handing over a decoded message takes longer
than decoding it. So nothing has to be merged: flows, connections and sessions that cross a split
never notice it. What depends on earlier packets before tracking (fragments, and the packets inside
tunnels) is left to this process too.
"""

from __future__ import annotations

import mmap
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from pcapleak.capture import Part, open_capture, split_capture
from pcapleak.decode.streams.tcp import segment_begins
from pcapleak.dissect import recognise
from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.pipeline.arena import Arena, Handed
from pcapleak.pipeline.gc_policy import rare_collection
from pcapleak.pipeline.parts import Batch, PartRead, apart, hand_part, prepare_worker, read_part
from pcapleak.policy.policy import Policy
from pcapleak.track.state import CaptureFacts
from pcapleak.values.packets import Bytes, Int64, Interface, Packets

PART = 32 << 20
"""Bytes a process reads at a time: at 120 bytes a packet, a part of the smallest packets is
handed over in 60 MB, and the first results come soon."""

SLOT = 4
"""Room for what a part's packets come to, in lengths of the part: their columns take 123 bytes
each, and few are shorter than 31 with their headers."""

SLACK = 128
"""Readable bytes behind a batch's last record, as `RecordBatch` promises."""

Progress = Callable[[int, "int | None"], None]


class CannotSplitError(Exception):
    """Reading showed that this capture's parts cannot be read apart."""


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
        closing(Arena(jobs + 1, SLOT * (size // len(parts)))) as arena,
        process_pool(jobs - 1, arena) as pool,
        closing(_Ahead(pool, arena, path, parts[1:], jobs + 1)) as ahead,
    ):
        analyzer = Analyzer(policy, source.interfaces)
        facts = CaptureFacts(source.path, source.format, bytes=size)
        analyzer.state.captures.append(facts)
        for batch in source:
            analyzer.add(batch)
        own = [each for each in source.interfaces if each.parent is None]
        if not apart(source) or source.truncated or source.problems:
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


def process_pool(workers: int, arena: Arena | None = None) -> ProcessPoolExecutor:
    """Processes that start without what this one holds, and without a socket in a folder that a
    confined process may not write."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, spawn, prepare_worker, (arena,))


class _Ahead:
    """The parts in their order, read by other processes while this one works on earlier ones.

    Each is good until the next is asked for.
    """

    def __init__(
        self, pool: ProcessPoolExecutor, arena: Arena, path: str, parts: list[Part], slots: int
    ) -> None:
        self._pool = pool
        self._arena = arena
        self._path = path
        self._todo = deque(parts)
        self._free = deque(range(slots))
        self._most = 2 * slots
        """Parts that may wait: a part is up to 4 times its length."""
        self._waiting: deque[tuple[int, Future[Handed]] | PartRead] = deque()
        self._begin()

    def __iter__(self) -> Iterator[PartRead]:
        waiting, todo = self._waiting, self._todo
        while waiting:
            found = waiting.popleft()
            if isinstance(found, PartRead):
                yield found
                continue
            slot, future = found
            while todo and len(waiting) < self._most and not future.done():
                waiting.append(read_part(self._path, todo.popleft()))  # rather than wait
            yield self._arena.get(future.result())
            self._free.append(slot)
            self._begin()

    def close(self) -> None:
        """Have no more read."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        while self._todo and self._free:
            slot, part = self._free.popleft(), self._todo.popleft()
            self._waiting.append((slot, self._pool.submit(hand_part, self._path, part, slot)))


def take(analyzer: Analyzer, batch: Batch, whole: Bytes, frames: int) -> None:
    """Track what another process read; `frames` came before its part."""
    dissector = analyzer.dissector
    packets, services, decoder = batch.packets, batch.services, batch.decoder
    begins = batch.begins
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
        begins = np.concatenate((begins, segment_begins(late)))[order]
    dissector.counters.update(batch.counters)
    dissector.skipped.update(batch.skipped)
    malformed = [(frame + frames, error) for frame, error in batch.malformed]
    dissector.add_malformed(kept, malformed, batch.malformed_total)
    analyzer.take(batch.tallies, packets, services, decoder, begins)


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
