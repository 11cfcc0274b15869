"""The flow table: one row for each conversation of two endpoints, filled batch by batch."""

from __future__ import annotations

import numpy as np

from pcapleak.track.flows.columns import (
    BYTES,
    FIRST_FRAME,
    FIRST_NS,
    HIGHEST_NS,
    LAST_NS,
    LOWEST_NS,
    PACKETS,
    RESP_SHIFT,
    FlowColumns,
    Mark,
)
from pcapleak.track.flows.community_id import ICMP_ANSWERS
from pcapleak.track.flows.index import Keys, grown
from pcapleak.values.packets import Bool, Int32, Int64, Packets, UInt8, UInt32, UInt64
from pcapleak.values.registries import ICMP, ICMPV6

_SIXTEEN = np.uint64(16)
_ENCAPSULATION = np.uint64(0xFFFF_0000)
_ANSWERS = np.full((2, 256), -1, np.int64)
for _row, _protocol in enumerate((ICMP, ICMPV6)):
    for _request, _answer in ICMP_ANSWERS[_protocol].items():
        _ANSWERS[_row, _request] = _answer


MAX_SINGLE = 240_000
"""Flows told apart: a browser makes as many in days."""

MAX_FLOWS = (1 << 18) - 2048
"""Flows with those of hosts, see `FlowTable`; those of nobody then fit before the columns, which
grow by doubling, grow once more. One takes 144 to 288 bytes (56 of key, 64 of
counts, 16 of link-layer addresses, 8 of bits; 16 to 32 a slot, times growth by doubling), so
75 MB at the most."""


class FlowTable(FlowColumns):
    """Flows by (interface, version, protocol, both endpoints, encapsulation).

    orig is the endpoint that was seen sending first. Flow ids count from 0 in the order of
    first packets, and are the positions in the columns.

    The table is bounded without forgetting, because a flow forgotten is a leak forgotten:
    conversations beyond the first `single` are told apart by their hosts only, with ports 0;
    beyond `limit` flows those of new hosts count for the unspecified address.
    """

    def __init__(self, single: int = MAX_SINGLE, limit: int = MAX_FLOWS) -> None:
        super().__init__()
        self._single = single
        self._limit = limit
        self._latest_ns = LOWEST_NS

    def update(self, packets: Packets) -> tuple[Int64, Bool]:
        """Count `packets`; for each row its flow's id and whether orig sent it."""
        if not len(packets):
            return np.empty(0, np.int64), np.empty(0, np.bool_)
        known = len(self)
        flow, forward = self._identify(_keys_of(packets))
        counts = self._counts.reshape(-1)
        base = flow << 3
        way = base + ~forward
        np.add.at(counts, way + PACKETS, 1)
        np.add.at(counts, way + BYTES, packets.length)
        self._time(base, packets.ts_ns, np.flatnonzero(flow >= known))
        # Written last to first, so that the first frame of each direction stays
        fresh = np.flatnonzero(counts.take(way + FIRST_FRAME) < 0)[::-1]
        counts[way[fresh] + FIRST_FRAME] = packets.frame[fresh]
        end = (flow << 1) + ~forward
        self._hops.reshape(-1)[end[fresh]] = packets.hop_limit[fresh]
        self._mark_ends(packets, flow, end)
        flagged = np.flatnonzero(packets.tcp_flags)
        told = packets.tcp_flags[flagged]
        seen = np.flatnonzero(told & ~self._tcp_flags.take(flow[flagged]))
        np.bitwise_or.at(self._tcp_flags, flow[flagged[seen]], told[seen])
        return flow, forward

    def _mark_ends(self, packets: Packets, flow: Int64, end: Int64) -> None:
        """Keep link-layer addresses and directions; `end` counts orig and resp of all flows."""
        links = self._links.reshape(-1)
        other = np.flatnonzero(links.take(end) != packets.source_link)
        other = other[packets.source_link[other] != 0]
        if len(other):
            fresh = other[links.take(end[other]) == 0][::-1]
            links[end[fresh]] = packets.source_link[fresh]
            other = other[links.take(end[other]) != packets.source_link[other]]
            self._mark(flow, end, other, np.uint8(Mark.ORIG_LINK_VARIES))
        told = np.flatnonzero(packets.direction)
        # The bits of `Mark` are numbered as directions are.
        self._mark(flow, end, told, packets.direction[told])

    def _mark(self, flow: Int64, end: Int64, rows: Int64, bits: UInt8 | np.uint8) -> None:
        """Set bits of `Mark` that are given as orig's."""
        marks = bits << np.where(end[rows] & 1, RESP_SHIFT, 0).astype(np.uint8)
        new = np.flatnonzero(marks & ~self._marks.take(flow[rows]))
        np.bitwise_or.at(self._marks, flow[rows[new]], marks[new])

    def _time(self, base: Int64, times: Int64, new: Int64) -> None:
        """Count `times` for the flows at `base`; the rows `new` are those of new flows."""
        counts = self._counts.reshape(-1)
        new = new[::-1]  # Of several writes the last stays.
        counts[base[new] + FIRST_NS] = times[new]
        if times[0] >= self._latest_ns and (times[1:] >= times[:-1]).all():
            # In order, as nearly always
            counts[base + LAST_NS] = times
            self._latest_ns = int(times[-1])
        else:
            np.minimum.at(counts, base + FIRST_NS, times)
            np.maximum.at(counts, base + LAST_NS, times)
            self._latest_ns = max(self._latest_ns, int(times.max()))

    def _identify(self, keys: Keys) -> tuple[Int64, Bool]:
        """Each row's flow and direction, with new flows entered in the order of their rows."""
        flow, forward = self._number(keys, self._single)
        left = np.flatnonzero(flow < 0)
        if len(left):
            if self.single is None:
                self.single = len(self)
            zero = np.zeros(len(left), np.uint64)
            hosts = keys.select(left)._replace(ports=zero, reverse_ports=zero)
            flow[left], forward[left] = self._number(hosts, self._limit)
            far = np.flatnonzero(flow[left] < 0)
            if len(far):
                rows, zero = left[far], zero[far]
                # One for each interface, IP version and protocol: no stranger makes many.
                kind = hosts.meta[far] & ~_ENCAPSULATION
                nobody = Keys(zero, zero, zero, zero, zero, zero, kind)
                flow[rows], forward[rows] = self._number(nobody, None)
        if self.single is not None:
            self.merged += int((flow >= self.single).sum())
        return flow, forward

    def _number(self, keys: Keys, limit: int | None) -> tuple[Int64, Bool]:
        """Ids and directions, new flows entered up to `limit`; -1 for those beyond it."""
        known = len(self)
        flow, forward = self._index.number(keys, limit)
        if len(self) > known:
            self._enter(known)
        return flow, forward

    def _enter(self, first: int) -> None:
        """Make empty rows for the flows that are new, from `first` on."""
        room, size = len(self._services), len(self)
        if size > room:
            while size > room:
                room *= 2
            self._counts = grown(self._counts, room)
            self._services = grown(self._services, room)
            self._tcp_flags = grown(self._tcp_flags, room)
            self._links = grown(self._links, room)
            self._hops = grown(self._hops, room)
            self._marks = grown(self._marks, room)
        counts = self._counts[first:size]
        counts[:] = 0
        counts[:, FIRST_FRAME : FIRST_FRAME + 2] = -1
        counts[:, FIRST_NS], counts[:, LAST_NS] = HIGHEST_NS, LOWEST_NS
        self._services[first:size] = 0
        self._tcp_flags[first:size] = 0
        self._links[first:size] = 0
        self._hops[first:size] = 0
        self._marks[first:size] = 0

    def mark(self, flow: Int64, services: UInt32) -> None:
        """Add `services` to the flows they were recognised on."""
        rows = np.flatnonzero(services)
        if len(rows):
            np.bitwise_or.at(self._services, flow[rows], services[rows])


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
