"""One direction of a TCP connection, put in order."""

from __future__ import annotations

from bisect import insort
from typing import NamedTuple

MAX_WAITING = 32
"""Segments kept while an earlier one is missing; at 64 kB each at most 2 MB, in practice 48 kB.
With this few, keeping them sorted costs nothing."""
MAX_WAITING_BYTES = 128 << 10
SEGMENT_BYTES = 200
"""What a waiting segment takes beside its bytes."""
MAX_WAIT_NS = 2_000_000_000
"""A sender retransmits within this time, unless the recording lost the segment."""


class _Segment(NamedTuple):
    start: int
    data: bytes
    missing: int
    arrived_ns: int


class Half:
    """Takes segments in any order; gives bytes in order, and how many are missing.

    Bytes that came first win over those of a retransmission. Positions are sequence numbers
    that do not wrap.
    """

    __slots__ = ("_waiting", "_waiting_bytes", "buffer", "lost", "needed", "position", "skip")

    def __init__(self) -> None:
        self.position: int | None = None
        """The next byte's sequence number; None before the first segment of a stream whose
        start was not seen."""
        self.buffer = bytearray()
        """Bytes in order that no reader has taken."""
        self.needed = 0
        """How long `buffer` must be before a reader looks at it again."""
        self.skip = 0
        """How many bytes in order are still to be thrown away."""
        self.lost = False
        """A gap left the reader without its place."""
        self._waiting: list[_Segment] = []
        self._waiting_bytes = 0

    @property
    def size(self) -> int:
        """Bytes of memory held."""
        return len(self.buffer) + self._waiting_bytes + SEGMENT_BYTES * len(self._waiting)

    def push(self, seq: int, data: bytes, missing: int, ts_ns: int) -> list[bytes | int]:
        """Take the segment at `seq`, whose last `missing` bytes the capture does not hold.

        Gives what follows in order now: bytes, or a number of bytes that will never come.
        """
        if self.position is None:
            self.position = seq
        start = self.position + (((seq - self.position) + (1 << 31)) & 0xFFFF_FFFF) - (1 << 31)
        pieces: list[bytes | int] = []
        if start <= self.position:
            self._take(start, data, missing, pieces)
        else:
            insort(self._waiting, _Segment(start, data, missing, ts_ns))
            self._waiting_bytes += len(data)
            if (
                len(self._waiting) > MAX_WAITING
                or self._waiting_bytes > MAX_WAITING_BYTES
                or ts_ns - min(segment.arrived_ns for segment in self._waiting) > MAX_WAIT_NS
            ):
                pieces.append(self._waiting[0].start - self.position)
                self.position = self._waiting[0].start
        while self._waiting and self._waiting[0].start <= self.position:
            segment = self._waiting.pop(0)
            self._waiting_bytes -= len(segment.data)
            self._take(segment.start, segment.data, segment.missing, pieces)
        return pieces

    def _take(self, start: int, data: bytes, missing: int, pieces: list[bytes | int]) -> None:
        assert self.position is not None
        fresh = data[self.position - start :]
        if fresh:
            pieces.append(fresh)
            self.position += len(fresh)
        lacking = start + len(data) + missing - self.position
        if lacking > 0:
            pieces.append(lacking)
            self.position += lacking
