"""What goes into a watch."""

from __future__ import annotations

from typing import Protocol

from pcapleak.live.notebook import TimedNote
from pcapleak.values.packets import DeviceChange, Interface, RecordBatch


class Source(Protocol):
    """Where a watch gets its packets from."""

    path: str
    format: str
    interfaces: list[Interface]
    problems: list[str]
    changes: list[DeviceChange]
    gaps: list[str]
    """What should have been watched and is not, one sentence each."""
    notes: list[TimedNote]
    """What is known of the machine, as it came to be known; recordings keep it."""
    expression: str | None
    """The filter that packets had to match."""
    loses: bool
    """What is not read in time is lost; else it waits."""

    @property
    def bytes_read(self) -> int:
        """Bytes of packets so far."""

    @property
    def received(self) -> int:
        """Packets so far."""

    @property
    def dropped(self) -> int:
        """Packets lost so far, where the source can tell."""

    @property
    def ended(self) -> bool:
        """Nothing will come any more."""

    def start(self) -> None:
        """Begin, once rights were dropped: threads and programs are started here."""

    def read(self, timeout_s: float) -> RecordBatch | None:
        """What has arrived, waiting at most this long."""

    def stop(self) -> None:
        """Let no more come where that is possible: what has come can still be read, and what was
        lost is known."""

    def close(self) -> None:
        """Let go of it."""
