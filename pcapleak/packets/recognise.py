"""Which protocol a payload belongs to, by structure, for all packets of a batch at once.

A mask accepts everything its decoder accepts, so that nothing decodable is passed over; what
it accepts beyond that the decoder refuses. Ports decide alone only where a protocol has
nothing else to know it by (DNS and its kin, DHCP, NTP, SSDP, NetBIOS).
"""

from __future__ import annotations

import numpy as np

from pcapleak.model import (
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

from .gather import pick, take
from .transport import ICMP, ICMPV6, UDP

_GRE = 47
_ESP = 50
_L2TP = 115
_ROUTER_ADVERTISEMENT = 134
_COOKIE = 0x2112A442
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
    53: (Service.DNS.value, Decoder.DNS.value),
    5353: (Service.MDNS.value, Decoder.MDNS.value),
    5355: (Service.LLMNR.value, Decoder.LLMNR.value),
    67: (Service.DHCP.value, Decoder.DHCP.value),
    68: (Service.DHCP.value, Decoder.DHCP.value),
}
_KNOWN_PORT = np.zeros(65536, np.bool_)
_KNOWN_PORT[[*_BY_PORT, *_DECODED_BY_PORT, 123, 500, 1701, 4500]] = True

_CLASSIC_TYPES = (0x0001, 0x0002, 0x0101, 0x0102, 0x0111, 0x0112)
_RTP_TYPE = np.zeros(128, np.bool_)
_RTP_TYPE[0:35] = True  # the static audio and video types of RFC 3551
_RTP_TYPE[96:128] = True  # dynamic ones
_OPENVPN_RESET_LENGTHS = (14, 22, 26, 42, 50, 54, 62, 66, 74, 78, 86, 94, 98)


class _Heads:
    """The first bytes of UDP payloads as columns."""

    def __init__(self, packets: Packets, rows: Int64) -> None:
        self.rows = rows
        self.bytes: Bytes = take(packets.data, packets.payload_offset[rows], _HEAD)
        self.words = self.bytes.view(">u4")
        self.length = packets.payload_length[rows]
        self.declared = packets.payload_declared[rows]
        self.source = packets.source_port[rows]
        self.destination = packets.destination_port[rows]
        self.first = self.bytes[:, 0].copy()

    def select(self, mask: Bool) -> _Heads:
        chosen = np.flatnonzero(mask)
        part = object.__new__(_Heads)
        part.rows = self.rows[chosen]
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
        (_GRE, Service.GRE.value),
        (_ESP, Service.ESP.value),
        (_L2TP, Service.L2TP.value),
    ):
        services[protocol == number] = service
    decoder[packets.flags & PacketFlag.ICMP_ERROR.value != 0] = Decoder.ICMP_ERROR.value
    decoder[(protocol == ICMPV6) & (packets.source_port == _ROUTER_ADVERTISEMENT)] = (
        Decoder.ROUTER_ADVERTISEMENT.value
    )


def _by_port(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    known = _KNOWN_PORT[heads.source] | _KNOWN_PORT[heads.destination]
    if not known.any():
        return
    heads = heads.select(known)
    rows, length, first = heads.rows, heads.length, heads.first
    for port, service in _BY_PORT.items():
        services[rows[heads.port(port)]] |= service
    for port, (service, code) in _DECODED_BY_PORT.items():
        chosen = rows[heads.port(port)]
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
    services[rows[natted & ~marker & (length > 8)]] |= Service.ESP.value
    isakmp = rows[natted & marker & (length >= 32) & _ike_version(heads.bytes[:, 21])]
    services[isakmp] |= Service.IKE.value
    decoder[isakmp] = Decoder.IKE.value


def _ike_version(octet: UInt8) -> Bool:
    chosen: Bool = (octet == 0x10) | (octet == 0x20)
    return chosen


def _by_shape(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    rows, first, length = heads.rows, heads.first, heads.length

    def found(chosen: Bool, service: int, code: int = Decoder.NONE.value) -> None:
        if chosen.any():
            services[rows[chosen]] |= service
            if code:
                decoder[rows[chosen]] = code

    low = first < 0x40
    if low.any():
        _low_first_byte(heads.select(low), services, decoder)
    cookie = low & (heads.words[:, 1] == _COOKIE) & (length >= 8)
    found(cookie, Service.STUN.value, Decoder.STUN.value)
    channel = first >> 6 == 1
    if channel.any():
        _channel_data(heads.select(channel), services, decoder)
    long_header = (first & 0xC0 == 0xC0) & (length >= 7)
    if long_header.any():
        _quic(heads.select(long_header), services, decoder)
    media = (first & 0xC0 == 0x80) & (length >= 8)
    if media.any():
        _media(heads.select(media), services)


def _low_first_byte(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """Classic STUN, WireGuard, DTLS, SOCKS and OpenVPN: first byte below 0x40."""
    rows, first, length, declared = heads.rows, heads.first, heads.length, heads.declared
    free = decoder[rows] == Decoder.NONE.value

    def found(chosen: Bool, service: int, code: int = Decoder.NONE.value) -> None:
        if chosen.any():
            services[rows[chosen]] |= service
            if code:
                decoder[rows[chosen & free]] = code

    kind = heads.u16(0)
    # RFC 3489 has no cookie: only its own types, and a length that fits exactly.
    classic = np.isin(kind, _CLASSIC_TYPES) & (heads.u16(2) == declared - 20) & (declared >= 20)
    # [MS-TURN] sends messages without cookie too; each begins with its MAGIC-COOKIE attribute.
    microsoft = (heads.u32(20) == 0x000F0004) & (heads.u32(24) == 0x72C64BC6)
    microsoft &= (kind < 0x4000) & (heads.u16(2) == declared - 20) & (heads.length >= 28)
    found((classic | microsoft) & free, Service.STUN.value, Decoder.STUN.value)

    word = heads.u32(0)
    handshake = (
        ((word == 0x01000000) & (declared == 148))
        | ((word == 0x02000000) & (declared == 92))
        | ((word == 0x03000000) & (declared == 64))
    )
    found(handshake, Service.WIREGUARD_HANDSHAKE.value, Decoder.WIREGUARD.value)
    data = (word == 0x04000000) & (declared >= 32) & (declared % 16 == 0)
    found(data | handshake, Service.WIREGUARD.value)

    dtls = _is_dtls(heads.bytes, 0) & (length >= 13)
    hello = dtls & (first == 22) & np.isin(heads.bytes[:, 13], (1, 2)) & (length >= 14)
    found(dtls, Service.DTLS.value)
    found(hello, Service.DTLS.value, Decoder.DTLS.value)

    # RFC 1928 section 7: reserved, no fragment, then an address type.
    socks = (
        ((word == 1) & (length >= 10))
        | ((word == 3) & (length >= 7))
        | ((word == 4) & (length >= 22))
    ) & free
    decoder[rows[socks]] = Decoder.SOCKS_UDP.value

    _openvpn(heads, services, decoder, (0x38,))


def _is_dtls(octets: Bytes, at: int) -> Bool:
    """A DTLS 1.0 or 1.2 record header: RFC 6347 section 4.1."""
    kind = octets[:, at]
    version = octets[:, at + 2]
    chosen: Bool = (
        (kind >= 20)
        & (kind <= 25)
        & (octets[:, at + 1] == 0xFE)
        & ((version == 0xFD) | (version == 0xFF))
    )
    return chosen


def _openvpn(heads: _Heads, services: UInt32, decoder: UInt8, opcodes: tuple[int, ...]) -> None:
    """Hard resets: opcode with key 0, then a session id and what little follows it."""
    shaped = np.isin(heads.first, opcodes) & (decoder[heads.rows] == Decoder.NONE.value)
    if not shaped.any():
        return
    # Plain, or with an HMAC of 16 to 64 bytes, or wrapped by tls-crypt; the server's answer
    # acknowledges one packet more. A version 3 reset ends in a wrapped key of any length.
    shaped &= np.isin(heads.declared, _OPENVPN_RESET_LENGTHS) | (
        (heads.first == 0x50) & (heads.declared > 54)
    )
    services[heads.rows[shaped]] |= Service.OPENVPN.value
    decoder[heads.rows[shaped]] = Decoder.OPENVPN.value


def _channel_data(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """TURN ChannelData (RFC 8656 section 12.4) whose content proves itself."""
    fits = heads.u16(2).astype(np.int64) + 4 <= heads.declared
    inner = heads.bytes[:, 4]
    stun = (inner < 0x40) & (heads.u32(8) == _COOKIE) & (heads.length >= 12)
    hello = (
        _is_dtls(heads.bytes, 4)
        & (inner == 22)
        & np.isin(heads.bytes[:, 17], (1, 2))
        & (heads.length >= 18)
    )
    chosen = heads.rows[fits & (stun | hello)]
    services[chosen] |= Service.CHANNEL_DATA.value
    decoder[chosen] = Decoder.CHANNEL_DATA.value
    _openvpn(heads, services, decoder, (0x40, 0x50))


def _quic(heads: _Heads, services: UInt32, decoder: UInt8) -> None:
    """QUIC long headers: RFC 9000 section 17.2, RFC 9369 section 3.2."""
    octets = heads.bytes
    version = (heads.u32(0) << np.uint32(8)) | octets[:, 4]
    kind = octets[:, 0] >> 4 & 3
    one, two = version == 1, version == 0x6B3343CF
    draft = version >> np.uint32(8) == 0xFF0000
    sane = octets[:, 5] <= 20
    services[heads.rows[(one | two | draft) & sane]] |= Service.QUIC.value
    initial = ((one & (kind == 0)) | (two & (kind == 1))) & sane
    decoder[heads.rows[initial]] = Decoder.QUIC.value


def _media(heads: _Heads, services: UInt32) -> None:
    """RTP and RTCP (RFC 3550 sections 5.1 and 6.1), told apart by RFC 5761 section 4."""
    octets = heads.bytes
    kind = octets[:, 1] & 0x7F
    control = (octets[:, 1] >= 200) & (octets[:, 1] <= 207)
    control &= (heads.u16(2).astype(np.int64) + 1) * 4 <= heads.declared
    plain = (octets[:, 0] & 0xEF == 0x80) & _RTP_TYPE[kind] & (heads.declared > 12)
    # Encrypted tunnels have any first byte; well-known ports carry no media.
    plain &= (heads.source >= 1024) & (heads.destination >= 1024) & ~heads.port(4500)
    services[heads.rows[control | plain]] |= Service.RTP.value
