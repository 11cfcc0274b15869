"""TCP connections whose first bytes some decoder wants, put together and read."""

from pcapleak.decode.streams.connection import StreamEvent, StreamMessage
from pcapleak.decode.streams.table import TcpStreams, segment_begins

__all__ = ["StreamEvent", "StreamMessage", "TcpStreams", "segment_begins"]
