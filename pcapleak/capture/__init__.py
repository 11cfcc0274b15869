"""Reading and writing captures: the only layer that touches capture files."""

from pcapleak.capture.find import find_captures
from pcapleak.capture.merge import merge_captures, open_timeline
from pcapleak.capture.source import CaptureSource, open_capture
from pcapleak.capture.writer import PcapngWriter

__all__ = [
    "CaptureSource",
    "PcapngWriter",
    "find_captures",
    "merge_captures",
    "open_capture",
    "open_timeline",
]
