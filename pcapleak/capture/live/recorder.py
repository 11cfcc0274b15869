"""Everything that was watched, in pcapng files that never take more than a bound together."""

from __future__ import annotations

import os
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pcapleak.capture.batches import rows_of
from pcapleak.capture.writer import PcapngWriter
from pcapleak.errors import PcapleakError
from pcapleak.model import Interface, RecordBatch

FILES = 8
"""A full recording is in so many files; the oldest goes when a new one is begun."""


BLOCK_OVERHEAD = 47
"""Bytes around a packet in its block, with the most of padding."""


class Recorder:
    """Writes rotated files into a folder.

    Each batch goes to the kernel at once, so that a killed process leaves all of them
    readable. Only files written by this recorder are ever deleted. `bound` is in bytes.
    """

    def __init__(self, folder: Path, bound: int, interfaces: list[Interface]) -> None:
        """Open `folder`; it must exist. Rights are needed for the folder itself only."""
        self._folder = folder
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._bound = bound
        self._interfaces = interfaces
        self._sizes: deque[tuple[str, int]] = deque()
        self._size = 0
        self._name = ""
        self._writer: PcapngWriter | None = None
        self._file: BinaryIO
        self.files = 0
        """Files begun."""

    def write(self, batch: RecordBatch) -> None:
        """Keep a batch, in several files where one would grow too large.

        Raises `PcapleakError` where the folder may not be written to.
        """
        ends = np.cumsum(batch.captured_length + BLOCK_OVERHEAD)
        start = 0
        while start < len(batch):
            if self._writer is None or self._size >= self._bound // FILES:
                self._begin()
            assert self._writer is not None
            room = self._bound // FILES - self._size + (int(ends[start - 1]) if start else 0)
            stop = max(start + 1, int(np.searchsorted(ends, room)))
            part = rows_of(batch, start, min(stop, len(batch)))
            self._size += self._writer.write_batch(part, self._interfaces)
            start = stop
        self._file.flush()

    def close(self) -> None:
        """End the last file."""
        if self._writer is not None:
            self._file.close()
        os.close(self._fd)

    def _begin(self) -> None:
        if self._writer is not None:
            self._file.close()
            self._sizes.append((self._name, self._size))
            while sum(size for _, size in self._sizes) > self._bound - self._bound // FILES:
                os.unlink(self._sizes.popleft()[0], dir_fd=self._fd)
        self.files += 1
        self._name = f"pcapleak-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{self.files:05}.pcapng"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._file = os.fdopen(os.open(self._name, flags, 0o600, dir_fd=self._fd), "wb")
        except OSError as error:
            raise PcapleakError(
                f"--record {self._folder}: cannot be written ({error.strerror}); give a folder "
                "that belongs to the user the watch runs as, or one that does not exist yet"
            ) from error
        self._writer = PcapngWriter(self._file)
        self._size = 0
