"""Headers between an outer and an inner IP packet, one packet at a time.

Each function reads one header and says which layer follows, and where. What does not look
like its protocol to the last reserved bit is not entered: a port alone proves nothing.
"""

from __future__ import annotations

import struct

from pcapleak.dissect.header_steps import NOTHING, Layer, Step, by_version, u16
from pcapleak.dissect.link import IPV4, IPV6
from pcapleak.dissect.link_headers import wireless

_NEXT_PROTOCOLS: dict[int, Layer] = {1: IPV4, 2: IPV6, 3: "ethernet", 4: 0x894F, 5: 0x8847}
"""RFC 8300 section 11.2.5, shared by VXLAN-GPE."""
_TZSP_TYPES: dict[int, Layer] = {1: "ethernet", 18: "802.11"}


def gre(octets: bytes, at: int) -> Step:
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


def erspan3(octets: bytes, at: int) -> Step:
    """ERSPAN type III, with or without its platform subheader."""
    return "ethernet", at + 12 + (8 if octets[at + 11] & 1 else 0)


def nsh(octets: bytes, at: int) -> Step:
    """RFC 8300 section 2."""
    return _NEXT_PROTOCOLS.get(octets[at + 3], NOTHING), at + 4 * (octets[at + 1] & 0x3F)


def gtp(octets: bytes, at: int) -> Step:
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


def vxlan(octets: bytes, at: int) -> Step:
    """RFC 7348: the I flag, all the rest reserved but for Group Policy's."""
    if octets[at] & 0x7F != 0x08 or octets[at + 7]:
        return NOTHING, at
    return "ethernet", at + 8


def vxlan_gpe(octets: bytes, at: int) -> Step:
    """VXLAN's generic protocol extension."""
    if octets[at] & 0x38 != 0x08 or octets[at + 7]:
        return NOTHING, at
    return _NEXT_PROTOCOLS.get(octets[at + 3], NOTHING), at + 8


def geneve(octets: bytes, at: int) -> Step:
    """RFC 8926 section 3.4."""
    if octets[at] & 0xC0 or octets[at + 1] & 0x3F or octets[at + 7]:
        return NOTHING, at
    return u16(octets, at + 2)[0], at + 8 + 4 * octets[at]


def teredo(octets: bytes, at: int) -> Step:
    """RFC 4380 section 5.1.1: authentication and origin indications before the packet."""
    if octets[at : at + 2] == b"\0\1":
        at += 4 + octets[at + 2] + octets[at + 3] + 9
    if octets[at : at + 2] == b"\0\0":
        at += 8
    return (IPV6 if octets[at] >> 4 == 6 else NOTHING), at


def l2tp(octets: bytes, at: int) -> Step:
    """A data message of L2TPv2: RFC 2661 section 3.1."""
    (flags,) = u16(octets, at)
    if flags & 0x800F != 2:
        return NOTHING, at
    at += 6 + (2 if flags & 0x4000 else 0) + (4 if flags & 0x0800 else 0)
    if flags & 0x0200:
        at += 2 + u16(octets, at)[0]
    return "ppp", at


def capwap(octets: bytes, at: int) -> Step:
    """A data message: RFC 5415 section 4.3. Access points send 802.11 words byte-swapped."""
    if octets[at] or octets[at + 3] & 0x80:
        return NOTHING, at
    header = octets[at + 1] >> 3 << 2
    start = at + header
    if not octets[at + 2] & 1:
        return "ethernet", start
    if octets[at + 3] & 8:
        return NOTHING, at
    return wireless(octets, start, octets[start + 1], octets[start], octets[start + 23])


def tzsp(octets: bytes, at: int) -> Step:
    """TaZmen: version, type, encapsulated protocol, tags up to 1."""
    layer = _TZSP_TYPES.get(u16(octets, at + 2)[0], NOTHING)
    if octets[at] != 1 or octets[at + 1] > 1:
        return NOTHING, at
    at += 4
    while octets[at] != 1:
        at += 1 if octets[at] == 0 else 2 + octets[at + 1]
    return layer, at + 1
