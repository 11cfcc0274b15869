"""Everything that was watched, in pcapng files that never take more than a bound together."""

from __future__ import annotations

import os
import sys
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pcapleak.capture.batches import held_bytes, rows_of
from pcapleak.capture.programs import write_comment
from pcapleak.capture.writer import PcapngWriter
from pcapleak.errors import PcapleakError
from pcapleak.live.notebook import Notebook, TimedNote
from pcapleak.live.writer_thread import Scribe
from pcapleak.values.packets import Interface, RecordBatch
from pcapleak.values.programs import Program

Named = tuple[int, int, Program]
"""A row of a batch, its flow, and the program whose flow that is."""

FILES = 8
"""A full recording is in so many files; the oldest goes when a new one is begun."""


BLOCK_OVERHEAD = 47
"""Bytes around a packet in its block, with the most of padding."""


class Recorder:
    """Writes rotated files into a folder, in a thread.

    Each batch goes to the kernel as it comes, so that a killed process leaves all of them
    readable. What a disk is too slow for is counted, here and in the files themselves, as is
    what the kernel dropped before. Only files written by this recorder are ever deleted.
    """

    def __init__(
        self,
        folder: Path,
        bound: int,
        interfaces: list[Interface],
        notes: Sequence[TimedNote] = (),
    ) -> None:
        """Open `folder`; it must exist. `bound` is in bytes. `notes` on the machine grows while
        it is watched: each file tells them all."""
        self._folder = folder
        # A folder that is open stays within reach; on Windows none can be.
        self._fd: int | None = None
        if sys.platform != "win32":
            self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._bound = bound
        self._interfaces = interfaces
        self._notes = Notebook(notes, interfaces)
        self._scribe = Scribe()
        self._unclosed: OSError | None = None
        self._last: RecordBatch | None = None
        self._lacking: Counter[int] = Counter()
        self._dropped = 0
        self.missed = 0
        """Packets that were watched and not recorded, because the disk was too slow."""
        # The thread's own from here on.
        self._sizes: deque[tuple[str, int]] = deque()
        self._drops: Counter[int] = Counter()
        self._told: set[tuple[int, Program]] = set()
        """Flows and their programs that the present file names."""
        self._size = 0
        self._name = ""
        self._writer: PcapngWriter
        self._file: BinaryIO
        self.files = 0
        """Files begun."""

    @property
    def error(self) -> OSError | None:
        """What ended the recording."""
        return self._scribe.error or self._unclosed

    def start(self) -> None:
        """Begin the first file, as the user the watch runs as.

        Raises `PcapleakError` where the folder may not be written to.
        """
        try:
            self._begin()
        except OSError as error:
            raise PcapleakError(
                f"--record {self._folder}: cannot be written ({error.strerror}); give a folder "
                "that belongs to the user the watch runs as, or one that does not exist yet"
            ) from error

    def write(self, batch: RecordBatch, dropped: int, named: Sequence[Named] = ()) -> None:
        """Keep a batch; `dropped` are the packets the kernel has dropped so far, on any device.

        Of `named`, each file tells every program of a flow once, in a comment of a packet.
        """
        if dropped > self._dropped:
            self._lacking[int(batch.interface[0])] += dropped - self._dropped
            self._dropped = dropped
        job = partial(self._write, batch, Counter(self._lacking), named)
        if self._scribe.offer(job, held_bytes(batch, self._last)):
            self._lacking.clear()
        else:
            self.missed += len(batch)
            for number, count in enumerate(np.bincount(batch.interface).tolist()):
                self._lacking[number] += count
        self._last = batch

    def close(self) -> None:
        """Write what waits, and end the last file."""
        self._last = None
        self._scribe.offer(partial(self._finish), 0)
        if self._lacking and self.error is None:
            self._scribe.offer(partial(self._note, Counter(self._lacking)), 0)
        self._scribe.close()
        try:
            self._file.close()
        except OSError as error:
            self._unclosed = error
        if self._fd is not None:
            os.close(self._fd)

    def _write(
        self, batch: RecordBatch, lacking: Counter[int], named: Sequence[Named] = ()
    ) -> None:
        """In the thread: write a batch, in several files where one would grow too large."""
        if lacking:
            self._note(lacking)
        self._size += self._notes.write(self._writer)
        ends = np.cumsum(batch.captured_length + BLOCK_OVERHEAD)
        start = 0
        while start < len(batch):
            if self._size >= self._bound // FILES:
                self._begin()
                self._size += self._notes.write(self._writer)
            room = self._bound // FILES - self._size + (int(ends[start - 1]) if start else 0)
            stop = min(max(start + 1, int(np.searchsorted(ends, room))), len(batch))
            part = rows_of(batch, start, stop)
            part.comments = {}
            for row, flow, program in named:
                if start <= row < stop and (flow, program) not in self._told:
                    self._told.add((flow, program))
                    part.comments[row - start] = write_comment(program)
            self._size += self._writer.write_batch(part, self._interfaces)
            start = stop

    def _finish(self) -> None:
        """What was noted after the last packet."""
        self._notes.write(self._writer)
        self._file.flush()

    def _note(self, lacking: Counter[int]) -> None:
        """Say in the file what is missing in it."""
        self._drops += lacking
        now_ns = int(datetime.now(UTC).timestamp() * 1e9)
        for number in lacking:
            self._writer.add_drops(self._interfaces[number], now_ns, self._drops[number])
        self._file.flush()

    def _begin(self) -> None:
        if self.files:
            self._file.close()
            self._sizes.append((self._name, self._size))
            while sum(size for _, size in self._sizes) > self._bound - self._bound // FILES:
                os.unlink(self._place(self._sizes.popleft()[0]), dir_fd=self._fd)
        self.files += 1
        self._name = f"pcapleak-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{self.files:05}.pcapng"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(self._place(self._name), flags, 0o600, dir_fd=self._fd)
        self._file = os.fdopen(descriptor, "wb")
        self._writer = PcapngWriter(self._file)
        self._file.flush()
        self._notes.rewind()
        self._size = 0
        self._drops.clear()
        self._told.clear()

    def _place(self, name: str) -> str:
        return name if self._fd is not None else str(self._folder / name)
