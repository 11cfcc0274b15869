"""Link layers by columns: from record offsets to network headers.

Each function takes columns of one link type and answers where the next header starts and
its EtherType. `NOT_CARRIED` stands where there is no such header.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pcapleak.model import Bytes, Direction, Int64, UInt8, UInt16, UInt32

from .gather import take, take_u8, take_u16

IPV4 = 0x0800
IPV6 = 0x86DD
ARP = 0x0806
NOT_CARRIED = 0
"""No network header: the frame is too short or its protocol has no EtherType."""

ETHERNET = 1
SLL = 113
SLL2 = 276
RAW_IP = (101, 12, 14, 228, 229)
LOOPBACK = (0, 108)

# 802.1Q, 802.1ad, the two pre-standard QinQ tags, and VN-Tag/E-Tag need other lengths
_TAG_LENGTH = np.zeros(65536, np.uint8)
_TAG_LENGTH[[0x8100, 0x88A8, 0x9100, 0x9200, 0x9300]] = 4
_TAG_LENGTH[0x8926] = 6  # VN-Tag: 4 bytes, then the EtherType
_TAG_LENGTH[0x893F] = 8  # E-Tag (802.1BR): 6 bytes, then the EtherType
_TAG_ROUNDS = 8
"""Tags nested deeper than this are taken as garbage; real networks stack at most four."""

_FAMILY = {2: IPV4, 10: IPV6, 23: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}
"""Address families of NULL/LOOP headers: AF_INET everywhere, AF_INET6 by system."""

_PACKET_TYPE = np.zeros(256, np.uint8)
_PACKET_TYPE[[0, 1, 2]] = Direction.INBOUND
_PACKET_TYPE[4] = Direction.OUTBOUND


class Link(NamedTuple):
    """What a link layer tells of each frame."""

    network: Int64
    """Offset of the network header, at most the frame's end."""
    ethertype: UInt16
    direction: UInt8 | None = None
    hardware_type: UInt16 | None = None
    interface_index: UInt32 | None = None
    """The operating system's interface index (SLL2)."""


def ethernet(data: Bytes, offset: Int64, end: Int64) -> Link:
    """Ethernet II (IEEE 802.3), tags skipped."""
    kind = take_u16(data, np.minimum(offset + 12, end))
    network = offset + 14
    short = network > end
    if short.any():
        kind[short] = NOT_CARRIED
        network = np.minimum(network, end)
    return Link(*skip_tags(data, network, end, kind))


def skip_tags(data: Bytes, network: Int64, end: Int64, ethertype: UInt16) -> tuple[Int64, UInt16]:
    """Step over VLAN and similar tags, in bounded rounds over the tagged rows only."""
    length = _TAG_LENGTH[ethertype]
    if not length.any():
        return network, ethertype
    rows = np.flatnonzero(length)
    for _ in range(_TAG_ROUNDS):
        after = network[rows] + _TAG_LENGTH[ethertype[rows]]
        short = after > end[rows]
        after = np.minimum(after, end[rows])
        inner = take_u16(data, after - 2)
        inner[short] = NOT_CARRIED
        network[rows] = after
        ethertype[rows] = inner
        rows = rows[_TAG_LENGTH[inner] > 0]
        if not len(rows):
            return network, ethertype
    ethertype[rows] = NOT_CARRIED
    return network, ethertype


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
    return Link(network, kind, direction, words[:, 1].astype(np.uint16))


def linux_cooked_v2(data: Bytes, offset: Int64, end: Int64) -> Link:
    """Linux cooked v2 (LINKTYPE_LINUX_SLL2): protocol, interface index, ARPHRD, type."""
    head = take(data, offset, 20)
    words = head.view(">u2")
    kind = words[:, 0].astype(np.uint16)
    kind[offset + 20 > end] = NOT_CARRIED
    network, kind = skip_tags(data, np.minimum(offset + 20, end), end, kind)
    return Link(
        network,
        kind,
        _PACKET_TYPE[head[:, 10]],
        words[:, 4].astype(np.uint16),
        head.view(">u4")[:, 1].astype(np.uint32),
    )
