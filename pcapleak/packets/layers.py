"""Headers between a frame's start and its IP packet, one packet at a time.

For what is too rare or too irregular for columns: exotic link types and the inside of
tunnels. A layer is named by its EtherType where it has one, else by a word. Each step reads
one header and says which layer follows and where; nothing is copied, so that the packet found
is an offset into the caller's buffer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from .link import IPV4, IPV6

Layer = int | str
Step = tuple[Layer, int]

_STEPS_LIMIT: Final = 24
"""Headers walked before giving up; real stacks have fewer than ten, MPLS counts as one."""

_u16 = struct.Struct(">H").unpack_from
_u32 = struct.Struct(">I").unpack_from
_u16_le = struct.Struct("<H").unpack_from
_u32_le = struct.Struct("<I").unpack_from

_PPP_TYPES: dict[int, Layer] = {0x21: IPV4, 0x57: IPV6, 0x281: 0x8847, 0x283: 0x8848}
_NSH_TYPES: dict[int, Layer] = {1: IPV4, 2: IPV6, 3: "ethernet", 4: 0x894F, 5: 0x8847}
_VERSIONS: dict[int, Layer] = {4: IPV4, 6: IPV6}
_NLPIDS: dict[int, Layer] = {0xCC: IPV4, 0x8E: IPV6}
_ARCNET_TYPES: dict[int, Layer] = {212: IPV4, 196: IPV6}
_TZSP_TYPES: dict[int, Layer] = {1: "ethernet", 18: "802.11"}
_FAMILIES: dict[int, Layer] = {2: IPV4, 10: IPV6, 23: IPV6, 24: IPV6, 26: IPV6, 28: IPV6, 30: IPV6}
"""AF_INET, and AF_INET6 of Linux, Windows, NetBSD, Solaris, FreeBSD, Darwin."""

NOTHING: Final = "nothing"
"""No layer we can enter follows."""


def find_ip(octets: bytes, layer: Layer, at: int) -> tuple[int, int] | None:
    """Walk from `layer` at `at` to an IP header: its EtherType and offset, None without one."""
    try:
        for _ in range(_STEPS_LIMIT):
            if layer in (IPV4, IPV6):
                return int(layer), at
            step = _STEPS.get(layer)
            if step is None:
                return None
            layer, at = step(octets, at)
    except (struct.error, IndexError):  # the headers go on past the captured bytes
        return None
    return None


def by_version(octets: bytes, at: int) -> Step:
    """A bare IP packet: its version nibble decides."""
    version = octets[at] >> 4
    return _VERSIONS.get(version, NOTHING), at


def _ethernet(octets: bytes, at: int) -> Step:
    (kind,) = _u16(octets, at + 12)
    return (kind if kind > 1500 else "llc"), at + 14


def _llc(octets: bytes, at: int) -> Step:
    """IEEE 802.2, SNAP (RFC 1042) and RFC 2684 bridging and NLPIDs."""
    head = octets[at : at + 3]
    if head == b"\xaa\xaa\x03":
        organisation = octets[at + 3 : at + 6]
        (kind,) = _u16(octets, at + 6)
        if organisation == b"\x00\x80\xc2" and kind in (1, 7):
            return "ethernet", at + 10
        return kind, at + 8
    if head == b"\x06\x06\x03":
        return IPV4, at + 3
    if head == b"\xfe\xfe\x03":
        return _NLPIDS.get(octets[at + 3], NOTHING), at + 4
    return NOTHING, at


def _tag(octets: bytes, at: int) -> Step:
    return _u16(octets, at + 2)[0], at + 4


def _vn_tag(octets: bytes, at: int) -> Step:
    return _u16(octets, at + 4)[0], at + 6


def _e_tag(octets: bytes, at: int) -> Step:
    return _u16(octets, at + 6)[0], at + 8


def _cisco_metadata(octets: bytes, at: int) -> Step:
    return _u16(octets, at + 6)[0], at + 8


def _backbone(octets: bytes, at: int) -> Step:
    """IEEE 802.1ah: a customer's frame after the I-TAG."""
    return "ethernet", at + 4


def _mpls(octets: bytes, at: int) -> Step:
    """RFC 3032; without IP inside it is taken as an Ethernet pseudowire (RFC 4448)."""
    while not octets[at + 2] & 1:
        at += 4
    at += 4
    version = octets[at] >> 4
    if version == 0:
        return "ethernet", at + 4
    return _VERSIONS.get(version, "ethernet"), at


def _pppoe(octets: bytes, at: int) -> Step:
    return "ppp", at + 6


def _ppp(octets: bytes, at: int) -> Step:
    """RFC 1661 and 1662, with or without address and control, protocol field compressed."""
    if octets[at] in (0x0F, 0x8F):
        return "chdlc", at
    if octets[at : at + 2] == b"\xff\x03":
        at += 2
    if octets[at] & 1:
        return _PPP_TYPES.get(octets[at], NOTHING), at + 1
    return _PPP_TYPES.get(_u16(octets, at)[0], NOTHING), at + 2


def _chdlc(octets: bytes, at: int) -> Step:
    return _u16(octets, at + 2)[0], at + 4


def _frame_relay(octets: bytes, at: int) -> Step:
    """RFC 2427, and Cisco's framing with an EtherType after the address."""
    while not octets[at] & 1:
        at += 1
    at += 1
    if octets[at] != 3:
        return _u16(octets, at)[0], at + 2
    if octets[at + 1] == 0:
        at += 1
    number = octets[at + 1]
    if number == 0x80:
        return _u16(octets, at + 5)[0], at + 7
    return _NLPIDS.get(number, NOTHING), at + 2


def _gre(octets: bytes, at: int) -> Step:
    """RFC 2784, 2890, 2637 (version 1), 1701 (routing)."""
    flags, kind = struct.unpack_from(">HH", octets, at)
    after = at + 4
    if flags & 7 == 1:
        return ("ppp" if kind == 0x880B else NOTHING), (
            after + 4 + (4 if flags & 0x1000 else 0) + (4 if flags & 0x80 else 0)
        )
    after += 4 if flags & 0xC000 else 0
    after += 4 if flags & 0x2000 else 0
    after += 4 if flags & 0x1000 else 0
    if flags & 0x4000:
        while True:
            _, length = struct.unpack_from(">HxB", octets, after)
            after += 4 + length
            if not length:
                break
    if kind == 0x88BE:
        # Type I has neither sequence number nor header.
        return "ethernet", after + (8 if flags & 0x1000 else 0)
    if kind == 0x883E:
        # WCCP: an IPv4 packet, in version 2 after four bytes that do not look like one
        return IPV4, after if octets[after] >> 4 == 4 else after + 4
    if 0x8200 <= kind <= 0x8210:
        return "802.11", after  # Aruba
    return kind, after


def _erspan3(octets: bytes, at: int) -> Step:
    return "ethernet", at + 12 + (8 if octets[at + 11] & 1 else 0)


def _nsh(octets: bytes, at: int) -> Step:
    return _NSH_TYPES.get(octets[at + 3], NOTHING), at + 4 * (octets[at + 1] & 0x3F)


def _ieee80211(octets: bytes, at: int) -> Step:
    return _wireless(octets, at, octets[at], octets[at + 1], octets[at + 22])


def _wireless(octets: bytes, at: int, control: int, flags: int, sequence: int) -> Step:
    """A data frame of IEEE 802.11 in clear, not a later fragment: section 9.3.2."""
    if control & 0x0C != 0x08 or control & 0x40 or flags & 0x40 or sequence & 15:
        return NOTHING, at
    header = 30 if flags & 3 == 3 else 24
    aggregated = False
    if control & 0x80:
        aggregated = bool(octets[at + header] & 0x80)
        header += 6 if flags & 0x80 else 2
    return "llc", at + header + (14 if aggregated else 0)


def _radiotap(octets: bytes, at: int) -> Step:
    (length,) = _u16_le(octets, at + 2)
    (present,) = _u32_le(octets, at + 4)
    field = at + 8
    more = present
    while more & 0x8000_0000:
        (more,) = _u32_le(octets, field)
        field += 4
    if present & 1:
        field = at + (field - at + 7 & ~7) + 8
    start = at + length
    if present & 2 and octets[field] & 0x20:
        # The driver padded the 802.11 header to four bytes.
        layer, inner = _ieee80211(octets, start)
        return layer, start + (inner - start + 3 & ~3)
    return "802.11", start


def _prism(octets: bytes, at: int) -> Step:
    if _u32(octets, at)[0] == 0x80211001:
        return "802.11", at + _u32(octets, at + 4)[0]
    length = min(_u32(octets, at + 4)[0], _u32_le(octets, at + 4)[0])
    return "802.11", at + length


def _per_packet(octets: bytes, at: int) -> Step:
    """PPI: a little-endian header length and link type."""
    (length,) = _u16_le(octets, at + 2)
    (link_type,) = _u32_le(octets, at + 4)
    return LINK_LAYERS.get(link_type, NOTHING), at + length


def _pktap(octets: bytes, at: int) -> Step:
    length, _, link_type = struct.unpack_from("<III", octets, at)
    return LINK_LAYERS.get(link_type, NOTHING), at + length


def _nflog(octets: bytes, at: int) -> Step:
    """Attributes in the host's order; number 9 is the packet."""
    layer = _FAMILIES.get(octets[at], NOTHING)
    order = "<" if _u16_le(octets, at + 4)[0] <= len(octets) else ">"
    at += 4
    while True:
        length, kind = struct.unpack_from(order + "HH", octets, at)
        if kind & 0x7FFF == 9:
            return layer, at + 4
        if length < 4:
            return NOTHING, at
        at += length + 3 & ~3


def _loopback(octets: bytes, at: int) -> Step:
    family = min(_u32(octets, at)[0], _u32_le(octets, at)[0])
    return _FAMILIES.get(family, NOTHING), at + 4


def _encrypted(octets: bytes, at: int) -> Step:
    """OpenBSD's enc: family, SPI, flags."""
    return _loopback(octets, at)[0], at + 12


def _pflog(octets: bytes, at: int) -> Step:
    return _FAMILIES.get(octets[at + 1], NOTHING), at + (octets[at] + 3 & ~3)


def _cooked(octets: bytes, at: int) -> Step:
    return _u16(octets, at + 14)[0], at + 16


def _fddi(octets: bytes, at: int) -> Step:
    return "llc", at + 13


def _token_ring(octets: bytes, at: int) -> Step:
    routed = octets[at + 8] & 0x80
    return "llc", at + 14 + (octets[at + 14] & 31 if routed else 0)


def _arcnet(octets: bytes, at: int) -> Step:
    """Linux ARCNET: addresses, offset, protocol; RFC 1201 adds split flag and sequence."""
    kind = octets[at + 4]
    if kind == 240:  # RFC 1051
        return IPV4, at + 5
    return _ARCNET_TYPES.get(kind, NOTHING), at + 8


def _infiniband(octets: bytes, at: int) -> Step:
    """IP over InfiniBand: a 40-byte pseudo header, EtherType, two reserved bytes."""
    return _u16(octets, at + 40)[0], at + 44


def _ipnet(octets: bytes, at: int) -> Step:
    return _FAMILIES.get(octets[at + 1], NOTHING), at + 24


def _slip(octets: bytes, at: int) -> Step:
    return by_version(octets, at + 16)


def _juniper(layer: Layer) -> Callable[[bytes, int], Step]:
    """Juniper's header: magic, flags, extensions, then the link layer unless stripped."""

    def step(octets: bytes, at: int) -> Step:
        flags = octets[at + 3]
        if octets[at : at + 3] != b"\x4d\x47\x43" or flags & 2:
            return NOTHING, at
        return layer, at + 4 + (2 + _u16(octets, at + 4)[0] if flags & 0x80 else 0)

    return step


def _directed(layer: Layer) -> Callable[[bytes, int], Step]:
    return lambda _, at: (layer, at + 1)


def _switch_tag(size: int) -> Callable[[bytes, int], Step]:
    """A switch chip's tag of `size` bytes between the addresses and the EtherType."""
    return lambda octets, at: (_u16(octets, at + 12 + size)[0], at + 14 + size)


def _gtp(octets: bytes, at: int) -> Step:
    """A G-PDU of GTP-U: 3GPP TS 29.281 section 5."""
    flags = octets[at]
    if flags & 0xF0 != 0x30 or octets[at + 1] != 255:
        return NOTHING, at
    after = at + 8
    if flags & 7:
        after += 4
        extension = octets[after - 1] if flags & 4 else 0
        while extension:
            length = 4 * octets[after]
            if not length:
                return NOTHING, at
            after += length
            extension = octets[after - 1]
    return by_version(octets, after)


def _vxlan(octets: bytes, at: int) -> Step:
    """RFC 7348: the I flag, all the rest reserved but for Group Policy's."""
    if octets[at] & 0x7F != 0x08 or octets[at + 7]:
        return NOTHING, at
    return "ethernet", at + 8


def _vxlan_gpe(octets: bytes, at: int) -> Step:
    if octets[at] & 0x38 != 0x08 or octets[at + 7]:
        return NOTHING, at
    return _NSH_TYPES.get(octets[at + 3], NOTHING), at + 8


def _geneve(octets: bytes, at: int) -> Step:
    """RFC 8926 section 3.4."""
    if octets[at] & 0xC0 or octets[at + 1] & 0x3F or octets[at + 7]:
        return NOTHING, at
    return _u16(octets, at + 2)[0], at + 8 + 4 * octets[at]


def _teredo(octets: bytes, at: int) -> Step:
    """RFC 4380 section 5.1.1: authentication and origin indications before the packet."""
    if octets[at : at + 2] == b"\0\1":
        at += 4 + octets[at + 2] + octets[at + 3] + 9
    if octets[at : at + 2] == b"\0\0":
        at += 8
    return (IPV6 if octets[at] >> 4 == 6 else NOTHING), at


def _l2tp(octets: bytes, at: int) -> Step:
    """A data message of L2TPv2: RFC 2661 section 3.1."""
    (flags,) = _u16(octets, at)
    if flags & 0x800F != 2:
        return NOTHING, at
    at += 6 + (2 if flags & 0x4000 else 0) + (4 if flags & 0x0800 else 0)
    if flags & 0x0200:
        at += 2 + _u16(octets, at)[0]
    return "ppp", at


def _capwap(octets: bytes, at: int) -> Step:
    """A data message: RFC 5415 section 4.3. Access points send 802.11 words byte-swapped."""
    if octets[at] or octets[at + 3] & 0x80:
        return NOTHING, at
    header = octets[at + 1] >> 3 << 2
    start = at + header
    if not octets[at + 2] & 1:
        return "ethernet", start
    if octets[at + 3] & 8:
        return NOTHING, at
    return _wireless(octets, start, octets[start + 1], octets[start], octets[start + 23])


def _tzsp(octets: bytes, at: int) -> Step:
    """TaZmen: version, type, encapsulated protocol, tags up to 1."""
    layer = _TZSP_TYPES.get(_u16(octets, at + 2)[0], NOTHING)
    if octets[at] != 1 or octets[at + 1] > 1:
        return NOTHING, at
    at += 4
    while octets[at] != 1:
        at += 1 if octets[at] == 0 else 2 + octets[at + 1]
    return layer, at + 1


_STEPS: dict[Layer, Callable[[bytes, int], Step]] = {
    0x8100: _tag,
    0x88A8: _tag,
    0x9100: _tag,
    0x9200: _tag,
    0x9300: _tag,
    0x8926: _vn_tag,
    0x893F: _e_tag,
    0x88E7: _backbone,
    0x8909: _cisco_metadata,
    0x8847: _mpls,
    0x8848: _mpls,
    0x8864: _pppoe,
    0x880B: _ppp,
    0x6558: _ethernet,
    0x22EB: _erspan3,
    0x894F: _nsh,
    "802.11": _ieee80211,
    "arcnet": _arcnet,
    "bare": by_version,
    "capwap": _capwap,
    "chdlc": _chdlc,
    "cooked": _cooked,
    "dsa": _switch_tag(4),
    "edsa": _switch_tag(8),
    "enc": _encrypted,
    "ethernet": _ethernet,
    "etherip": lambda _, at: ("ethernet", at + 2),
    "fddi": _fddi,
    "frame relay": _frame_relay,
    "geneve": _geneve,
    "gre": _gre,
    "gtp-u": _gtp,
    "infiniband": _infiniband,
    "ipnet": _ipnet,
    "juniper ethernet": _juniper("ethernet"),
    "juniper ppp": _juniper("ppp"),
    "juniper chdlc": _juniper("chdlc"),
    "juniper frame relay": _juniper("frame relay"),
    "l2tp": _l2tp,
    "llc": _llc,
    "loopback": _loopback,
    "mpls": _mpls,
    "nflog": _nflog,
    "pflog": _pflog,
    "pktap": _pktap,
    "ppi": _per_packet,
    "ppp": _ppp,
    "ppp directed": _directed("ppp"),
    "chdlc directed": _directed("chdlc"),
    "frame relay directed": _directed("frame relay"),
    "pppoe": _pppoe,
    "prism": _prism,
    "radiotap": _radiotap,
    "slip": _slip,
    "teredo": _teredo,
    "token ring": _token_ring,
    "tzsp": _tzsp,
    "vxlan": _vxlan,
    "vxlan-gpe": _vxlan_gpe,
}

WALKED_TYPES = tuple(layer for layer in _STEPS if isinstance(layer, int))
"""EtherTypes that have another header inside."""

LINK_LAYERS: dict[int, Layer] = {
    0: "loopback",
    1: "ethernet",
    6: "token ring",
    8: "slip",
    9: "ppp",
    10: "fddi",
    12: "bare",
    14: "bare",
    50: "ppp",
    51: "pppoe",
    100: "llc",
    101: "bare",
    104: "chdlc",
    105: "802.11",
    107: "frame relay",
    108: "loopback",
    109: "enc",
    113: "cooked",
    117: "pflog",
    119: "prism",
    127: "radiotap",
    129: "arcnet",
    149: "pktap",
    163: "prism",
    178: "juniper ethernet",
    179: "juniper ppp",
    180: "juniper frame relay",
    181: "juniper chdlc",
    192: "ppi",
    204: "ppp directed",
    205: "chdlc directed",
    206: "frame relay directed",
    226: "ipnet",
    228: "bare",
    229: "bare",
    239: "nflog",
    242: "infiniband",
    258: "pktap",
    284: "dsa",
    285: "edsa",
}
"""Layers by LINKTYPE number."""
