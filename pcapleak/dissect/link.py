"""Link layers by columns: from record offsets to network headers.

Each function takes columns of one link type and answers where the next header starts and
its EtherType. `NOT_CARRIED` stands where there is no such header.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcapleak.dissect.field_reads import take, take_address, take_u8, take_u16
from pcapleak.values.packets import Bool, Bytes, Direction, Int64, UInt8, UInt16, UInt32, UInt64

IPV4 = 0x0800
IPV6 = 0x86DD
ARP = 0x0806
NOT_CARRIED = 0
"""No network header: the frame is too short or its protocol has no EtherType."""

ETHERNET = 1
SLL = 113
SLL2 = 276
PKTAP = (149, 258)
RAW_IP = (101, 12, 14, 228, 229)
LOOPBACK = (0, 108)

_TAGS = (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300)
"""802.1Q, 802.1ad and the pre-standard QinQ tags."""
_MPLS = (0x8847, 0x8848)
_PPPOE = 0x8864
_LLC_LARGEST = 1500
_INSIDE = np.zeros(65536, np.bool_)
_INSIDE[[*_TAGS, *_MPLS, _PPPOE]] = True
_INSIDE[1 : _LLC_LARGEST + 1] = True
_BRIDGED = 0x6558
"""Transparent Ethernet bridging: what an MPLS pseudowire is taken for."""
_ROUNDS = 16
"""Tags and labels nested deeper than this are taken as garbage; real networks stack few."""

_FAMILY = {2: IPV4, 10: IPV6, 23: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}
"""Address families of NULL/LOOP headers: AF_INET everywhere, AF_INET6 by system."""

_ADDRESS_BYTES = 6
"""Of an EUI-48; a cooked header says how many of its eight bytes are the address."""

_PACKET_TYPE = np.zeros(256, np.uint8)
_PACKET_TYPE[[0, 1, 2]] = Direction.INBOUND
_PACKET_TYPE[4] = Direction.OUTBOUND

_PKTAP_DIRECTION = np.array(
    [Direction.UNKNOWN, Direction.INBOUND, Direction.OUTBOUND, Direction.UNKNOWN], np.uint8
)


class Link(NamedTuple):
    """What a link layer tells of each frame."""

    network: Int64
    """Offset of the network header, at most the frame's end."""
    ethertype: UInt16
    direction: UInt8 | None = None
    hardware_type: UInt16 | None = None
    interface_index: UInt32 | None = None
    """The operating system's interface index (SLL2)."""
    source: UInt64 | None = None
    """The sender's link-layer address, 0 for none."""


def ethernet(data: Bytes, offset: Int64, end: Int64, ethertype: UInt16 | None) -> Link:
    """Ethernet II (IEEE 802.3), tags skipped; `ethertype` if it was read already."""
    if ethertype is None:
        kind = take_u16(data, np.minimum(offset + 12, end))
    else:
        kind = ethertype.copy()
    network = offset + 14
    short = network > end
    if short.any():
        kind[short] = NOT_CARRIED
        network = np.minimum(network, end)
    source = take_address(data, np.minimum(offset + 6, end))
    return Link(*skip_tags(data, network, end, kind), source=source)


def skip_tags(data: Bytes, network: Int64, end: Int64, ethertype: UInt16) -> tuple[Int64, UInt16]:
    """Step over VLAN tags, MPLS labels, PPPoE and LLC, in bounded rounds over such rows only."""
    rows = np.flatnonzero((ethertype != IPV4) & (ethertype != IPV6))
    rows = rows[_INSIDE[ethertype[rows]]]
    if not len(rows):
        return network, ethertype
    for _ in range(_ROUNDS):
        after, inner = _step(data, network[rows], ethertype[rows])
        inner[after > end[rows]] = NOT_CARRIED
        network[rows] = np.minimum(after, end[rows])
        ethertype[rows] = inner
        rows = rows[_INSIDE[inner]]
        if not len(rows):
            return network, ethertype
    ethertype[rows] = NOT_CARRIED
    return network, ethertype


def _step(data: Bytes, at: Int64, kind: UInt16) -> tuple[Int64, UInt16]:
    """What follows one tag, label, PPPoE or LLC header, and where."""
    head = take(data, at, 8)
    words = head.view(">u2").astype(np.uint16)
    # Tags: 16 bits of tag, then the next EtherType (IEEE 802.1Q section 9.3).
    after, inner = at + 4, words[:, 1]
    label = np.isin(kind, _MPLS)
    if label.any():
        bottom = label & (head[:, 2] & 1 == 1)
        version = head[:, 4] >> 4
        inner = np.where(label, kind, inner)
        inner[bottom] = _BRIDGED
        inner[bottom & (version == 4)] = IPV4
        inner[bottom & (version == 6)] = IPV6
        # A pseudowire's control word starts with zero (RFC 4385 section 3).
        after = np.where(bottom & (version == 0), at + 8, after)
    session = kind == _PPPOE
    if session.any():
        # An odd first byte is a compressed protocol field (RFC 1661 section 6.5).
        short = head[:, 6] & 1 == 1
        point = np.where(short, head[:, 6], words[:, 3])
        inner = np.where(session, NOT_CARRIED, inner).astype(np.uint16)
        inner[session & (point == 0x0021)] = IPV4
        inner[session & (point == 0x0057)] = IPV6
        after = np.where(session, at + 8 - short, after)
    logical = kind <= _LLC_LARGEST
    if logical.any():
        snap = logical & (words[:, 0] == 0xAAAA) & (head[:, 2] == 3)
        plain = logical & (words[:, 0] == 0x0606) & (head[:, 2] == 3)
        inner = np.where(logical, NOT_CARRIED, inner).astype(np.uint16)
        inner = np.where(snap, words[:, 3], inner)
        inner[plain] = IPV4
        after = np.where(snap, at + 8, np.where(plain, at + 3, after))
    return after, inner


class Pktap(NamedTuple):
    """Apple's headers (bsd/net/pktap.h of its kernel), column by column."""

    whole: Bool
    """Whether the header is there as far as it is read."""
    length: Int64
    link_type: UInt32
    """Of what follows."""
    name: NDArray[np.bytes_]
    """The interface's."""
    direction: UInt8
    processes: Bytes
    """The process's and the effective process's id and name, as they lie in the header; zeros
    where it is too short for them."""

    def select(self, rows: Bool) -> Pktap:
        """The columns of `rows` only."""
        return Pktap(
            self.whole[rows],
            self.length[rows],
            self.link_type[rows],
            self.name[rows],
            self.direction[rows],
            self.processes[rows],
        )


_PKTAP_BYTES = 40
_PKTAP_PROCESSES = slice(52, 105)
_PKTAP_NAME = slice(12, 36)


def pktap(data: Bytes, offset: Int64, end: Int64) -> Pktap:
    """Length, record type, link type, 24 bytes of the interface's name, flags (1: in, 2: out)."""
    head = take(data, np.minimum(offset, end), _PKTAP_PROCESSES.stop + 3)
    words = head.view("<u4")
    length = words[:, 0].astype(np.int64)
    return Pktap(
        (length >= _PKTAP_BYTES) & (offset + length <= end),
        length,
        words[:, 2].astype(np.uint32),
        np.ascontiguousarray(head[:, _PKTAP_NAME]).view("S24")[:, 0],
        _PKTAP_DIRECTION[words[:, 9] & 3],
        np.where((length >= _PKTAP_PROCESSES.stop)[:, None], head[:, _PKTAP_PROCESSES], 0),
    )


def raw_ip(data: Bytes, offset: Int64, end: Int64) -> Link:
    """No link header at all: the version nibble decides."""
    version = take_u8(data, offset) >> 4
    kind = np.select([version == 4, version == 6], [IPV4, IPV6], NOT_CARRIED).astype(np.uint16)
    kind[offset >= end] = NOT_CARRIED
    return Link(offset, kind)


def loopback(data: Bytes, offset: Int64, end: Int64) -> Link:
    """BSD loopback: a 32-bit address family in the byte order of the machine that wrote it."""
    head = take(data, offset, 4)
    big = head.view(">u4")[:, 0].astype(np.uint32)
    # Families are below 256, so exactly one byte order gives a small number.
    family = np.where(big < 256, big, head.view("<u4")[:, 0])
    kind = np.zeros(len(offset), np.uint16)
    for number, ethertype in _FAMILY.items():
        kind[family == number] = ethertype
    kind[offset + 4 > end] = NOT_CARRIED
    return Link(np.minimum(offset + 4, end), kind)


def linux_cooked(data: Bytes, offset: Int64, end: Int64) -> Link:
    """Linux cooked v1 (LINKTYPE_LINUX_SLL): type, ARPHRD, address, protocol."""
    head = take(data, offset, 16)
    words = head.view(">u2")
    kind = words[:, 7].astype(np.uint16)
    kind[offset + 16 > end] = NOT_CARRIED
    network, kind = skip_tags(data, np.minimum(offset + 16, end), end, kind)
    direction = _PACKET_TYPE[np.minimum(words[:, 0], 255)]
    source = take_address(data, np.minimum(offset + 6, end))
    source[words[:, 2] != _ADDRESS_BYTES] = 0
    return Link(network, kind, direction, words[:, 1].astype(np.uint16), source=source)


def linux_cooked_v2(data: Bytes, offset: Int64, end: Int64) -> Link:
    """Linux cooked v2 (LINKTYPE_LINUX_SLL2): protocol, interface index, ARPHRD, type."""
    head = take(data, offset, 20)
    words = head.view(">u2")
    kind = words[:, 0].astype(np.uint16)
    kind[offset + 20 > end] = NOT_CARRIED
    network, kind = skip_tags(data, np.minimum(offset + 20, end), end, kind)
    source = take_address(data, np.minimum(offset + 12, end))
    source[head[:, 11] != _ADDRESS_BYTES] = 0
    return Link(
        network,
        kind,
        _PACKET_TYPE[head[:, 10]],
        words[:, 4].astype(np.uint16),
        head.view(">u4")[:, 1].astype(np.uint32),
        source,
    )
