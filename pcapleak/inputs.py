"""Opening one capture or several as one timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pcapleak.capture import CaptureSource, merge_captures, open_capture
from pcapleak.model import RecordBatch

Timeline = tuple[list[CaptureSource], Iterator[RecordBatch]]


@contextmanager
def open_timeline(paths: Sequence[str | Path]) -> Iterator[Timeline]:
    """The opened sources of `paths`, which share their interfaces, and their records by time.

    Raises `CaptureError` where one of them cannot be read at all.
    """
    with ExitStack() as stack:
        sources: list[CaptureSource] = []
        for number, path in enumerate(paths):
            interfaces = sources[0].interfaces if sources else None
            source = open_capture(path, interfaces=interfaces, capture=number)
            sources.append(stack.enter_context(source))
        yield sources, merge_captures(sources) if len(sources) > 1 else iter(sources[0])
