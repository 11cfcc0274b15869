"""DNS messages: unicast DNS, multicast DNS and LLMNR (RFC 1035, 6762, 4795, 6891)."""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, NamedTuple

from pcapleak.decode.dns.names import POINTER, Names, read_name, whole_names
from pcapleak.decode.dns.records import (
    AAAA,
    ANY,
    CNAME,
    DNAME,
    HINFO,
    HTTPS,
    MX,
    NS,
    NSEC,
    OPT,
    PTR,
    SOA,
    SRV,
    SVCB,
    TXT,
    TYPE_NAMES,
    A,
    MxData,
    NsecData,
    OptData,
    RecordData,
    SoaData,
    SrvData,
    SvcbData,
    read_data,
    type_name,
)
from pcapleak.errors import DecodeError
from pcapleak.values.endpoints import address_of
from pcapleak.values.packets import IPAddress

__all__ = [
    "AAAA", "ANY", "CNAME", "DNAME", "HINFO", "HTTPS", "MX", "NS", "NSEC", "OPT", "PTR", "SOA",
    "SRV", "SVCB", "TXT", "TYPE_NAMES", "A", "DnsMessage", "DnsProtocol", "MxData", "NsecData",
    "OptData", "Question", "Record", "RecordData", "SoaData", "SrvData", "SvcbData", "decode_dns",
    "type_name",
]  # fmt: skip

DnsProtocol = Literal["dns", "mdns", "llmnr"]

_header = struct.Struct("!6H").unpack_from
_record_tail = struct.Struct("!HHIH").unpack_from
_pointed_record = struct.Struct("!HHHIH").unpack_from
"""A record whose name is a pointer alone."""
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

ADDRESS_SIZES = {A: 4, AAAA: 16}
"""Bytes of the records that are addresses (RFC 1035 section 3.4.1, RFC 3596 section 2.2)."""

_new = tuple.__new__
"""Makes a named tuple of its fields, which its own constructor takes twice as long to do."""


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
    """A resource record."""

    name: str
    type: int
    rclass: int
    cache_flush: bool
    """RFC 6762 section 10.2; only in multicast DNS."""
    ttl_s: int
    read: RecordData
    """What was read of its data; of an address, which most often nobody looks at, the bytes."""
    raw: bytes

    @property
    def type_name(self) -> str:
        """The type's mnemonic."""
        return type_name(self.type)

    @property
    def data(self) -> RecordData:
        """Its data, typed where the type is known and well formed, else `raw`."""
        whole = ADDRESS_SIZES.get(self.type) == len(self.raw)
        return _addresses[self.raw] if whole else self.read


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
    cut_name: str = ""
    """The name of the multicast record that the message breaks off in, or its first label where
    that alone is whole."""
    missing: int = 0
    """Records that it counts and breaks off before, that one among them."""

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


_multicast: dict[bytes, DnsMessage] = {}
"""Multicast messages by their bytes: each is said several times, on every interface and by both
versions of IP (RFC 6762 sections 8.1 and 8.3). Only speed depends on what is remembered, so what
is full is emptied: 1024 messages of 512 bytes, at most 45 records of 300 bytes each, 14 MB."""


def decode_dns(data: bytes, protocol: DnsProtocol = "dns") -> DnsMessage:
    """The DNS message that fills `data`.

    A broken record ends the message there and is told in `problems`; a record whose data alone
    is broken keeps its `raw` bytes. Raises `DecodeError` where there is no header.
    """
    end = len(data)
    if end < 12:
        raise DecodeError(protocol, "header", end, f"{end} bytes, a header has 12")
    multicast = protocol == "mdns"
    if multicast and (repeated := _multicast.get(data)) is not None:
        return repeated
    ident, flags, qd, an, ns, ar = _header(data)
    names: Names = {}
    problems: list[str] = []
    questions: list[Question] = []
    records: list[Record] = []
    left = an + ns + ar
    offset = 12
    name = cut_name = ""
    missing = 0
    try:
        # A question takes at least 5 bytes and a record 11, so a message of 65535 bytes ends
        # after at most 13104 rounds whatever its counts say.
        while qd:
            qd -= 1
            stop = data.find(0, offset, offset + 255) + 1
            wire = data[offset:stop]
            known = whole_names[wire] if offset == 12 else whole_names.get(wire)
            if known is not None:
                if qd or left:  # else no pointer follows
                    names[offset + POINTER] = known
                name, offset = known[0], stop
            else:
                name, offset = read_name(data, offset, end, names, protocol, "question")
            if offset + 4 > end:
                raise DecodeError(protocol, "question", offset, "ends in the type or class")
            rtype, rclass = _u16_pair(data, offset)
            offset += 4
            if multicast and rclass >= 0x8000:
                questions.append(_new(Question, (name, rtype, rclass & 0x7FFF, True)))
            else:
                questions.append(_new(Question, (name, rtype, rclass, False)))
        while left:
            left -= 1
            known = None
            name = ""
            if offset + 12 <= end:
                pointer, rtype, rclass, ttl, size = _pointed_record(data, offset)
                known = names.get(pointer)
            if known is not None:
                name = known[0]
                start = offset + 12
            else:
                place = _section(len(records), an, ns)
                name, offset = read_name(data, offset, end, names, protocol, place)
                start = offset + 10
                if start > end:
                    raise DecodeError(protocol, place, offset, "ends before the record's data")
                rtype, rclass, ttl, size = _record_tail(data, offset)
            offset = start + size
            if offset > end:
                place = _section(len(records), an, ns)
                reason = f"{size} bytes of data, {end - start} left"
                raise DecodeError(protocol, place, start, reason)
            raw = data[start:offset]
            value: RecordData
            if ADDRESS_SIZES.get(rtype) == size:
                value = raw
            else:
                try:
                    value = read_data(data, start, offset, rtype, rclass, ttl, names, protocol)
                except DecodeError as error:
                    problems.append(str(error))
                    value = raw
            flush = multicast and rclass >= 0x8000 and rtype != OPT
            if flush:
                rclass &= 0x7FFF
            records.append(_new(Record, (name, rtype, rclass, flush, ttl, value, raw)))
        if offset < end:
            problems.append(f"{protocol}: {end - offset} bytes after the message")
    except DecodeError as error:
        problems.append(str(error))
        missing = min(an + ns + ar - len(records), 0xFFFF)
        if multicast and left + 1 + len(records) == an + ns + ar:
            cut_name = name or _first_label(data, offset)
    answers, authorities, additionals = tuple(records), _NONE, _NONE
    if ns or ar:
        authorities, additionals = answers[an : an + ns], answers[an + ns :]
        answers = answers[:an]
    response, opcode, authoritative, truncated, desired, available, rcode = _flags(flags)
    message = _new(
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
            answers,
            authorities,
            additionals,
            tuple(problems),
            available,
            protocol,
            cut_name,
            missing,
        ),
    )
    if multicast and end <= 512:
        if len(_multicast) >= 1024:
            _multicast.clear()
        _multicast[data] = message
    return message


def _first_label(data: bytes, offset: int) -> str:
    """The first label of the name at `offset`, if it is there."""
    if offset >= len(data) or not 0 < data[offset] <= len(data) - offset - 1 <= 0xFFFF:
        return ""
    return data[offset + 1 : offset + 1 + data[offset]].decode("latin-1")


def _section(number: int, answers: int, authorities: int) -> str:
    """Where the record of that number stands."""
    if number < answers:
        return "answer"
    return "authority" if number < answers + authorities else "additional"


_NONE: tuple[Record, ...] = ()


@lru_cache(maxsize=256)
def _flags(word: int) -> tuple[bool, int, bool, bool, bool, bool, int]:
    """QR, OPCODE, AA, TC, RD, RA and RCODE (RFC 1035 section 4.1.1)."""
    aa, tc, rd, ra = (bool(word & bit) for bit in (0x0400, 0x0200, 0x0100, 0x0080))
    return word >= 0x8000, word >> 11 & 15, aa, tc, rd, ra, word & 15
