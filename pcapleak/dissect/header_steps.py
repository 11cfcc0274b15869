"""What the readers of single headers share."""

from __future__ import annotations

import struct
from typing import Final

from pcapleak.dissect.link import IPV4, IPV6

Layer = int | str
"""A protocol layer: its EtherType where it has one, else a word."""

Step = tuple[Layer, int]
"""The layer that follows, and the offset where it starts."""

NOTHING: Final = "nothing"
"""No layer we can enter follows."""

u16 = struct.Struct(">H").unpack_from
u32 = struct.Struct(">I").unpack_from
u16_le = struct.Struct("<H").unpack_from
u32_le = struct.Struct("<I").unpack_from

VERSIONS: dict[int, Layer] = {4: IPV4, 6: IPV6}
FAMILIES: dict[int, Layer] = {
    2: IPV4,
    10: IPV6,
    23: IPV6,
    24: IPV6,
    26: IPV6,
    28: IPV6,
    30: IPV6,
}
"""AF_INET, and AF_INET6 of Linux, Windows, NetBSD, Solaris, FreeBSD, Darwin."""

LINK_LAYERS: dict[int, Layer] = {
    0: "loopback",
    1: "ethernet",
    8: "slip",
    9: "ppp",
    10: "fddi",
    12: "bare",
    14: "bare",
    50: "ppp",
    100: "llc",
    101: "bare",
    104: "chdlc",
    105: "802.11",
    107: "frame relay",
    108: "loopback",
    113: "cooked",
    127: "radiotap",
    149: "pktap",
    192: "ppi",
    226: "ipnet",
    228: "bare",
    229: "bare",
    239: "nflog",
    258: "pktap",
}
"""Layers by LINKTYPE number."""


def by_version(octets: bytes, at: int) -> Step:
    """A bare IP packet: its version nibble decides."""
    version = octets[at] >> 4
    return VERSIONS.get(version, NOTHING), at
