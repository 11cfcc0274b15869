"""Which protocol a payload belongs to, by structure, for all packets of a batch at once.

A mask accepts everything its decoder accepts, so that nothing decodable is passed over; what
it accepts beyond that the decoder refuses. Ports decide alone only where a protocol has
nothing else to know it by (DNS and its kin, DHCP, NTP, SSDP, NetBIOS).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcapleak.dissect.field_reads import pick, take, take_u32
from pcapleak.values.packets import (
    Bool,
    Bytes,
    Decoder,
    Int64,
    PacketFlag,
    Packets,
    Service,
    UInt8,
    UInt16,
    UInt32,
)
from pcapleak.values.registries import ESP, GRE, ICMP, ICMPV6, L2TP, MAGIC_COOKIE, SIP_STARTS, UDP

_ROUTER_ADVERTISEMENT = 134
_HEAD = 32

_BY_PORT = {
    137: Service.NETBIOS.value,
    138: Service.NETBIOS.value,
    546: Service.DHCPV6.value,
    547: Service.DHCPV6.value,
    1900: Service.SSDP.value,
    3702: Service.WS_DISCOVERY.value,
}
_DECODED_BY_PORT = {
    5355: (Service.LLMNR.value, Decoder.LLMNR.value),
    5353: (Service.MDNS.value, Decoder.MDNS.value),
    53: (Service.DNS.value, Decoder.DNS.value),
    67: (Service.DHCP.value, Decoder.DHCP.value),
    68: (Service.DHCP.value, Decoder.DHCP.value),
}
"""Where two of them meet the last one counts: who asks a resolver from port 5353 asks it."""
_DNS_PORTS = (53, 5353, 5355)
_KNOWN_PORT = np.zeros(65536, np.bool_)
_KNOWN_PORT[[*_BY_PORT, *_DECODED_BY_PORT, 123, 500, 1701, 4500]] = True

_CLASSIC_TYPES = (0x0001, 0x0002, 0x0101, 0x0102, 0x0111, 0x0112)
_MS_TURN_START = 0x000F0004
"""The MAGIC-COOKIE attribute every message of [MS-TURN] begins with, its type and length."""
_TURN_METHODS = np.zeros(64, np.bool_)
_TURN_METHODS[[3, 4, 6, 7, 8, 9, 10, 11, 12]] = True  # RFC 8656 section 17, RFC 6062 section 6
_DTLS_VERSIONS = (0xFEFF, 0xFEFD, 0xFEFC, 0x0100)
_RTP_SAMPLES = np.zeros(128, np.int64)
_RTP_SAMPLES[[0, 3, 8, 9, 18]] = [80, 33, 80, 80, 10]
"""Bytes of a frame by static payload type (RFC 3551 section 4.5): G.711, GSM, G.722, G.729."""
_SIP_FIRST, _SIP_SECOND = np.zeros((2, 256), np.bool_)
_SIP_FIRST[[start[0] for start in SIP_STARTS]] = True
_SIP_SECOND[[start[1] for start in SIP_STARTS]] = True
_SOCKS_LEAST = np.zeros(256, np.uint8)
_SOCKS_LEAST[[1, 3, 4]] = [10, 8, 22]
"""Bytes of a SOCKS header (RFC 1928 section 7) with the shortest address by its type."""
_WIREGUARD_SIZES = np.zeros(256, np.int64)
_WIREGUARD_SIZES[[1, 2, 3]] = [148, 92, 64]
"""Bytes of a handshake's messages by type (WireGuard paper section 5.4)."""
_PADDED_SIZES = np.zeros(256, np.int64)
_PADDED_SIZES[[1, 2]] = [204, 100]
"""The same where TunnelBear pads them."""
_RESETS = (0x38, 0x40, 0x50)
"""OpenVPN hard resets (client and server version 2, client version 3), all with key 0."""


class _Heads:
    """The first bytes of UDP payloads as columns."""

    def __init__(self, packets: Packets, rows: Int64) -> None:
        self.rows = rows
        self.bytes: Bytes = take(packets.data, packets.payload_offset[rows], _HEAD)
        self.words = self.bytes.view(">u4")
        self.data = packets.data
        self.offset = packets.payload_offset[rows]
        self.length = packets.payload_length[rows]
        self.declared = packets.payload_declared[rows]
        self.source = packets.source_port[rows]
        self.destination = packets.destination_port[rows]
        self.first = self.bytes[:, 0].copy()

    def select(self, mask: Bool) -> _Heads:
        chosen = np.flatnonzero(mask)
        part = object.__new__(_Heads)
        part.data, part.rows, part.offset = self.data, self.rows[chosen], self.offset[chosen]
        part.bytes = pick(self.bytes, chosen)
        part.words = part.bytes.view(">u4")
        part.length, part.declared = self.length[chosen], self.declared[chosen]
        part.source, part.destination = self.source[chosen], self.destination[chosen]
        part.first = self.first[chosen]
        return part

    def u16(self, at: int) -> UInt16:
        halves: UInt16 = self.bytes.view(">u2")[:, at // 2].astype(np.uint16)
        return halves

    def u32(self, at: int) -> UInt32:
        column: UInt32 = self.words[:, at // 4].astype(np.uint32)
        return column

    def port(self, number: int) -> Bool:
        chosen: Bool = (self.source == number) | (self.destination == number)
        return chosen


def recognise(packets: Packets) -> tuple[UInt32, UInt8]:
    """`Service` bits and the `Decoder` code of each row."""
    services = np.zeros(len(packets), np.uint32)
    decoder = np.zeros(len(packets), np.uint8)
    _other_protocols(packets, services, decoder)
    whole = packets.flags & PacketFlag.FRAGMENT.value == 0
    rows = np.flatnonzero((packets.protocol == UDP) & (packets.payload_length > 0) & whole)
    if len(rows):
        heads = _Heads(packets, rows)
        _by_port(heads, services, decoder)
        _by_shape(heads, services, decoder)
    return services, decoder


def _other_protocols(packets: Packets, services: UInt32, decoder: UInt8) -> None:
    protocol = packets.protocol
    for number, service in (
        (ICMP, Service.ICMP.value),
        (ICMPV6, Service.ICMP.value),
        (GRE, Service.GRE.value),
        (ESP, Service.ESP.value),
        (L2TP, Service.L2TP.value),
    ):
        services[protocol == number] = service
    decoder[packets.flags & PacketFlag.ICMP_ERROR.value != 0] = Decoder.ICMP_ERROR.value
    decoder[(protocol == ICMPV6) & (packets.source_port == _ROUTER_ADVERTISEMENT)] = (
        Decoder.ROUTER_ADVERTISEMENT.value
    )


def _by_port(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    known = _KNOWN_PORT.take(heads.source) | _KNOWN_PORT.take(heads.destination)
    if not known.any():
        return
    heads = heads.select(known)
    rows, length, first = heads.rows, heads.length, heads.first
    for port, service in _BY_PORT.items():
        services[rows[heads.port(port)]] |= service
    names = ~_is_tunnels(heads)
    for port, (service, code) in _DECODED_BY_PORT.items():
        chosen = rows[heads.port(port) & names] if port in _DNS_PORTS else rows[heads.port(port)]
        services[chosen] |= service
        decoder[chosen] = code
    version = (first >> 3) & 7
    services[rows[heads.port(123) & (length >= 48) & (version >= 1) & (version <= 4)]] |= (
        Service.NTP.value
    )
    services[rows[heads.port(1701) & (heads.bytes[:, 1] & 15 == 2)]] |= Service.L2TP.value
    isakmp = rows[heads.port(500) & (length >= 28) & _ike_version(heads.bytes[:, 17])]
    services[isakmp] |= Service.IKE.value
    decoder[isakmp] = Decoder.IKE.value
    natted = heads.port(4500)
    marker = heads.u32(0) == 0
    services[rows[natted & ~marker & (length > 8) & (heads.words[:, 1] != MAGIC_COOKIE)]] |= (
        Service.ESP.value
    )
    isakmp = rows[natted & marker & (length >= 32) & _ike_version(heads.bytes[:, 21])]
    services[isakmp] |= Service.IKE.value
    decoder[isakmp] = Decoder.IKE.value


def _is_tunnels(heads: _Heads) -> Bool:
    """What cannot be DNS, its records being more than its length holds, and at its own port is so
    of several kinds, or begins as messages of WireGuard or OpenVPN do: VPNs offer DNS's port
    where others are barred.

    RFC 1035 section 4.1: a question has 5 bytes at the least, a record 11.
    """
    counts = [heads.u16(at).astype(np.int64) for at in (4, 6, 8, 10)]
    sizes = [count * least for count, least in zip(counts, (5, 11, 11, 11), strict=True)]
    beyond = sum((12 + size > heads.declared).astype(np.int64) for size in sizes)
    several = (beyond > 1) & (heads.length >= 12) & heads.port(53)
    several &= heads.words[:, 1] != MAGIC_COOKIE
    opcode = heads.first >> 3
    openvpn = (opcode >= 3) & (opcode <= 10)
    begins = openvpn | (
        (heads.u32(0) & np.uint32(0xFF_FFFF) == 0) & (heads.first - np.uint8(1) < 4)
    )
    chosen: Bool = (12 + sum(sizes) > heads.declared) & (several | begins)
    return chosen


def _digits(octets: UInt8) -> Bool:
    chosen: Bool = octets - np.uint8(0x30) < 10
    return chosen


def _ike_version(octet: UInt8) -> Bool:
    chosen: Bool = (octet >> 4 == 1) | (octet >> 4 == 2)
    return chosen


def _by_shape(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """The ranges of the first byte of RFC 7983, each looked into on its own rows only."""
    first = heads.first
    for chosen, look in (
        (first < 0x40, _low_first_byte),
        (first >> 6 == 1, _channel_data),
        (first >> 6 == 3, _quic),
        (first >> 6 == 2, _media),
    ):
        if chosen.any():
            look(heads.select(chosen), services, decoder)


def _low_first_byte(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """STUN, WireGuard, DTLS, SOCKS and OpenVPN."""
    rows, length, declared = heads.rows, heads.length, heads.declared
    free = decoder[rows] == Decoder.NONE.value
    kind, word = heads.u16(0), heads.u32(0)

    cookie = (heads.words[:, 1] == MAGIC_COOKIE) & (length >= 8)
    # Without the cookie only RFC 3489's own types, and a length that fits to the byte
    fits = free & (heads.u16(2) == declared - 20) & (length >= 20)
    classic = fits & (_one_of(kind, _CLASSIC_TYPES) | (heads.words[:, 5] == _MS_TURN_START))
    stun = cookie | classic
    method = kind & 0x0F | (kind & 0xE0) >> 1 | (kind & 0x3E00) >> 2
    turn = stun & (method < 64)
    turn[turn] = _TURN_METHODS[method[turn]]
    services[rows[stun]] |= Service.STUN.value
    services[rows[turn]] |= Service.TURN.value
    decoder[rows[stun]] = Decoder.STUN.value
    free &= ~stun

    shaped = _one_of(heads.first, (1, 2, 3)) & (declared == _WIREGUARD_SIZES.take(heads.first))
    padded = _one_of(heads.first, (1, 2)) & (declared == _PADDED_SIZES.take(heads.first))
    handshake = (shaped | padded) & (word & np.uint32(0xFF_FFFF) == 0) & ~stun
    # Cloudflare's WARP fills the reserved bytes; then MAC1 must be there, and no MAC2.
    near = np.flatnonzero(shaped & ~handshake & free & (heads.first < 3) & (length == declared))
    if len(near):
        macs = take(heads.data, heads.offset[near] + declared[near] - 32, 32)
        handshake[near] = macs[:, :16].any(axis=1) & ~macs[:, 16:].any(axis=1)
    # Google's QUIC up to Q043: flags with a version, 8 bytes of connection id, "Q0" and digits
    google = (heads.first & 0xC9 == 0x09) & (heads.u16(10) >> 8 == 0x30) & free
    google &= (
        (heads.bytes[:, 9] == 0x51) & _digits(heads.bytes[:, 11]) & _digits(heads.bytes[:, 12])
    )
    services[rows[google & (length >= 13)]] |= Service.QUIC.value

    data = (word == 0x04000000) & (declared >= 32) & (declared % 16 == 0) & ~stun
    services[rows[data]] |= Service.WIREGUARD.value
    services[rows[handshake]] |= Service.WIREGUARD.value | Service.WIREGUARD_HANDSHAKE.value
    decoder[rows[handshake & free]] = Decoder.WIREGUARD.value

    dtls = _is_dtls(heads.bytes, 0) & (length >= 13)
    services[rows[dtls]] |= Service.DTLS.value
    dtls &= free & (length >= 14)
    if dtls.any():
        decoder[rows[dtls & _is_hello(heads.bytes, 0)]] = Decoder.DTLS.value

    # RFC 1928 section 7: two reserved bytes, a fragment number, an address type
    least = _SOCKS_LEAST.take(heads.bytes[:, 3])
    socks = free & (word >> np.uint32(16) == 0) & (least > 0) & (length >= least)
    decoder[rows[socks]] = Decoder.SOCKS_UDP.value

    _openvpn(heads, services, decoder)


def _one_of(column: NDArray[Any], values: Sequence[int]) -> Bool:
    """As `numpy.isin`, which takes longer for a few values."""
    chosen: Bool = column == values[0]
    for value in values[1:]:
        chosen |= column == value
    return chosen


def _is_dtls(octets: Bytes, at: int) -> Bool:
    """A record header of DTLS 1.0 to 1.2, or OpenSSL's before it: RFC 6347 section 4.1."""
    kind = octets[:, at]
    version = octets[:, at + 1].astype(np.uint16) << 8 | octets[:, at + 2]
    chosen: Bool = (kind >= 20) & (kind <= 25) & _one_of(version, _DTLS_VERSIONS)
    return chosen


def _is_hello(octets: Bytes, at: int) -> Bool:
    """Whether a DTLS record holds a hello in clear: content type, epoch 0, handshake type."""
    chosen: Bool = (
        (octets[:, at] == 22)
        & (octets[:, at + 3] == 0)
        & (octets[:, at + 4] == 0)
        & (octets[:, at + 13] - np.uint8(1) < 3)
    )
    return chosen


def _openvpn(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """OpenVPN hard resets, the first packets of either side.

    A reset ends in its packet id, which is 0, plain or under `tls-auth`; under `tls-crypt` its
    ninth byte on is the wrapper's packet id, which starts from 1; from version 2.6 on, under
    `tls-crypt-v2`, its top byte is 15 (`EARLY_NEG_START`).
    """
    shaped = _one_of(heads.first, _RESETS) & (heads.length >= 14)
    shaped &= (heads.length == heads.declared) & (decoder[heads.rows] == Decoder.NONE.value)
    if not shaped.any():
        return
    heads = heads.select(shaped)
    last = take_u32(heads.data, heads.offset + heads.length - 4)
    octets = heads.bytes
    wrapper = take_u32(heads.data, heads.offset + 9)
    wrapper = np.where(wrapper >> 24 == 15, wrapper & 0xFF_FFFF, wrapper)
    wrapped = (wrapper > 0) & (wrapper < 256) & (heads.length >= 54)
    session = octets[:, 1:9].any(axis=1)
    chosen = heads.rows[session & ((last == 0) | wrapped)]
    services[chosen] |= Service.OPENVPN.value
    decoder[chosen] = Decoder.OPENVPN.value


def _channel_data(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """TURN ChannelData (RFC 8656 section 12.4) whose content proves itself, and OpenVPN."""
    fits = heads.u16(2).astype(np.int64) + 4 <= heads.declared
    stun = (heads.bytes[:, 4] < 0x40) & (heads.u32(8) == MAGIC_COOKIE) & (heads.length >= 12)
    hello = _is_dtls(heads.bytes, 4) & (heads.length >= 18)
    if hello.any():
        hello &= _is_hello(heads.bytes, 4)
    chosen = heads.rows[fits & (stun | hello)]
    services[chosen] |= Service.CHANNEL_DATA.value
    decoder[chosen] = Decoder.CHANNEL_DATA.value
    _openvpn(heads, services, decoder)
    _sip(heads, services, decoder)


def _sip(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """Start lines of RFC 3261 section 7: a method and a URI, or a status."""
    near = _SIP_FIRST.take(heads.first) & (decoder[heads.rows] == Decoder.NONE.value)
    near &= _SIP_SECOND.take(heads.bytes[:, 1])
    if not near.any():
        return
    heads = heads.select(near)
    found = np.zeros(len(heads.rows), np.bool_)
    for start in SIP_STARTS:
        size = len(start)
        found |= (heads.bytes[:, :size] == np.frombuffer(start, np.uint8)).all(axis=1)
    chosen = heads.rows[found]
    services[chosen] |= Service.SIP.value
    decoder[chosen] = Decoder.SIP.value


def _quic(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """QUIC long headers of known versions (RFC 9000 section 17.2, RFC 9369 section 3.2), and
    STUN behind a relay's session."""
    octets = heads.bytes
    # [MS-TURN]'s multiplexing: 0xFF10, a length, a session's 8 bytes, then STUN
    session = (heads.u16(0) == 0xFF10) & (heads.words[:, 4] == MAGIC_COOKIE) & (heads.length >= 32)
    services[heads.rows[session]] |= Service.STUN.value | Service.TURN.value
    decoder[heads.rows[session]] = Decoder.STUN.value
    version = (heads.u32(0) << np.uint32(8)) | octets[:, 4]
    kind = octets[:, 0] >> 4 & 3
    two = version == 0x6B3343CF
    # Version 1, its drafts, Facebook's; Google's own lay their headers out otherwise
    one = (version == 1) | _one_of(version >> np.uint32(8), (0xFF0000, 0xFACEB0))
    google = _one_of(version >> np.uint32(16), (0x5130, 0x5430))
    sane = ~session & (octets[:, 5] <= 20) & (heads.length >= 7)
    # RFC 9000 section 15: versions that only make servers negotiate
    greased = version & np.uint32(0x0F0F0F0F) == 0x0A0A0A0A
    services[heads.rows[((one | two | greased) & sane) | google]] |= Service.QUIC.value
    initial = ((one & (kind == 0)) | (two & (kind == 1))) & sane
    decoder[heads.rows[initial]] = Decoder.QUIC.value


def _media(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """RTP and RTCP, by more than their version: encrypted tunnels have any first byte."""
    octets = heads.bytes
    size = heads.u16(2)
    reports = (octets[:, 0] & 31) * np.uint16(6)
    # RFC 3550 section 6.4: reports of 24 bytes behind 4 or, for a sender, 24 of header
    control = ((octets[:, 1] == 200) & (size == reports + 6)) | (
        (octets[:, 1] == 201) & (size == reports + 1)
    )
    # RFC 8285 section 4: the extension every browser sends begins with one of its marks
    profile = octets[:, 12].astype(np.uint16) << 8 | octets[:, 13]
    extended = (octets[:, 0] & 0x1F == 0x10) & ((profile == 0xBEDE) | (profile >> 4 == 0x100))
    sample = _RTP_SAMPLES[octets[:, 1] & 0x7F]
    voice = heads.declared - 12
    plain = (octets[:, 0] == 0x80) & (sample > 0) & (voice > 0) & (voice <= 480)
    plain[plain] = voice[plain] % sample[plain] == 0
    chosen = (control | plain | (extended & (heads.length >= 16))) & (heads.length >= 8)
    services[heads.rows[chosen]] |= Service.RTP.value
