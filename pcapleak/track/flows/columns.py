"""What is known of each flow, as columns."""

from __future__ import annotations

from enum import IntFlag

import numpy as np

from pcapleak.track.flows.community_id import community_id
from pcapleak.track.flows.index import META, ORIG_HI, ORIG_LO, PORTS, RESP_HI, RESP_LO, FlowIndex
from pcapleak.values.endpoints import address_of, words_of
from pcapleak.values.packets import Endpoint, Int64, UInt8, UInt16, UInt32, UInt64

PACKETS, BYTES, FIRST_FRAME, FIRST_NS, LAST_NS = 0, 2, 4, 6, 7
"""Columns of the counts; those of resp stand one after those of orig."""


class Mark(IntFlag):
    """What the recorder said of some packet of a flow, and whether frames of one end came from
    more than one link-layer address."""

    ORIG_INBOUND = 1
    ORIG_OUTBOUND = 2
    ORIG_LINK_VARIES = 4
    RESP_INBOUND = 8
    RESP_OUTBOUND = 16
    RESP_LINK_VARIES = 32


RESP_SHIFT = 3
"""From orig's bits of `Mark` to resp's."""

LOWEST_NS, HIGHEST_NS = -(1 << 63), (1 << 63) - 1
"""Times before and after any packet's."""

_SIXTEEN = np.uint64(16)


class FlowColumns:
    """The reading side of the flow table: columns over flows, and single flows by id."""

    def __init__(self) -> None:
        self.single: int | None = None
        """Ids from here on may be several conversations of two hosts; None while all are one."""
        self.merged = 0
        """Packets counted for such flows."""
        self._index = FlowIndex()
        self._counts: Int64 = np.zeros((1 << 12, 8), np.int64)
        self._services: UInt32 = np.zeros(1 << 12, np.uint32)
        self._tcp_flags: UInt8 = np.zeros(1 << 12, np.uint8)
        self._links: UInt64 = np.zeros((1 << 12, 2), np.uint64)
        self._hops: UInt8 = np.zeros((1 << 12, 2), np.uint8)
        self._marks: UInt8 = np.zeros(1 << 12, np.uint8)

    def __len__(self) -> int:
        return self._index.size

    @property
    def keys(self) -> UInt64:
        """Rows of the columns that `index` names."""
        return self._index.stored

    @property
    def interface(self) -> Int64:
        """Interface ids."""
        return self._meta(32, 0xFFFF_FFFF).astype(np.int64)

    @property
    def encapsulation(self) -> Int64:
        """Indices into the dissector's encapsulations, 0 for none."""
        return self._meta(16, 0xFFFF).astype(np.int64)

    @property
    def version(self) -> UInt8:
        """4 or 6."""
        return self._meta(8, 0xFF).astype(np.uint8)

    @property
    def protocol(self) -> UInt8:
        """IP protocol numbers."""
        return self._meta(0, 0xFF).astype(np.uint8)

    def _meta(self, shift: int, mask: int) -> UInt64:
        column: UInt64 = self._index.stored[:, META] >> np.uint64(shift) & np.uint64(mask)
        return column

    @property
    def orig_hi(self) -> UInt64:
        """High words of orig's addresses."""
        return self._index.stored[:, ORIG_HI]

    @property
    def orig_lo(self) -> UInt64:
        """Low words of orig's addresses."""
        return self._index.stored[:, ORIG_LO]

    @property
    def resp_hi(self) -> UInt64:
        """High words of resp's addresses."""
        return self._index.stored[:, RESP_HI]

    @property
    def resp_lo(self) -> UInt64:
        """Low words of resp's addresses."""
        return self._index.stored[:, RESP_LO]

    @property
    def orig_port(self) -> UInt16:
        """Ports of orig; the type for ICMP."""
        return (self._index.stored[:, PORTS] >> _SIXTEEN).astype(np.uint16)

    @property
    def resp_port(self) -> UInt16:
        """Ports of resp; for ICMP the type that answers orig's, or the code."""
        return (self._index.stored[:, PORTS] & np.uint64(0xFFFF)).astype(np.uint16)

    @property
    def first_ns(self) -> Int64:
        """Times of the earliest packets."""
        return self._count(FIRST_NS)

    @property
    def last_ns(self) -> Int64:
        """Times of the latest packets."""
        return self._count(LAST_NS)

    @property
    def orig_packets(self) -> Int64:
        """Packets orig sent."""
        return self._count(PACKETS)

    @property
    def resp_packets(self) -> Int64:
        """Packets resp sent."""
        return self._count(PACKETS + 1)

    @property
    def orig_bytes(self) -> Int64:
        """Bytes of the frames orig sent, as they were on the wire."""
        return self._count(BYTES)

    @property
    def resp_bytes(self) -> Int64:
        """Bytes of the frames resp sent, as they were on the wire."""
        return self._count(BYTES + 1)

    @property
    def orig_first_frame(self) -> Int64:
        """The first frame orig sent."""
        return self._count(FIRST_FRAME)

    @property
    def resp_first_frame(self) -> Int64:
        """The first frame resp sent, -1 for none."""
        return self._count(FIRST_FRAME + 1)

    def _count(self, column: int) -> Int64:
        return self._counts[: len(self), column]

    @property
    def services(self) -> UInt32:
        """`Service` bits."""
        return self._services[: len(self)]

    @property
    def tcp_flags(self) -> UInt8:
        """All TCP flags seen, both directions together."""
        return self._tcp_flags[: len(self)]

    @property
    def orig_link(self) -> UInt64:
        """Link-layer addresses of the first frames orig sent that had one, 0 for none."""
        return self._links[: len(self), 0]

    @property
    def resp_link(self) -> UInt64:
        """Link-layer addresses of the first frames resp sent that had one, 0 for none."""
        return self._links[: len(self), 1]

    @property
    def orig_hops(self) -> UInt8:
        """Hop limits of the first packets orig sent."""
        return self._hops[: len(self), 0]

    @property
    def resp_hops(self) -> UInt8:
        """Hop limits of the first packets resp sent, 0 for none."""
        return self._hops[: len(self), 1]

    @property
    def marks(self) -> UInt8:
        """`Mark` bits."""
        return self._marks[: len(self)]

    def orig(self, flow: int) -> Endpoint:
        """The endpoint that sent first."""
        return self._endpoint(flow, ORIG_HI, 16)

    def resp(self, flow: int) -> Endpoint:
        """The endpoint that was sent to first."""
        return self._endpoint(flow, RESP_HI, 0)

    def interface_of(self, flow: int) -> int:
        """One flow's capture interface, without making the column."""
        return self._key(flow)[META] >> 32

    def encapsulation_of(self, flow: int) -> int:
        """What carried one flow, without making the column."""
        return self._key(flow)[META] >> 16 & 0xFFFF

    def protocol_of(self, flow: int) -> int:
        """One flow's IP protocol number, without making the column."""
        return self._key(flow)[META] & 0xFF

    def sent_by_orig(self, source: Endpoint, destination: Endpoint) -> bool:
        """Whether `source` opened its conversation with `destination`; true where none is known."""
        hi, lo = words_of(source.address)
        peer_hi, peer_lo = words_of(destination.address)
        answered = (
            (self.resp_port == source.port)
            & (self.orig_port == destination.port)
            & (self.resp_hi == hi)
            & (self.resp_lo == lo)
            & (self.orig_hi == peer_hi)
            & (self.orig_lo == peer_lo)
        )
        return not bool(answered.any())

    def _endpoint(self, flow: int, column: int, shift: int) -> Endpoint:
        key = self._key(flow)
        address = address_of(key[META] >> 8 & 0xFF, key[column], key[column + 1])
        return Endpoint(address, key[PORTS] >> shift & 0xFFFF)

    def _key(self, flow: int) -> list[int]:
        key: list[int] = self._index.stored[flow].tolist()
        return key

    def community_id(self, flow: int) -> str:
        """The flow's Community ID, version 1 with seed 0."""
        return community_id(self._key(flow)[META] & 0xFF, self.orig(flow), self.resp(flow))
