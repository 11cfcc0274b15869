"""DNS messages: unicast DNS, multicast DNS and LLMNR (RFC 1035, 6762, 4795, 6891)."""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, NamedTuple

from pcapleak.errors import DecodeError
from pcapleak.model import IPAddress, address_of
from pcapleak.protocols.dns_names import POINTER, Names, read_name, whole_names

DnsProtocol = Literal["dns", "mdns", "llmnr"]

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT = 1, 2, 5, 6, 12, 13, 15, 16
AAAA, SRV, DNAME, OPT, NSEC, ANY = 28, 33, 39, 41, 47, 255

TYPE_NAMES = {
    1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR",
    10: "NULL", 11: "WKS", 12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP",
    18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT", 22: "NSAP", 23: "NSAP-PTR", 24: "SIG",
    25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT", 31: "EID", 32: "NIMLOC",
    33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME", 40: "SINK",
    41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC",
    48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA",
    55: "HIP", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD",
    64: "SVCB", 65: "HTTPS", 99: "SPF", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG",
    251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA",
}  # fmt: skip

_header = struct.Struct("!6H").unpack_from
_record_tail = struct.Struct("!HHIH").unpack_from
_pointed_record = struct.Struct("!HHHIH").unpack_from
"""A record whose name is a pointer alone."""
_srv_head = struct.Struct("!HHH").unpack_from
_u16_pair = struct.Struct("!HH").unpack_from
_u64_pair = struct.Struct("!QQ").unpack_from


class _Addresses(dict[bytes, IPAddress]):
    """Addresses by their bytes. Only speed depends on what is remembered, so what is full is
    emptied: at 150 bytes each, 600 kB."""

    def __missing__(self, raw: bytes) -> IPAddress:
        if len(self) >= 4096:
            self.clear()
        if len(raw) == 4:
            address = address_of(4, 0, int.from_bytes(raw, "big"))
        else:
            address = address_of(6, *_u64_pair(raw))
        self[raw] = address
        return address


_addresses = _Addresses()

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


RecordData = IPAddress | str | SrvData | NsecData | OptData | tuple[bytes, ...] | bytes


class Question(NamedTuple):
    """What is asked. `unicast_response` is the QU bit of RFC 6762 section 5.4."""

    name: str
    type: int
    rclass: int
    unicast_response: bool

    @property
    def type_name(self) -> str:
        """The type's mnemonic."""
        return type_name(self.type)


class Record(NamedTuple):
    """A resource record. `data` is typed where the type is known and well formed, else `raw`."""

    name: str
    type: int
    rclass: int
    cache_flush: bool
    """RFC 6762 section 10.2; only in multicast DNS."""
    ttl_s: int
    data: RecordData
    raw: bytes

    @property
    def type_name(self) -> str:
        """The type's mnemonic."""
        return type_name(self.type)


class DnsMessage(NamedTuple):
    """A DNS message, as far as it could be read; `problems` says what could not.

    Names have no trailing dot (the root is `.`), keep their case, and escape what is not
    printable as RFC 1035 section 5.1 does. In LLMNR `authoritative` is the conflict bit and
    `recursion_desired` the tentative bit (RFC 4795 section 2.1.1).
    """

    id: int
    is_response: bool
    opcode: int
    authoritative: bool
    truncated: bool
    recursion_desired: bool
    rcode: int
    questions: tuple[Question, ...]
    answers: tuple[Record, ...]
    authorities: tuple[Record, ...]
    additionals: tuple[Record, ...]
    problems: tuple[str, ...] = ()
    recursion_available: bool = False
    protocol: DnsProtocol = "dns"

    @property
    def is_probe(self) -> bool:
        """A claim to names not yet held (RFC 6762 section 8.1)."""
        return not self.is_response and bool(self.questions) and bool(self.authorities)

    @property
    def is_announcement(self) -> bool:
        """A response that asks nothing and gives up nothing (RFC 6762 section 8.3)."""
        return self.is_response and any(record.ttl_s for record in self.answers)

    @property
    def goodbyes(self) -> tuple[Record, ...]:
        """Records given up: a TTL of zero in a response (RFC 6762 section 10.1)."""
        if not self.is_response:
            return ()
        return tuple(record for record in self.answers if record.ttl_s == 0)

    @property
    def known_answers(self) -> tuple[Record, ...]:
        """What a querier already knows (RFC 6762 section 7.1)."""
        return () if self.is_response else self.answers

    @property
    def client_subnet(self) -> IPv4Network | IPv6Network | None:
        """The EDNS client subnet of the message, if it has one."""
        for record in self.additionals:
            if isinstance(record.data, OptData):
                return record.data.client_subnet
        return None


def decode_dns(data: bytes, protocol: DnsProtocol = "dns") -> DnsMessage:
    """The DNS message that fills `data`.

    A broken record ends the message there and is told in `problems`; a record whose data alone
    is broken keeps its `raw` bytes. Raises `DecodeError` where there is no header.
    """
    end = len(data)
    if end < 12:
        raise DecodeError(protocol, "header", end, f"{end} bytes, a header has 12")
    ident, flags, qd, an, ns, ar = _header(data)
    names: Names = {}
    problems: list[str] = []
    questions: list[Question] = []
    answers: list[Record] = []
    authorities: list[Record] = []
    additionals: list[Record] = []
    offset = 12
    try:
        # A question takes at least 5 bytes and a record 11, so a message of 65535 bytes ends
        # after at most 13104 rounds whatever its counts say.
        while qd:
            qd -= 1
            stop = data.find(0, offset, offset + 255) + 1
            known = whole_names[data[offset:stop]]
            if known is not None:
                names[offset + POINTER] = known
                name = known[0]
                offset = stop
            else:
                name, offset = read_name(data, offset, end, names, protocol, "question")
            if offset + 4 > end:
                raise DecodeError(protocol, "question", offset, "ends in the type or class")
            rtype, rclass = _u16_pair(data, offset)
            offset += 4
            if rclass >= 0x8000 and protocol == "mdns":
                questions.append(_new(Question, (name, rtype, rclass & 0x7FFF, True)))
            else:
                questions.append(_new(Question, (name, rtype, rclass, False)))
        if an:
            offset = _read_records(data, offset, an, names, protocol, "answer", answers, problems)
        if ns:
            offset = _read_records(
                data, offset, ns, names, protocol, "authority", authorities, problems
            )
        if ar:
            offset = _read_records(
                data, offset, ar, names, protocol, "additional", additionals, problems
            )
        if offset < end:
            problems.append(f"{protocol}: {end - offset} bytes after the message")
    except DecodeError as error:
        problems.append(str(error))
    response, opcode, authoritative, truncated, desired, available, rcode = _flags(flags)
    return _new(
        DnsMessage,
        (
            ident,
            response,
            opcode,
            authoritative,
            truncated,
            desired,
            rcode,
            tuple(questions),
            tuple(answers),
            tuple(authorities),
            tuple(additionals),
            tuple(problems),
            available,
            protocol,
        ),
    )


@lru_cache(maxsize=256)
def _flags(word: int) -> tuple[bool, int, bool, bool, bool, bool, int]:
    """QR, OPCODE, AA, TC, RD, RA and RCODE (RFC 1035 section 4.1.1)."""
    aa, tc, rd, ra = (bool(word & bit) for bit in (0x0400, 0x0200, 0x0100, 0x0080))
    return word >= 0x8000, word >> 11 & 15, aa, tc, rd, ra, word & 15


def _read_records(
    data: bytes,
    offset: int,
    count: int,
    names: Names,
    protocol: DnsProtocol,
    place: str,
    records: list[Record],
    problems: list[str],
) -> int:
    """Add `count` records; gives where they end."""
    end = len(data)
    multicast = protocol == "mdns"
    for _ in range(count):
        known = None
        if offset + 12 <= end:
            pointer, rtype, rclass, ttl, size = _pointed_record(data, offset)
            known = names.get(pointer)
        if known is not None:
            name = known[0]
            start = offset + 12
        else:
            name, offset = read_name(data, offset, end, names, protocol, place)
            start = offset + 10
            if start > end:
                raise DecodeError(protocol, place, offset, "ends before the record's data")
            rtype, rclass, ttl, size = _record_tail(data, offset)
        offset = start + size
        if offset > end:
            raise DecodeError(protocol, place, start, f"{size} bytes of data, {end - start} left")
        raw = data[start:offset]
        value: RecordData
        if (rtype == A and size == 4) or (rtype == AAAA and size == 16):
            value = _addresses[raw]
        else:
            try:
                value = _record_data(data, start, offset, rtype, rclass, ttl, names, protocol)
            except DecodeError as error:
                problems.append(str(error))
                value = raw
        flush = multicast and rclass >= 0x8000 and rtype != OPT
        if flush:
            rclass &= 0x7FFF
        records.append(_new(Record, (name, rtype, rclass, flush, ttl, value, raw)))
    return offset


def _record_data(
    data: bytes,
    start: int,
    end: int,
    rtype: int,
    rclass: int,
    ttl: int,
    names: Names,
    protocol: DnsProtocol,
) -> RecordData:
    if rtype in (A, AAAA):
        size = 4 if rtype == A else 16
        raise DecodeError(
            protocol, type_name(rtype), start, f"{end - start} bytes, an address has {size}"
        )
    if rtype in _NAME_TYPES:
        name, after = read_name(data, start, end, names, protocol, type_name(rtype))
        if after != end:
            raise DecodeError(protocol, type_name(rtype), after, "bytes after the name")
        return name
    if rtype in (TXT, HINFO):
        return tuple(_strings(data, start, end, protocol, type_name(rtype)))
    if rtype == SRV:
        if end - start < 7:
            raise DecodeError(protocol, "SRV", start, "too short")
        target, after = read_name(data, start + 6, end, names, protocol, "SRV")
        if after != end:
            raise DecodeError(protocol, "SRV", after, "bytes after the target")
        priority, weight, port = _srv_head(data, start)
        return SrvData(priority, weight, port, target)
    if rtype == NSEC:
        next_name, after = read_name(data, start, end, names, protocol, "NSEC")
        bitmap = data[after:end]
        read = _usual_bitmap if len(bitmap) <= 64 else _bitmap
        return NsecData(next_name, read(bitmap, after, protocol))
    if rtype == OPT:
        options = tuple(_options(data, start, end, protocol))
        return OptData(rclass, ttl >> 24, ttl >> 16 & 0xFF, bool(ttl & 0x8000), options)
    return data[start:end]


def _strings(data: bytes, start: int, end: int, protocol: DnsProtocol, place: str) -> list[bytes]:
    strings = []
    while start < end:
        stop = start + 1 + data[start]
        if stop > end:
            raise DecodeError(protocol, place, start, "string past the end")
        strings.append(data[start + 1 : stop])
        start = stop
    return strings


def _bitmap(data: bytes, place: int, protocol: DnsProtocol) -> tuple[int, ...]:
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
    return tuple(types)


_usual_bitmap = lru_cache(maxsize=512)(_bitmap)
"""Of 64 bytes at most, 512 types: 10 MB where all are strangers' finest, 100 kB else."""


def _options(data: bytes, start: int, end: int, protocol: DnsProtocol) -> list[tuple[int, bytes]]:
    options = []
    while start < end:
        if start + 4 > end:
            raise DecodeError(protocol, "OPT", start, "ends in an option's header")
        code, size = _u16_pair(data, start)
        stop = start + 4 + size
        if stop > end:
            raise DecodeError(protocol, "OPT", start, f"option {code} past the end")
        options.append((code, data[start + 4 : stop]))
        start = stop
    return options
