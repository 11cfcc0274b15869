"""The bytes of a capture, a window at a time, in bounded memory.

Both windows serve the same loop: work on `data[start:end]`, then `advance` past what was
used. Bytes once handed out never change while someone holds `data`.
"""

from __future__ import annotations

import mmap
import sys
import time
from typing import Final, Protocol

import numpy as np

from pcapleak.values.packets import Bytes

WINDOW: Final = 16 << 20
"""32 MiB gains no time where packets are small and takes 50 MiB more with its columns; 8 MiB holds
too few large packets to walk side by side."""
SLACK: Final = 128
"""Readable bytes promised behind the last record (see `RecordBatch`)."""
PATIENCE_S: Final = 0.02
"""How long a pipe that has given something is listened to for more before it is worked on."""


class Stream(Protocol):
    """What a stream window reads from: `readinto` gives 0 at the end."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of `buffer`."""

    def has_more(self, timeout_s: float) -> bool:
        """Whether reading gives something, or the end, at once; where that may be long in coming,
        it is waited for so many seconds."""


class SeekableStream(Stream, Protocol):
    """A regular file."""

    def seek(self, position: int) -> None:
        """Read on from `position`."""

    def fileno(self) -> int:
        """Its descriptor."""


class Window:
    """`data[start:end]` is the part in view; `base` is the file offset of `data[0]`."""

    data: Bytes
    start = 0
    end = 0
    base = 0
    final = False
    """No byte follows `end`."""

    def advance(self, start: int, need: int = 1) -> None:
        """Drop what lies before `start`; look on until `need` bytes are in view or none follow."""
        raise NotImplementedError


class MappedWindow(Window):
    """A regular file through memory mapping, given back to the system once passed.

    The last bytes are read instead, since records there lack slack behind them.
    """

    def __init__(self, stream: SeekableStream, size: int, window: int = WINDOW) -> None:
        self._stream = stream
        self._size = size
        self._window = window
        self._map = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)
        self._dropped = 0
        self.data = np.frombuffer(self._map, np.uint8)

    def advance(self, start: int, need: int = 1) -> None:
        """See `Window`."""
        self.start = start
        self._drop(self.base + start)
        wanted = start + max(need, self._window)
        if not self.final and wanted + SLACK <= self._size:
            self.end = wanted
        elif not self.final:
            self._read_tail(start)

    def _read_tail(self, start: int) -> None:
        rest = self._size - start
        tail = np.zeros(rest + SLACK, np.uint8)
        view = tail.data
        got = 0
        self._stream.seek(start)
        while got < rest:
            count = self._stream.readinto(view[got:rest])
            if not count:
                break
            got += count
        self.data, self.base, self.start, self.end, self.final = tail, start, 0, got, True

    def _drop(self, position: int) -> None:
        whole = position & ~(mmap.PAGESIZE - 1)
        if sys.platform != "win32" and whole > self._dropped and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED, self._dropped, whole - self._dropped)
            self._dropped = whole


class StreamWindow(Window):
    """A pipe or a decompressor. A slow one is shown as it comes, a fast one by the window."""

    def __init__(self, stream: Stream, window: int = WINDOW) -> None:
        self._stream = stream
        self._window = window
        self.data = np.zeros(window + SLACK, np.uint8)

    def advance(self, start: int, need: int = 1) -> None:
        """See `Window`."""
        self.start = start
        if self.final:
            return
        room = max(need, self._window // 4)
        if start + room > len(self.data) - SLACK:
            fresh = np.zeros(max(need, self._window) + SLACK, np.uint8)
            held = self.end - start
            fresh[:held] = self.data[start : self.end]
            self.data, self.base = fresh, self.base + start
            self.start, self.end = 0, held
        self._fill(need)

    def _fill(self, need: int) -> None:
        view = self.data.data[: len(self.data) - SLACK]
        deadline: float | None = None
        while self.end < len(view):
            if self.end - self.start >= need:
                now = time.monotonic()
                if deadline is None:
                    deadline = now + PATIENCE_S
                if not self._stream.has_more(max(0.0, deadline - now)):
                    return
            count = self._stream.readinto(view[self.end :])
            if not count:
                self.final = True
                return
            self.end += count
