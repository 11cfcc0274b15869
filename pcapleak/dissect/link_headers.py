"""Headers of link layers too rare or too irregular for columns, one packet at a time.

Each function reads one header and says which layer follows, and where.
"""

from __future__ import annotations

import struct

from pcapleak.dissect.header_steps import (
    FAMILIES,
    LINK_LAYERS,
    NOTHING,
    VERSIONS,
    Layer,
    Step,
    by_version,
    u16,
    u16_le,
    u32,
    u32_le,
)
from pcapleak.dissect.link import IPV4, IPV6

_PPP_TYPES: dict[int, Layer] = {0x21: IPV4, 0x57: IPV6, 0x281: 0x8847, 0x283: 0x8848}
_NLPIDS: dict[int, Layer] = {0xCC: IPV4, 0x8E: IPV6}
_DATA_PAD = 0x20
"""Of radiotap's flags."""


def ethernet(octets: bytes, at: int) -> Step:
    """Ethernet II or IEEE 802.3 with LLC."""
    (kind,) = u16(octets, at + 12)
    return (kind if kind > 1500 else "llc"), at + 14


def llc(octets: bytes, at: int) -> Step:
    """IEEE 802.2, SNAP (RFC 1042) and RFC 2684 bridging and NLPIDs."""
    head = octets[at : at + 3]
    if head == b"\xaa\xaa\x03":
        organisation = octets[at + 3 : at + 6]
        (kind,) = u16(octets, at + 6)
        if organisation == b"\x00\x80\xc2" and kind in (1, 7):
            return "ethernet", at + 10
        return kind, at + 8
    if head == b"\x06\x06\x03":
        return IPV4, at + 3
    if head == b"\xfe\xfe\x03":
        return _NLPIDS.get(octets[at + 3], NOTHING), at + 4
    return NOTHING, at


def tag(octets: bytes, at: int) -> Step:
    """IEEE 802.1Q and 802.1ad tags."""
    return u16(octets, at + 2)[0], at + 4


def vn_tag(octets: bytes, at: int) -> Step:
    """Cisco's VN-Tag, ahead of IEEE 802.1BR."""
    return u16(octets, at + 4)[0], at + 6


def e_tag(octets: bytes, at: int) -> Step:
    """IEEE 802.1BR."""
    return u16(octets, at + 6)[0], at + 8


def cisco_metadata(octets: bytes, at: int) -> Step:
    """Cisco MetaData: version, length, one option, EtherType."""
    return u16(octets, at + 6)[0], at + 8


def backbone(octets: bytes, at: int) -> Step:
    """IEEE 802.1ah: a customer's frame after the I-TAG."""
    return "ethernet", at + 4


def mpls(octets: bytes, at: int) -> Step:
    """RFC 3032; without IP inside it is taken as an Ethernet pseudowire (RFC 4448)."""
    while not octets[at + 2] & 1:
        at += 4
    at += 4
    version = octets[at] >> 4
    if version == 0:
        return "ethernet", at + 4
    return VERSIONS.get(version, "ethernet"), at


def pppoe(octets: bytes, at: int) -> Step:
    """RFC 2516 section 4."""
    return "ppp", at + 6


def ppp(octets: bytes, at: int) -> Step:
    """RFC 1661 and 1662, with or without address and control, protocol field compressed."""
    if octets[at] in (0x0F, 0x8F):
        return "chdlc", at
    if octets[at : at + 2] == b"\xff\x03":
        at += 2
    if octets[at] & 1:
        return _PPP_TYPES.get(octets[at], NOTHING), at + 1
    return _PPP_TYPES.get(u16(octets, at)[0], NOTHING), at + 2


def chdlc(octets: bytes, at: int) -> Step:
    """Cisco's HDLC: address, control, EtherType."""
    return u16(octets, at + 2)[0], at + 4


def frame_relay(octets: bytes, at: int) -> Step:
    """RFC 2427, and Cisco's framing with an EtherType after the address."""
    while not octets[at] & 1:
        at += 1
    at += 1
    if octets[at] != 3:
        return u16(octets, at)[0], at + 2
    if octets[at + 1] == 0:
        at += 1
    number = octets[at + 1]
    if number == 0x80:
        return u16(octets, at + 5)[0], at + 7
    return _NLPIDS.get(number, NOTHING), at + 2


def ieee80211(octets: bytes, at: int) -> Step:
    """IEEE 802.11 without any capture header."""
    return wireless(octets, at, octets[at], octets[at + 1], octets[at + 22])


def wireless(octets: bytes, at: int, control: int, flags: int, sequence: int) -> Step:
    """A data frame of IEEE 802.11 in clear, not a later fragment: section 9.3.2."""
    if control & 0x0C != 0x08 or control & 0x40 or flags & 0x40 or sequence & 15:
        return NOTHING, at
    header = 30 if flags & 3 == 3 else 24
    aggregated = False
    if control & 0x80:
        aggregated = bool(octets[at + header] & 0x80)
        header += 6 if flags & 0x80 else 2
    return "llc", at + header + (14 if aggregated else 0)


def radiotap(octets: bytes, at: int) -> Step:
    """Radiotap, whose flags field may say that the 802.11 header is padded."""
    # All of dpkt is loaded with it, which only captures of radio need.
    from dpkt import UnpackError
    from dpkt.radiotap import Radiotap

    (length,) = u16_le(octets, at + 2)
    start = at + length
    try:
        # Without the frame behind it, most of which dpkt gives up where a byte is odd.
        header = Radiotap(octets[at:start])
    except UnpackError:
        return NOTHING, at
    if header.flags_present and header.flags.val & _DATA_PAD:
        # The driver padded the 802.11 header to four bytes.
        layer, inner = ieee80211(octets, start)
        return layer, start + (inner - start + 3 & ~3)
    return "802.11", start


def per_packet(octets: bytes, at: int) -> Step:
    """PPI: a little-endian header length and link type."""
    (length,) = u16_le(octets, at + 2)
    (link_type,) = u32_le(octets, at + 4)
    return LINK_LAYERS.get(link_type, NOTHING), at + length


def pktap(octets: bytes, at: int) -> Step:
    """Apple's PKTAP: length, record type, link type."""
    length, _, link_type = struct.unpack_from("<III", octets, at)
    return LINK_LAYERS.get(link_type, NOTHING), at + length


def nflog(octets: bytes, at: int) -> Step:
    """Attributes in the host's order; number 9 is the packet."""
    layer = FAMILIES.get(octets[at], NOTHING)
    order = "<" if u16_le(octets, at + 4)[0] <= len(octets) else ">"
    at += 4
    while True:
        length, kind = struct.unpack_from(order + "HH", octets, at)
        if kind & 0x7FFF == 9:
            return layer, at + 4
        if length < 4:
            return NOTHING, at
        at += length + 3 & ~3


def loopback(octets: bytes, at: int) -> Step:
    """BSD loopback: an address family in the byte order of the machine that wrote it."""
    family = min(u32(octets, at)[0], u32_le(octets, at)[0])
    return FAMILIES.get(family, NOTHING), at + 4


def cooked(octets: bytes, at: int) -> Step:
    """Linux cooked v1."""
    return u16(octets, at + 14)[0], at + 16


def fddi(octets: bytes, at: int) -> Step:
    """FDDI: frame control and addresses."""
    return "llc", at + 13


def ipnet(octets: bytes, at: int) -> Step:
    """Solaris' IP observability header."""
    return FAMILIES.get(octets[at + 1], NOTHING), at + 24


def slip(octets: bytes, at: int) -> Step:
    """A direction, then a compressed header kept beside the packet."""
    return by_version(octets, at + 16)
