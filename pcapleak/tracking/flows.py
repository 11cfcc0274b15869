"""The flow table: one row for each conversation of two endpoints, filled batch by batch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pcapleak.model import (
    Bool,
    Int32,
    Int64,
    Packets,
    UInt8,
    UInt32,
    UInt64,
)

from .community_id import ICMP, ICMP_ANSWERS, ICMPV6
from .flow_columns import (
    BYTES,
    FIRST_FRAME,
    FIRST_NS,
    HIGHEST_NS,
    LAST_NS,
    LOWEST_NS,
    PACKETS,
    FlowColumns,
)
from .flow_index import ORIG_HI, ORIG_LO, PORTS, RESP_HI, RESP_LO, Keys

_SIXTEEN = np.uint64(16)
_ANSWERS = np.full((2, 256), -1, np.int64)
for _row, _protocol in enumerate((ICMP, ICMPV6)):
    for _request, _answer in ICMP_ANSWERS[_protocol].items():
        _ANSWERS[_row, _request] = _answer


class _Rows(NamedTuple):
    """What the table needs of some packets."""

    keys: Keys
    hashes: UInt64
    ts_ns: Int64
    frame: Int64
    length: Int64
    tcp_flags: UInt8

    def select(self, rows: slice) -> _Rows:
        return _Rows(
            self.keys.select(rows),
            self.hashes[rows],
            self.ts_ns[rows],
            self.frame[rows],
            self.length[rows],
            self.tcp_flags[rows],
        )


class FlowTable(FlowColumns):
    """Flows by (interface, version, protocol, both endpoints, encapsulation).

    orig is the endpoint that was seen sending first. Flow ids count from 0 in the order of
    first packets, and are the positions in the columns as long as nothing expires.

    With a `limit`, a flow beyond it first makes the quarter of the table that has been idle
    longest expire: `ids` then tells which flows the columns hold. One flow takes 125 to 250
    bytes (56 of key, 64 of counts, 5 of bits; 16 to 32 a slot, times growth by doubling).
    """

    def __init__(self, limit: int | None = None) -> None:
        if limit is not None and limit < 4:
            raise ValueError("a flow table needs room for four flows at least")
        super().__init__()
        self._limit = limit
        self._latest_ns = LOWEST_NS

    def update(self, packets: Packets) -> tuple[Int64, Bool]:
        """Count `packets`; for each row its flow's id and whether orig sent it."""
        if not len(packets):
            return np.empty(0, np.int64), np.empty(0, np.bool_)
        keys = _keys_of(packets)
        rows = _Rows(
            keys,
            self._index.hash(keys),
            packets.ts_ns,
            packets.frame,
            packets.length,
            packets.tcp_flags,
        )
        if self._limit is None or len(self) + len(packets) <= self._limit:
            flow, forward = self._add(rows)
            return self._id_of(flow), forward
        return self._add_within(rows, self._limit)

    def _add_within(self, rows: _Rows, limit: int) -> tuple[Int64, Bool]:
        """Add rows in runs that each end where the table is full, whatever batch they are of."""
        parts: list[tuple[Int64, Bool]] = []
        while len(rows.hashes):
            stop = len(rows.hashes)
            flow, _ = self._index.find(rows.hashes, rows.keys)
            missing = np.flatnonzero(flow < 0)
            _, first = np.unique(rows.hashes[missing], return_index=True)
            room = limit - len(self)
            if len(first) > room:
                stop = int(missing[np.sort(first)[room]])
            if stop:
                flow, forward = self._add(rows.select(slice(0, stop)))
                parts.append((self._id_of(flow), forward))
                rows = rows.select(slice(stop, None))
            if len(rows.hashes):
                self._expire(limit - limit // 4)
        return np.concatenate([part[0] for part in parts]), np.concatenate(
            [part[1] for part in parts]
        )

    def _expire(self, size: int) -> None:
        """Forget the flows that have been idle longest, down to `size`."""
        size = min(size, len(self) - 1)
        order = np.lexsort((self.ids, self.last_ns))
        kept = np.sort(order[len(self) - size :])
        self._ids = self.ids[kept]
        self.expired += len(self) - size
        for column in (self._counts, self._services, self._tcp_flags):
            column[:size] = column[kept]
        self._index.keep(kept)

    def _add(self, rows: _Rows) -> tuple[Int64, Bool]:
        """The positions and directions of `rows`, counted."""
        flow, forward = self._number(rows.hashes, rows.keys)
        counts = self._counts.reshape(-1)
        base = flow << 3
        way = base + ~forward
        np.add.at(counts, way + PACKETS, 1)
        np.add.at(counts, way + BYTES, rows.length)
        times = rows.ts_ns
        self._time(base, times)
        # Written last to first, so that the first frame of each direction stays
        fresh = np.flatnonzero(counts.take(way + FIRST_FRAME) < 0)[::-1]
        counts[way[fresh] + FIRST_FRAME] = rows.frame[fresh]
        seen = np.flatnonzero(rows.tcp_flags & ~self._tcp_flags.take(flow))
        if len(seen):
            np.bitwise_or.at(self._tcp_flags, flow[seen], rows.tcp_flags[seen])
        return flow, forward

    def _time(self, base: Int64, times: Int64) -> None:
        counts = self._counts.reshape(-1)
        new = np.flatnonzero(counts.take(base + FIRST_NS) == HIGHEST_NS)[::-1]
        counts[base[new] + FIRST_NS] = times[new]
        if times[0] >= self._latest_ns and (times[1:] >= times[:-1]).all():
            # In order, as nearly always: of several writes the last stays.
            counts[base + LAST_NS] = times
            self._latest_ns = int(times[-1])
        else:
            np.minimum.at(counts, base + FIRST_NS, times)
            np.maximum.at(counts, base + LAST_NS, times)
            self._latest_ns = max(self._latest_ns, int(times.max()))

    def _number(self, hashes: UInt64, keys: Keys) -> tuple[Int64, Bool]:
        """Positions and directions, with new flows entered in the order of their rows."""
        flow, forward = self._index.find(hashes, keys)
        missing = np.flatnonzero(flow < 0)
        while len(missing):
            # One new flow for each distinct hash, then look again, so that two flows of one
            # hash each get their own.
            _, first = np.unique(hashes[missing], return_index=True)
            rows = missing[np.sort(first)]
            self._enter(self._index.add(hashes[rows], keys.select(rows)))
            flow[missing], forward[missing] = self._index.find(
                hashes[missing], keys.select(missing)
            )
            missing = missing[flow[missing] < 0]
        return flow, forward

    def _enter(self, flow: Int64) -> None:
        """Make empty rows for new flows."""
        room, size = len(self._services), len(self)
        if size > room:
            while size > room:
                room *= 2
            self._counts = np.resize(self._counts, (room, 8))
            self._services = np.resize(self._services, room)
            self._tcp_flags = np.resize(self._tcp_flags, room)
        counts = self._counts[flow[0] : size]
        counts[:] = 0
        counts[:, FIRST_FRAME : FIRST_FRAME + 2] = -1
        counts[:, FIRST_NS], counts[:, LAST_NS] = HIGHEST_NS, LOWEST_NS
        self._services[flow[0] : size] = 0
        self._tcp_flags[flow[0] : size] = 0
        if self.expired:
            self._ids = np.append(self._ids, flow + self.expired)

    def mark(self, flow: Int64, services: UInt32) -> None:
        """Add `services` to the flows they were recognised on."""
        rows = np.flatnonzero(services)
        if len(rows):
            at = self.position(flow[rows])
            there = at >= 0
            np.bitwise_or.at(self._services, at[there], services[rows][there])

    def merge(
        self,
        other: FlowTable,
        interfaces: Int64 | None = None,
        encapsulations: Int64 | None = None,
    ) -> tuple[Int64, Bool]:
        """Take in a table of later packets of the same timeline.

        `interfaces` and `encapsulations` give this side's numbers for the other's. For each
        flow of `other` in its order: its id here, and whether its orig is orig here too.
        """
        outer, interface = other.encapsulation, other.interface
        if encapsulations is not None:
            outer = encapsulations[outer]
        if interfaces is not None:
            interface = interfaces[interface]
        stored = other._index.stored
        ports = stored[:, PORTS]
        keys = Keys(
            stored[:, ORIG_HI],
            stored[:, ORIG_LO],
            stored[:, RESP_HI],
            stored[:, RESP_LO],
            ports,
            (ports & np.uint64(0xFFFF)) << _SIXTEEN | ports >> _SIXTEEN,
            _meta(interface, outer, other.version, other.protocol),
        )
        flow, forward = self._number(self._index.hash(keys), keys)
        theirs = other._counts[: len(other)]
        mine = self._counts[flow]
        turned = theirs.copy()
        for column in (PACKETS, BYTES, FIRST_FRAME):
            pair = turned[:, column : column + 2]
            pair[~forward] = pair[~forward][:, ::-1]
        mine[:, :FIRST_FRAME] += turned[:, :FIRST_FRAME]
        frames = slice(FIRST_FRAME, FIRST_FRAME + 2)
        mine[:, frames] = np.where(mine[:, frames] < 0, turned[:, frames], mine[:, frames])
        mine[:, FIRST_NS] = np.minimum(mine[:, FIRST_NS], turned[:, FIRST_NS])
        mine[:, LAST_NS] = np.maximum(mine[:, LAST_NS], turned[:, LAST_NS])
        self._counts[flow] = mine
        self._services[flow] |= other.services
        self._tcp_flags[flow] |= other.tcp_flags
        self._latest_ns = max(self._latest_ns, other._latest_ns)
        return self._id_of(flow), forward


def _keys_of(packets: Packets) -> Keys:
    source = packets.source_port.astype(np.uint64)
    destination = packets.destination_port.astype(np.uint64)
    protocol = packets.protocol
    control = (protocol == ICMP) | (protocol == ICMPV6)
    if control.any():
        rows = np.flatnonzero(control)
        family = (protocol[rows] == ICMPV6).astype(np.intp)
        answer = _ANSWERS[family, packets.source_port[rows] & 0xFF]
        destination[rows] = np.where(answer >= 0, answer, packets.destination_port[rows])
    return Keys(
        packets.source_hi,
        packets.source_lo,
        packets.destination_hi,
        packets.destination_lo,
        source << _SIXTEEN | destination,
        destination << _SIXTEEN | source,
        _meta(packets.interface, packets.encapsulation, packets.version, protocol),
    )


def _meta(
    interface: Int64 | Int32, encapsulation: Int64 | Int32, version: UInt8, protocol: UInt8
) -> UInt64:
    column = interface.astype(np.uint64) << np.uint64(32)
    column |= encapsulation.astype(np.uint64) << _SIXTEEN
    column |= version.astype(np.uint64) << np.uint64(8)
    column |= protocol
    return column
