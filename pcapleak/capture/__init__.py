"""Reading and writing captures: the only layer that touches capture files."""

from pcapleak.capture.source import CaptureSource, open_capture

__all__ = ["CaptureSource", "open_capture"]
