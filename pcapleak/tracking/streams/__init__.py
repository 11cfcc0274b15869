"""TCP connections whose first bytes some decoder wants, put together and read."""

from pcapleak.tracking.streams.connection import StreamEvent, StreamMessage
from pcapleak.tracking.streams.table import TcpStreams, segment_begins

__all__ = ["StreamEvent", "StreamMessage", "TcpStreams", "segment_begins"]
