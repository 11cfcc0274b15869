"""A connection some reader wants: bytes in order go to the reader, messages come out."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from pcapleak.decode.messages import Event, Message
from pcapleak.decode.streams.reassembly import Half
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Context, Direction, Endpoint, Packets, Service

MAX_BUFFER = 128 << 10
"""Bytes a reader may wait for: the longest message kept, a body of 64 kB behind a head of
16 kB, or a STUN message or frame of 64 kB."""

BULK = 1 << 20
"""A body or frame longer than this ends the reading of its direction."""


class Reader(Protocol):
    """Reads one protocol off both directions of a connection."""

    certain: bool
    """What was read proves the protocol, so that what breaks it is worth telling."""

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """Take a message from the start of `data`, which is never empty.

        Gives how many bytes it took (more than there are: the rest is thrown away when it
        comes), 0 if it needs more, or -n if it needs n in all.
        """
        ...

    def resumes(self, data: bytes) -> bool:
        """After a loss: whether a segment that begins with `data` is a place to go on."""
        ...

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """Take what can be had of a message that begins with `data`, the rest of which was
        not captured."""
        ...


class Opened(Enum):
    """Why a stream has no reader."""

    MORE = "more"
    """Its first bytes do not tell yet."""
    NOBODYS = "nobody's"
    """No reader wants it."""


Opens = Callable[[bytes, tuple[int, int]], Reader | Opened | None]
"""A protocol's own answer to a stream's first bytes, which are at least one, and its ports,
source first; None: ask the next protocol."""


class Connection:
    """Both directions of one flow. `way` is 0 for what orig sent, 1 for resp."""

    __slots__ = (
        "_ends",
        "_opening",
        "_outer",
        "_packets",
        "_row",
        "_way",
        "closed",
        "events",
        "flow",
        "halves",
        "layers",
        "reader",
        "services",
    )

    def __init__(self, flow: int, opening: Callable[[], Reader]) -> None:
        self.flow = flow
        self.halves = (Half(), Half())
        self.closed = [False, False]
        """Directions that nobody reads any more."""
        self.layers: tuple[str, ...] = ()
        self.reader: Reader = opening()
        self.events: list[Event] = []
        self.services = 0
        """`Service` bits found since they were last collected."""
        self._opening = opening
        self._outer: tuple[Endpoint, ...] = ()
        """The flow's orig and resp."""
        self._ends: tuple[Endpoint, ...] = ()
        """The same, or where known those of the connection inside a proxy's."""
        self._packets: Packets | None = None
        self._row = 0
        self._way = 0

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.halves[0].size + self.halves[1].size

    def ports(self) -> tuple[int, int]:
        """The ports of the message at hand, source first; inside a proxy the inner ones."""
        way = self._way
        return self._ends[way].port, self._ends[1 - way].port

    def segment(
        self, packets: Packets, row: int, way: int, seq: int, data: bytes, missing: int
    ) -> None:
        """Take the TCP segment in `row`."""
        self._packets, self._row, self._way = packets, row, way
        if not self._ends:
            source, destination = packets.source(row), packets.destination(row)
            self._outer = (source, destination) if way == 0 else (destination, source)
            self._ends = self._outer
        for piece in self.halves[way].push(seq, data, missing, int(packets.ts_ns[row])):
            if isinstance(piece, int):
                self._gap(way, piece)
            else:
                self._bytes(way, piece)
        self._packets = None

    def emit(self, way: int, message: Message | DecodeError, service: Service) -> None:
        """Give a message that was sent in direction `way`."""
        self.services |= service.value
        self.events.append((self._context(way), message))

    def close(self, way: int) -> None:
        """Read no more of direction `way`."""
        self.closed[way] = True
        self.halves[way].buffer.clear()

    def finish(self) -> None:
        """Read no more of either direction."""
        self.close(0)
        self.close(1)

    def lose(self, way: int) -> None:
        """Throw away what direction `way` holds and go on where the reader says."""
        half = self.halves[way]
        half.buffer.clear()
        half.needed = half.skip = 0
        half.lost = True

    def follow(self, reader: Reader) -> None:
        """Let `reader` go on with what comes next, in both directions."""
        self.reader = reader
        for way in (0, 1):
            if self.closed[way]:
                self.closed[way] = False
                self.halves[way].lost = True

    def enter(self, layer: str, way: int, destination: Endpoint | None) -> None:
        """From here on the connection carries another one, whose client sends in direction
        `way` to `destination` (None where the proxy alone knows the address)."""
        self.layers += (layer,)
        if destination is not None:
            client = self._ends[way]
            self._ends = (client, destination) if way == 0 else (destination, client)
        self.closed[:] = (False, False)
        self.reader = self._opening()

    def _gap(self, way: int, size: int) -> None:
        if self.closed[way]:
            return
        half = self.halves[way]
        if half.skip >= size:
            half.skip -= size
            return
        if half.buffer:
            try:
                self.reader.read_cut(self, way, bytes(half.buffer))
            except DecodeError as error:
                if self.reader.certain:
                    self.emit(way, error.kept(), Service(0))
        self.lose(way)

    def _bytes(self, way: int, data: bytes) -> None:
        half = self.halves[way]
        if self.closed[way]:
            return
        if half.skip:
            skipped = min(half.skip, len(data))
            half.skip -= skipped
            data = data[skipped:]
            if not data:
                return
        if half.lost:
            if not self.reader.resumes(data):
                return
            half.lost = False
        half.buffer += data
        reader = self.reader
        self._read(way)
        # A reader that took over may want what the other direction already holds.
        while self.reader is not reader:
            reader = self.reader
            for other in (1 - way, way):
                self.halves[other].needed = 0
                self._read(other)

    def _read(self, way: int) -> None:
        half = self.halves[way]
        buffer = half.buffer
        while buffer and len(buffer) >= half.needed and not self.closed[way]:
            reader = self.reader
            try:
                used = reader.read(self, way, bytes(buffer))
            except DecodeError as error:
                if reader.certain:
                    self.emit(way, error.kept(), Service(0))
                self.lose(way)
                return
            if used > 0:
                half.needed = 0
                half.skip = max(0, used - len(buffer))
                del buffer[:used]
            elif self.reader is reader:
                half.needed = -used or len(buffer) + 1
                if half.needed > MAX_BUFFER:
                    self.lose(way)
                return

    def _context(self, way: int) -> Context:
        packets, row = self._packets, self._row
        assert packets is not None
        direction = int(packets.direction[row])
        if way != self._way and direction:
            # Bytes of the other direction that waited for what this packet brought.
            direction = Direction.INBOUND + Direction.OUTBOUND - direction
        outer = (self._outer[way], self._outer[1 - way]) if self.layers else None
        return Context(
            int(packets.frame[row]),
            int(packets.ts_ns[row]),
            int(packets.interface[row]),
            direction,
            "tcp",
            self._ends[way],
            self._ends[1 - way],
            self.flow,
            way == 0,
            self.layers,
            outer,
            int(packets.encapsulation[row]),
        )
