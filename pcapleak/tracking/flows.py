"""The flow table: one row for each conversation of two endpoints, filled batch by batch."""

from __future__ import annotations

import base64
import hashlib
import os
import struct

import numpy as np

from pcapleak.model import (
    Bool,
    Endpoint,
    Int64,
    Packets,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    address_of,
)

_ICMP = 1
_ICMPV6 = 58
# Request and answer of ICMP exchanges: RFC 792, 950, 1256; RFC 4443, 4861, 2894, 2710.
# Zeek's and Community ID's tables; an echo and its reply are one flow.
_COUNTERPART = {
    _ICMP: ((8, 0), (13, 14), (15, 16), (10, 9), (17, 18)),
    _ICMPV6: ((128, 129), (133, 134), (135, 136), (130, 131), (144, 145)),
}

_PORTED = frozenset((1, 6, 17, 58, 132))
"""Protocols whose Community ID covers ports (or ICMP type and code)."""

# Columns of the table of counts
_PACKETS, _BYTES, _FIRST_FRAME, _FIRST_NS, _LAST_NS = 0, 2, 4, 6, 7
# Columns of the table of keys
_ORIG_HI, _ORIG_LO, _RESP_HI, _RESP_LO, _PORTS, _META = range(6)
_TAG = np.uint64(0xFFFF_FFFF_0000_0000)
_ID = np.uint64(0x0000_0000_FFFF_FFFF)
_LOW = np.uint64(1 << 32)


def _counterparts() -> Int64:
    table = np.full((2, 256), -1, np.int64)
    for row, protocol in enumerate((_ICMP, _ICMPV6)):
        for request, answer in _COUNTERPART[protocol]:
            table[row, request], table[row, answer] = answer, request
    return table


_ANSWERS = _counterparts()


class FlowTable:
    """Flows by (interface, version, protocol, both endpoints, encapsulation).

    orig is the endpoint that was seen sending first. An incremental open-addressing table
    on a keyed hash, so that a capture cannot be built to make it slow; the hash only finds
    candidates, the whole key is compared. 128 bytes a flow.
    """

    def __init__(self) -> None:
        self._size = 0
        self._latest_ns = -(1 << 63)
        self._slots: UInt64 = np.zeros(1 << 14, np.uint64)
        self._keys: UInt64 = np.zeros((1 << 12, 6), np.uint64)
        self._counts: Int64 = np.zeros((1 << 12, 8), np.int64)
        self._services: UInt32 = np.zeros(1 << 12, np.uint32)
        self._tcp_flags: UInt8 = np.zeros(1 << 12, np.uint8)
        self._hashes: UInt64 = np.zeros(1 << 12, np.uint64)
        self._secret = np.frombuffer(os.urandom(64), np.uint64) | np.uint64(1)

    def __len__(self) -> int:
        return self._size

    def update(self, packets: Packets) -> tuple[Int64, Bool]:
        """Count `packets`; for each row its flow's id and whether orig sent it."""
        if not len(packets):
            return np.empty(0, np.int64), np.empty(0, np.bool_)
        keys, reverse_ports = self._key_columns(packets)
        hashes = self._hash(keys, reverse_ports)
        flow, forward = self._find(hashes, keys, reverse_ports)
        missing = np.flatnonzero(flow < 0)
        while len(missing):
            # One new flow for each distinct hash, in the order of first packets; then look
            # again, so that two flows with one hash each get their own.
            _, first = np.unique(hashes[missing], return_index=True)
            rows = missing[np.sort(first)]
            self._insert(rows, keys, hashes, packets)
            flow[missing], forward[missing] = self._find(
                hashes[missing], [column[missing] for column in keys], reverse_ports[missing]
            )
            missing = missing[flow[missing] < 0]
        self._count(packets, flow, forward)
        return flow, forward

    def _key_columns(self, packets: Packets) -> tuple[list[UInt64], UInt64]:
        source = packets.source_port.astype(np.uint64)
        destination = packets.destination_port.astype(np.uint64)
        protocol = packets.protocol
        control = (protocol == _ICMP) | (protocol == _ICMPV6)
        if control.any():
            rows = np.flatnonzero(control)
            answer = _ANSWERS[
                (protocol[rows] == _ICMPV6).astype(np.intp), packets.source_port[rows] & 0xFF
            ]
            paired = answer >= 0
            destination[rows[paired]] = answer[paired]
        sixteen = np.uint64(16)
        meta = packets.interface.astype(np.uint64) << np.uint64(32)
        meta |= packets.version.astype(np.uint64) << np.uint64(8)
        meta |= protocol
        if packets.encapsulation.any():
            meta |= packets.encapsulation.astype(np.uint64) << sixteen
        columns = [
            packets.source_hi,
            packets.source_lo,
            packets.destination_hi,
            packets.destination_lo,
            source << sixteen | destination,
            meta,
        ]
        return columns, destination << sixteen | source

    def _hash(self, keys: list[UInt64], reverse_ports: UInt64) -> UInt64:
        """Equal for both directions: the ends are hashed apart, then added."""
        secret = self._secret
        sixteen = np.uint64(16)
        total = keys[_META] * secret[5]
        for hi, lo, ports in (
            (keys[_ORIG_HI], keys[_ORIG_LO], keys[_PORTS]),
            (keys[_RESP_HI], keys[_RESP_LO], reverse_ports),
        ):
            end = lo * secret[1]
            end += hi * secret[0]
            end += (ports >> sixteen) * secret[2]
            end ^= end >> np.uint64(32)
            end *= secret[3]
            end ^= end >> np.uint64(29)
            total += end
        total ^= total >> np.uint64(32)
        total *= secret[4]
        mixed: UInt64 = total ^ (total >> np.uint64(29))
        return mixed

    def _find(
        self, hashes: UInt64, keys: list[UInt64], reverse_ports: UInt64
    ) -> tuple[Int64, Bool]:
        """The flow of each key, -1 where there is none, and whether it is in orig's order."""
        mask = len(self._slots) - 1
        slot = (hashes & np.uint64(mask)).astype(np.int64)
        flow, forward, again = self._probe(slot, hashes, keys, reverse_ports)
        rows = np.flatnonzero(again)
        slot = slot[rows]
        while len(rows):
            slot = (slot + 1) & mask
            flow[rows], forward[rows], again = self._probe(
                slot, hashes[rows], [column[rows] for column in keys], reverse_ports[rows]
            )
            rows, slot = rows[again], slot[again]
        return flow, forward

    def _probe(
        self, slot: Int64, hashes: UInt64, keys: list[UInt64], reverse_ports: UInt64
    ) -> tuple[Int64, Bool, Bool]:
        """Look into one slot for each key; the last column says who must look further."""
        value = self._slots.take(slot)
        used = value != 0
        like = ((value ^ hashes) < _LOW) & used
        flow = (value & _ID).astype(np.int64) - 1
        stored = self._keys.take(np.where(like, flow, 0), axis=0)
        source_hi, source_lo, destination_hi, destination_lo, ports, meta = keys
        like &= stored[:, _META] == meta
        forward = (stored[:, _ORIG_LO] == source_lo) & (stored[:, _PORTS] == ports)
        forward &= stored[:, _RESP_LO] == destination_lo
        forward &= stored[:, _ORIG_HI] == source_hi
        forward &= stored[:, _RESP_HI] == destination_hi
        back = (stored[:, _RESP_LO] == source_lo) & (stored[:, _PORTS] == reverse_ports)
        back &= stored[:, _ORIG_LO] == destination_lo
        back &= stored[:, _RESP_HI] == source_hi
        back &= stored[:, _ORIG_HI] == destination_hi
        found = like & (forward | back)
        flow[~found] = -1
        return flow, forward, used & ~found

    def _insert(self, rows: Int64, keys: list[UInt64], hashes: UInt64, packets: Packets) -> None:
        start, stop = self._size, self._size + len(rows)
        self._reserve(stop)
        self._size = stop
        for position, column in enumerate(keys):
            self._keys[start:stop, position] = column[rows]
        counts = self._counts[start:stop]
        counts[:, _FIRST_NS] = counts[:, _LAST_NS] = packets.ts_ns[rows]
        counts[:, _FIRST_FRAME] = packets.frame[rows]
        counts[:, _FIRST_FRAME + 1] = -1
        self._hashes[start:stop] = hashes[rows]
        self._place(np.arange(start, stop))

    def _reserve(self, size: int) -> None:
        room = len(self._services)
        if size > room:
            while size > room:
                room *= 2
            for name in ("_keys", "_counts", "_services", "_tcp_flags", "_hashes"):
                old = getattr(self, name)
                new = np.zeros((room, *old.shape[1:]), old.dtype)
                new[: self._size] = old[: self._size]
                setattr(self, name, new)
        slots = len(self._slots)
        # At most a quarter full, so that nearly every key is found at the first look
        if size * 4 > slots:
            while size * 4 > slots:
                slots *= 2
            self._slots = np.zeros(slots, np.uint64)
            self._place(np.arange(self._size))

    def _place(self, ids: Int64) -> None:
        """Enter flows into the slots; of several that want one, the last written stays."""
        mask = len(self._slots) - 1
        value = (self._hashes[ids] & _TAG) | (ids + 1).astype(np.uint64)
        slot = (self._hashes[ids] & np.uint64(mask)).astype(np.int64)
        while len(value):
            free = self._slots[slot] == 0
            self._slots[slot[free]] = value[free]
            left = self._slots[slot] != value
            value, slot = value[left], (slot[left] + 1) & mask

    def _count(self, packets: Packets, flow: Int64, forward: Bool) -> None:
        counts = self._counts.reshape(-1)
        base = flow << 3
        way = base + ~forward
        np.add.at(counts, way + _PACKETS, 1)
        np.add.at(counts, way + _BYTES, packets.length)
        times = packets.ts_ns
        if times[0] >= self._latest_ns and (times[1:] >= times[:-1]).all():
            # In order, as nearly always: the last of several writes stays.
            counts[base + _LAST_NS] = times
            self._latest_ns = int(times[-1])
        else:
            np.minimum.at(counts, base + _FIRST_NS, times)
            np.maximum.at(counts, base + _LAST_NS, times)
            self._latest_ns = max(self._latest_ns, int(times.max()))
        back = np.flatnonzero(~forward)
        if len(back):
            back = back[self._counts[flow[back], _FIRST_FRAME + 1] < 0]
            # Written last to first, so that the first stays.
            back = back[::-1]
            self._counts[flow[back], _FIRST_FRAME + 1] = packets.frame[back]
        seen = np.flatnonzero(packets.tcp_flags & ~self._tcp_flags[flow])
        if len(seen):
            np.bitwise_or.at(self._tcp_flags, flow[seen], packets.tcp_flags[seen])

    def mark(self, flow: Int64, services: UInt32) -> None:
        """Add `services` to the flows they were recognised on."""
        rows = np.flatnonzero(services)
        if len(rows):
            np.bitwise_or.at(self._services, flow[rows], services[rows])

    @property
    def interface(self) -> Int64:
        """Interface ids."""
        column: Int64 = (self._keys[: self._size, _META] >> np.uint64(32)).astype(np.int64)
        return column

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
        column: UInt64 = (self._keys[: self._size, _META] >> np.uint64(shift)) & np.uint64(mask)
        return column

    @property
    def orig_hi(self) -> UInt64:
        """High words of orig's addresses."""
        return self._keys[: self._size, _ORIG_HI]

    @property
    def orig_lo(self) -> UInt64:
        """Low words of orig's addresses."""
        return self._keys[: self._size, _ORIG_LO]

    @property
    def resp_hi(self) -> UInt64:
        """High words of resp's addresses."""
        return self._keys[: self._size, _RESP_HI]

    @property
    def resp_lo(self) -> UInt64:
        """Low words of resp's addresses."""
        return self._keys[: self._size, _RESP_LO]

    @property
    def orig_port(self) -> UInt16:
        """Ports of orig; the type for ICMP."""
        return (self._keys[: self._size, _PORTS] >> np.uint64(16)).astype(np.uint16)

    @property
    def resp_port(self) -> UInt16:
        """Ports of resp; for ICMP the type that answers orig's, or the code."""
        return (self._keys[: self._size, _PORTS] & np.uint64(0xFFFF)).astype(np.uint16)

    @property
    def first_ns(self) -> Int64:
        """Times of the earliest packets."""
        return self._counts[: self._size, _FIRST_NS]

    @property
    def last_ns(self) -> Int64:
        """Times of the latest packets."""
        return self._counts[: self._size, _LAST_NS]

    @property
    def orig_packets(self) -> Int64:
        """Packets orig sent."""
        return self._counts[: self._size, _PACKETS]

    @property
    def resp_packets(self) -> Int64:
        """Packets resp sent."""
        return self._counts[: self._size, _PACKETS + 1]

    @property
    def orig_bytes(self) -> Int64:
        """Bytes of the frames orig sent, as they were on the wire."""
        return self._counts[: self._size, _BYTES]

    @property
    def resp_bytes(self) -> Int64:
        """Bytes of the frames resp sent, as they were on the wire."""
        return self._counts[: self._size, _BYTES + 1]

    @property
    def orig_first_frame(self) -> Int64:
        """The first frame orig sent."""
        return self._counts[: self._size, _FIRST_FRAME]

    @property
    def resp_first_frame(self) -> Int64:
        """The first frame resp sent, -1 for none."""
        return self._counts[: self._size, _FIRST_FRAME + 1]

    @property
    def services(self) -> UInt32:
        """`Service` bits."""
        return self._services[: self._size]

    @property
    def tcp_flags(self) -> UInt8:
        """All TCP flags seen, both directions together."""
        return self._tcp_flags[: self._size]

    def orig(self, flow: int) -> Endpoint:
        """The endpoint that sent first."""
        return self._endpoint(flow, _ORIG_HI, 16)

    def resp(self, flow: int) -> Endpoint:
        """The endpoint that was sent to first."""
        return self._endpoint(flow, _RESP_HI, 0)

    def _endpoint(self, flow: int, column: int, shift: int) -> Endpoint:
        key = self._keys[flow].tolist()
        version = key[_META] >> 8 & 0xFF
        address = address_of(version, key[column], key[column + 1])
        return Endpoint(address, key[_PORTS] >> shift & 0xFFFF)

    def community_id(self, flow: int) -> str:
        """The flow's Community ID, version 1 with seed 0."""
        key = self._keys[flow].tolist()
        version, protocol = key[_META] >> 8 & 0xFF, key[_META] & 0xFF
        size = 4 if version == 4 else 16
        ports = key[_PORTS]
        orig = (key[_ORIG_HI] << 64 | key[_ORIG_LO]).to_bytes(size, "big"), ports >> 16
        resp = (key[_RESP_HI] << 64 | key[_RESP_LO]).to_bytes(size, "big"), ports & 0xFFFF
        one_way = protocol in _COUNTERPART and _ANSWERS[int(protocol == _ICMPV6), orig[1]] < 0
        first, second = (orig, resp) if one_way or orig < resp else (resp, orig)
        data = b"\0\0" + first[0] + second[0] + bytes((protocol, 0))
        if protocol in _PORTED:
            data += struct.pack("!HH", first[1], second[1])
        digest = hashlib.sha1(data, usedforsecurity=False).digest()
        return "1:" + base64.b64encode(digest).decode()
