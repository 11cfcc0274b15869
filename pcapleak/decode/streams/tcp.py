"""Which TCP flows are read, decided by columns so that bulk traffic costs next to nothing."""

from __future__ import annotations

from array import array

import numpy as np

from pcapleak.decode.messages import Event
from pcapleak.decode.streams.connection import Connection, Opened
from pcapleak.decode.streams.sniff import OPENS, Opening, recognise_opening
from pcapleak.values.packets import Bool, FlowNumbers, Int64, PacketFlag, Packets, UInt8, UInt32
from pcapleak.values.registries import DNS_PORT, MAGIC_COOKIE, TCP

MAX_CONNECTIONS = 8192
"""Connections read at a time; about 2 kB each beside their bytes, so 16 MB."""
MAX_BUFFERED = 32 << 20
"""Bytes held: one connection's are at most 4.5 MB (see `Half` and `MAX_BUFFER`), all 34 MB."""

LATE_SYN = 1 << 16
"""Bytes that can overtake a SYN in a recording of several queues: an initial window."""

_STUN_AND_LENGTH = 22
"""Bytes of a STUN header behind its length (RFC 4571 section 2)."""

BEGINS_STUN, BEGINS_NOTHING = 1, 2
"""The segment begins with a STUN header; no stream that is read begins with it."""

_SYN = 0x02

_UNDECIDED, _WANTED, _IGNORED = 0, 1, 2


class TcpStreams:
    """Messages inside TCP connections, whatever the ports.

    Each direction of a flow is undecided until its first bytes came, then wanted or ignored:
    9 bytes a direction. Where an ignored flow sends a segment that begins with a STUN header
    it becomes wanted again, so TURN is found in recordings that began too late.
    """

    def __init__(self) -> None:
        self._states = bytearray()
        """By 2 * flow + direction."""
        self._starts = array("q")
        """The sequence number of the first byte, -1 while no SYN was seen; likewise."""
        self._connections: dict[int, Connection] = {}
        self._buffered = 0
        self.dropped = 0
        """Connections given up for want of room."""

    def update(
        self,
        packets: Packets,
        flow: Int64,
        forward: Bool,
        flows: FlowNumbers,
    ) -> list[Event]:
        """The messages that `packets` complete, in capture order; marks services on `flows`."""
        missing = 2 * len(flows) - len(self._states)
        if missing > 0:
            self._states.extend(bytes(missing))
            self._starts.extend(array("q", (-1,)) * missing)
        syn = packets.tcp_flags & _SYN != 0
        rows = np.flatnonzero(
            (packets.protocol == TCP)
            & ((packets.payload_length > 0) | syn)
            & (packets.flags & (PacketFlag.FRAGMENT.value | PacketFlag.MALFORMED.value) == 0)
        )
        if flows.single is not None:
            rows = rows[flow[rows] < flows.single]  # Beyond, a flow may be several connections.
        if not len(rows):
            return []
        begins = _segment_begins(packets)
        rows = self._choose(rows, flow, forward, syn, begins)
        view = packets.data.data
        events: list[Event] = []
        marks: dict[int, int] = {}
        declared = packets.payload_declared[rows]
        captured = packets.payload_length[rows]
        columns = (
            rows,
            2 * flow[rows] + ~forward[rows],
            packets.tcp_seq[rows],
            captured,
            np.maximum(declared - captured, 0),
            syn[rows],
            begins[rows] == BEGINS_STUN,
            begins[rows] == BEGINS_NOTHING,
            packets.payload_offset[rows],
        )
        for row, index, seq, length, cut, opens, like_stun, dull, start in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            if opens:
                seq = (seq + 1) & 0xFFFF_FFFF
                self._open(index, seq)
            if not length:
                continue
            connection = self._connections.get(index >> 1)
            state = self._states[index]
            if state == _IGNORED and (connection is not None or not like_stun):
                continue
            if connection is None:
                if length == 1 and self._starts[index] < 0:
                    continue  # A keep-alive probe, the byte before the next one.
                opening = state == _IGNORED or self._starts[index] in (-1, seq)
                if opening and (dull or self._passed_over(packets, row)):
                    self._states[index] = _IGNORED
                    continue
                connection = self._connect(index >> 1, known=state != _IGNORED)
            before = connection.size
            data = bytes(view[start : start + length])
            connection.segment(packets, row, index & 1, seq, data, cut)
            self._buffered += connection.size - before
            events += connection.events
            connection.events.clear()
            if connection.services:
                marks[index >> 1] = marks.get(index >> 1, 0) | connection.services
                connection.services = 0
            self._settle(index >> 1, connection)
        if marks:
            flows.mark(
                np.fromiter(marks.keys(), np.int64, len(marks)),
                np.fromiter(marks.values(), np.uint32, len(marks)),
            )
        return events

    def _choose(self, rows: Int64, flow: Int64, forward: Bool, syn: Bool, begins: UInt8) -> Int64:
        """The rows to look at one by one."""
        states = np.frombuffer(self._states, np.uint8)
        opens = syn[rows]
        ignored = (states[2 * flow[rows] + ~forward[rows]] == _IGNORED) & ~opens
        chosen = ~ignored
        woken = opens | (ignored & (begins[rows] == BEGINS_STUN))
        if woken.any():
            # From there on the flow's other segments of this batch count as well.
            chosen |= np.isin(flow[rows], flow[rows[woken]])
        return rows[np.flatnonzero(chosen)]

    def _passed_over(self, packets: Packets, row: int) -> bool:
        """Whether a stream that begins with this row is one nobody wants."""
        ports = (int(packets.source_port[row]), int(packets.destination_port[row]))
        return recognise_opening(packets.payload(row), ports) is Opened.NOBODYS

    def _open(self, index: int, start: int) -> None:
        """A SYN: the first of the flow, the same again, or that of a new connection."""
        if self._starts[index] == start:
            return
        connection = self._connections.get(index >> 1)
        position = None if connection is None else connection.halves[index & 1].position
        if self._starts[index] < 0 and position is not None and _just_after(position, start):
            self._starts[index] = start  # recorded late, behind the first bytes
            return
        if self._starts[index] >= 0 or self._states[index] == _IGNORED or position is not None:
            self._drop(index >> 1)
            self._states[index] = self._states[index ^ 1] = _UNDECIDED
            self._starts[index ^ 1] = -1
        elif connection is not None:
            connection.halves[index & 1].position = start
        self._starts[index] = start

    def _connect(self, flow: int, known: bool) -> Connection:
        """A connection to read, from its start if that is `known`."""
        connection = Connection(flow, Opening)
        for way in (0, 1):
            start = self._starts[2 * flow + way]
            if known and start >= 0:
                connection.halves[way].position = start
            else:
                connection.halves[way].lost = True
        self._connections[flow] = connection
        return connection

    def _drop(self, flow: int) -> None:
        connection = self._connections.pop(flow, None)
        if connection is not None:
            self._buffered -= connection.size
            self._states[2 * flow] = self._states[2 * flow + 1] = _IGNORED

    def _settle(self, flow: int, connection: Connection) -> None:
        """Put down what became of a connection, and keep all of them within bounds."""
        for way in (0, 1):
            self._states[2 * flow + way] = _IGNORED if connection.closed[way] else _WANTED
        if all(connection.closed):
            self._drop(flow)
            return
        # The least recently used goes first.
        del self._connections[flow]
        self._connections[flow] = connection
        while len(self._connections) > MAX_CONNECTIONS or self._buffered > MAX_BUFFERED:
            self.dropped += 1
            self._drop(next(iter(self._connections)))


def _just_after(position: int, start: int) -> bool:
    """Whether a stream that began at `start` may have come to `position` in its first moments."""
    return (position - start) & 0xFFFF_FFFF < LATE_SYN


def _segment_begins(packets: Packets) -> UInt8:
    """What the first bytes of each TCP segment tell: `BEGINS_STUN`, `BEGINS_NOTHING`, or 0."""
    told = np.zeros(len(packets), np.uint8)
    rows = np.flatnonzero((packets.protocol == TCP) & (packets.payload_length > 0))
    stun = _begins_stun(packets, rows)
    told[rows[stun]] = BEGINS_STUN
    told[rows[~stun & _opens_nothing(packets, rows)]] = BEGINS_NOTHING
    return told


def _opens_nothing(packets: Packets, rows: Int64) -> Bool:
    """Rows whose first byte tells that no stream begins with them but one of STUN."""
    first = packets.data[packets.payload_offset[rows]]
    dull: Bool = ~OPENS.take(first) & (packets.payload_length[rows] >= _STUN_AND_LENGTH)
    dull &= (packets.source_port[rows] != DNS_PORT) & (packets.destination_port[rows] != DNS_PORT)
    return dull


def _begins_stun(packets: Packets, rows: Int64) -> Bool:
    """Rows whose payload has the magic cookie where a plain or framed STUN header has it."""
    at = packets.payload_offset[rows]
    found = np.zeros(len(rows), np.bool_)
    for shift in (4, 6):
        near = np.flatnonzero(
            (packets.data[at + shift] == 0x21) & (packets.payload_length[rows] >= 20 + shift - 4)
        )
        if len(near):
            words: UInt32 = np.zeros(len(near), np.uint32)
            for i in range(4):
                words = words << np.uint32(8) | packets.data[at[near] + shift + i]
            found[near] |= words == MAGIC_COOKIE
    return found
