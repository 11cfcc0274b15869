"""TCP streams: put on hold."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.errors import DecodeError
from pcapleak.model import Bool, Context, Int64, Packets
from pcapleak.tracking.flows import FlowTable


class TcpStreams:
    """Messages inside TCP connections."""

    def update(
        self, packets: Packets, flow: Int64, forward: Bool, flows: FlowTable
    ) -> Iterator[tuple[Context, object | DecodeError]]:
        """The messages that `packets` complete, in capture order."""
        yield from ()
