"""Opening what an analysis reads: captures as one timeline, and page-side evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pcapleak.capture import CaptureSource, merge_captures, open_capture
from pcapleak.errors import PcapleakError
from pcapleak.model import RecordBatch
from pcapleak.protocols.page import PageCandidate, read_page

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


def read_pages(paths: Iterable[str | Path]) -> dict[str, list[PageCandidate]]:
    """The candidates that files of page-side evidence tell, by file.

    A file is a webrtc-internals dump, about:webrtc text, getStats or RTCIceCandidate JSON, SDP,
    or candidate lines. Raises `PcapleakError` for one that cannot be read or tells none.
    """
    pages: dict[str, list[PageCandidate]] = {}
    for path in paths:
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise PcapleakError(f"{path}: cannot be read ({error.strerror}); check it") from error
        pages[str(path)] = read_page(text)
        if not pages[str(path)]:
            raise PcapleakError(
                f"{path}: holds no ICE candidate; give a webrtc-internals dump, SDP, or lines"
            )
    return pages
