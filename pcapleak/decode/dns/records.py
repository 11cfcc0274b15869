"""The data of DNS records, by type."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from pcapleak.decode.dns.names import Names, read_name
from pcapleak.errors import DecodeError
from pcapleak.values.packets import IPAddress

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT = 1, 2, 5, 6, 12, 13, 15, 16
AAAA, SRV, DNAME, OPT, NSEC, SVCB, HTTPS, ANY = 28, 33, 39, 41, 47, 64, 65, 255

TYPE_NAMES = {
    1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR",
    10: "NULL", 11: "WKS", 12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP",
    18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT", 22: "NSAP", 23: "NSAP-PTR", 24: "SIG",
    25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT", 31: "EID", 32: "NIMLOC",
    33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME", 40: "SINK",
    41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC",
    48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA",
    55: "HIP", 56: "NINFO", 57: "RKEY", 58: "TALINK", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY",
    62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 66: "DSYNC", 99: "SPF", 100: "UINFO",
    101: "UID", 102: "GID", 103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64", 107: "LP",
    108: "EUI48", 109: "EUI64", 128: "NXNAME", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR",
    253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA", 258: "AVC", 259: "DOA",
    260: "AMTRELAY", 261: "RESINFO", 262: "WALLET", 32768: "TA", 32769: "DLV",
}  # fmt: skip

_srv_head = struct.Struct("!HHH").unpack_from
_soa_tail = struct.Struct("!5I").unpack_from
_u16_pair = struct.Struct("!HH").unpack_from

_new = tuple.__new__
"""Makes a named tuple of its fields, which its own constructor takes twice as long to do."""

_BITS = tuple(tuple(bit for bit in range(8) if byte & 0x80 >> bit) for byte in range(256))
"""Which bits of a byte are set, the first being the highest."""

_NAME_TYPES = frozenset((NS, CNAME, PTR, DNAME))


def type_name(rtype: int) -> str:
    """The mnemonic of a record type, or `TYPE123` (RFC 3597 section 5)."""
    return TYPE_NAMES.get(rtype) or f"TYPE{rtype}"


class SrvData(NamedTuple):
    """A service's place (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class SoaData(NamedTuple):
    """Where a zone's authority begins (RFC 1035 section 3.3.13)."""

    primary: str
    """The first name server of the zone (MNAME)."""
    mailbox: str
    """Who answers for it (RNAME)."""
    serial: int
    refresh_s: int
    retry_s: int
    expire_s: int
    minimum_s: int
    """How long a missing name may be remembered (RFC 2308 section 4)."""


class MxData(NamedTuple):
    """Who takes mail (RFC 1035 section 3.3.9)."""

    preference: int
    exchange: str


class SvcbData(NamedTuple):
    """SVCB and HTTPS: where a service is and how to speak to it (RFC 9460 section 2.2)."""

    priority: int
    """0: an alias of `target`."""
    target: str
    params: tuple[tuple[int, bytes], ...]
    """By SvcParamKey (RFC 9460 section 14.3.2)."""

    @property
    def alpn(self) -> tuple[str, ...]:
        """The protocols it speaks, as far as they can be read."""
        value, found = dict(self.params).get(1, b""), []
        while value and value[0] < len(value):
            found.append(value[1 : value[0] + 1].decode("ascii", "replace"))
            value = value[value[0] + 1 :]
        return tuple(found)

    @property
    def hints(self) -> tuple[IPAddress, ...]:
        """Its addresses, which a client may use without asking for them."""
        found: list[IPAddress] = []
        for key, value in self.params:
            if key == 4:
                found += [IPv4Address(value[at : at + 4]) for at in range(0, len(value) - 3, 4)]
            elif key == 6:
                found += [IPv6Address(value[at : at + 16]) for at in range(0, len(value) - 15, 16)]
        return tuple(found)


class NsecData(NamedTuple):
    """The types that exist at a name (RFC 4034 section 4, RFC 6762 section 6.1)."""

    next_name: str
    types: tuple[int, ...]


class OptData(NamedTuple):
    """An EDNS pseudo-record (RFC 6891 section 6.1)."""

    payload_size: int
    extended_rcode: int
    version: int
    dnssec_ok: bool
    options: tuple[tuple[int, bytes], ...]

    @property
    def client_subnet(self) -> IPv4Network | IPv6Network | None:
        """The client's subnet a resolver passes on (RFC 7871 section 6)."""
        for code, value in self.options:
            if code == 8 and len(value) >= 4:
                family, prefix = int.from_bytes(value[:2], "big"), value[2]
                if family == 1 and prefix <= 32 and len(value) <= 8:
                    return IPv4Network((value[4:].ljust(4, b"\0"), prefix), strict=False)
                if family == 2 and prefix <= 128 and len(value) <= 20:
                    return IPv6Network((value[4:].ljust(16, b"\0"), prefix), strict=False)
        return None


RecordData = (
    IPAddress
    | str
    | SrvData
    | SoaData
    | MxData
    | SvcbData
    | NsecData
    | OptData
    | tuple[bytes, ...]
    | bytes
)


def read_data(
    data: bytes,
    start: int,
    end: int,
    rtype: int,
    rclass: int,
    ttl: int,
    names: Names,
    protocol: str,
) -> RecordData:
    """The data between `start` and `end`; its bytes where the type has no reader.

    `rclass` and `ttl` are the record's, which EDNS uses for more of its data.

    Raises:
        DecodeError: the data does not follow its type's format.
    """
    if rtype in _NAME_TYPES:
        name, after = read_name(data, start, end, names, protocol, type_name(rtype))
        if after != end:
            raise DecodeError(protocol, type_name(rtype), after, "bytes after the name")
        return name
    if rtype == NSEC:
        next_name, after = read_name(data, start, end, names, protocol, "NSEC")
        bitmap = data[after:end]
        types = _bitmaps.get(bitmap) or _bitmap(bitmap, after, protocol)
        return _new(NsecData, (next_name, types))
    if rtype == SRV:
        if end - start < 7:
            raise DecodeError(protocol, "SRV", start, "too short")
        target, after = read_name(data, start + 6, end, names, protocol, "SRV")
        if after != end:
            raise DecodeError(protocol, "SRV", after, "bytes after the target")
        return _new(SrvData, (*_srv_head(data, start), target))
    if rtype in (TXT, HINFO):
        return tuple(_strings(data, start, end, protocol, type_name(rtype)))
    if rtype == OPT:
        options = _options(data, start, end, protocol, "OPT", "option")
        return _new(OptData, (rclass, ttl >> 24, ttl >> 16 & 0xFF, bool(ttl & 0x8000), options))
    if rtype == SOA:
        primary, after = read_name(data, start, end, names, protocol, "SOA")
        mailbox, after = read_name(data, after, end, names, protocol, "SOA")
        if end - after != 20:
            raise DecodeError(protocol, "SOA", after, f"{end - after} bytes of numbers, not 20")
        return SoaData(primary, mailbox, *_soa_tail(data, after))
    if rtype in (MX, SVCB, HTTPS):
        if end - start < 3:
            raise DecodeError(protocol, type_name(rtype), start, "too short")
        number = data[start] << 8 | data[start + 1]
        target, after = read_name(data, start + 2, end, names, protocol, type_name(rtype))
        if rtype != MX:
            params = _options(data, after, end, protocol, type_name(rtype), "parameter")
            return SvcbData(number, target, params)
        if after != end:
            raise DecodeError(protocol, "MX", after, "bytes after the name")
        return MxData(number, target)
    if rtype in (A, AAAA):
        size = 4 if rtype == A else 16
        raise DecodeError(
            protocol, type_name(rtype), start, f"{end - start} bytes, an address has {size}"
        )
    return data[start:end]


def _strings(data: bytes, start: int, end: int, protocol: str, place: str) -> list[bytes]:
    strings = []
    while start < end:
        stop = start + 1 + data[start]
        if stop > end:
            raise DecodeError(protocol, place, start, "string past the end")
        strings.append(data[start + 1 : stop])
        start = stop
    return strings


_bitmaps: dict[bytes, tuple[int, ...]] = {}
"""Types by their bitmap: of 64 bytes at most, 512 types, so 10 MB where all are strangers'
finest, 100 kB else."""


def _bitmap(data: bytes, place: int, protocol: str) -> tuple[int, ...]:
    """RFC 4034 section 4.1.2. Windows must rise, so there are at most 256 of 256 types.
    `place` is where `data` stood."""
    types: list[int] = []
    last, start, end = -1, 0, len(data)
    while start < end:
        if start + 2 > end or start + 2 + data[start + 1] > end:
            raise DecodeError(protocol, "NSEC", place + start, "window past the end")
        window, size = data[start], data[start + 1]
        if window <= last or not 1 <= size <= 32:
            raise DecodeError(protocol, "NSEC", place + start, f"window {window} of {size} bytes")
        last = window
        start += 2
        for i in range(size):
            base = window << 8 | i << 3
            types += [base | bit for bit in _BITS[data[start + i]]]
        start += size
    found = tuple(types)
    if end <= 64 and len(_bitmaps) < 512:
        _bitmaps[data] = found
    return found


def _options(
    data: bytes, start: int, end: int, protocol: str, place: str, what: str
) -> tuple[tuple[int, bytes], ...]:
    """Numbers and values behind their length, up to `end`."""
    options = []
    while start < end:
        if start + 4 > end:
            raise DecodeError(protocol, place, start, f"ends in the header of its last {what}")
        code, size = _u16_pair(data, start)
        stop = start + 4 + size
        if stop > end:
            raise DecodeError(protocol, place, start, f"{what} {code} past the end")
        options.append((code, data[start + 4 : stop]))
        start = stop
    return tuple(options)
