"""What a watch knows of its machine, written into what it records."""

from __future__ import annotations

from collections.abc import Sequence

from pcapleak.capture.machine_notes import MAX_NOTES, Note, write_note
from pcapleak.capture.writer import PcapngWriter
from pcapleak.values.packets import Interface

TimedNote = tuple[int, Note]
"""When it came to be known, in nanoseconds, and what."""


class Notebook:
    """Notes that grow while they are written; one file after the other has them all."""

    def __init__(self, notes: Sequence[TimedNote], interfaces: Sequence[Interface]) -> None:
        self._notes = notes
        self._interfaces = interfaces
        self._written = 0

    def rewind(self) -> None:
        """A new file begins."""
        self._written = 0

    def write(self, writer: PcapngWriter) -> int:
        """Write what is new; gives the characters written."""
        size = 0
        if not self._interfaces:
            return size
        while self._written < min(len(self._notes), MAX_NOTES):
            ts_ns, note = self._notes[self._written]
            self._written += 1
            if text := write_note(note):
                writer.add_note(self._interfaces[0], ts_ns, text)
                size += len(text)
        return size
