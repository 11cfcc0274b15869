"""DNS messages with every name and address renamed.

A message is written anew piece by piece; compression pointers lead to where the same label
stands now, because names spelling addresses change their length.
"""

from __future__ import annotations

import struct

from pcapleak.decode.dns.message import (
    AAAA,
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
    A,
)  # fmt: skip
from pcapleak.errors import DecodeError
from pcapleak.redact.draft import Draft, blank
from pcapleak.redact.hello import known_protocols
from pcapleak.redact.names import Renamer

_NAME_AT = {NS: 0, CNAME: 0, PTR: 0, DNAME: 0, MX: 2, SRV: 6, SOA: 0, NSEC: 0}
"""How many bytes of fixed numbers stand before the name in the data of a record."""
_SOA_NUMBERS = 20
"""Serial, refresh, retry, expire and minimum (RFC 1035 section 3.3.13)."""
_ECS = 8  # the EDNS client subnet, RFC 7871 section 6


_TYPES = (A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA, SRV, 35, DNAME, 46, NSEC, 48, SVCB, HTTPS)
_TYPE_BITS = sum(0x80 >> kind % 8 << 8 * (31 - kind // 8) for kind in _TYPES).to_bytes(32, "big")
"""As a bit map (RFC 4034 section 4.1.2)."""


class _CutError(Exception):
    """The message ends too early or is no message."""


class _Writer:
    def __init__(self, renamer: Renamer, data: bytes) -> None:
        self.renamer, self.data = renamer, data
        self.draft = blank()
        self.places: dict[int, int] = {}
        """Where the label that stood here stands now."""
        self.pointers: list[tuple[int, int]] = []

    def number(self, at: int, size: int) -> int:
        if at + size > len(self.data):
            raise _CutError
        self.draft.append(self.data[at : at + size])
        return at + size

    def name(self, at: int) -> int:
        """Write the name at `at`; gives where it ends."""
        labels: list[bytes] = []
        here: list[int] = []
        pointer: int | None = None
        end = place = at
        while True:
            if place >= len(self.data) or len(labels) > 127:
                raise _CutError
            size = self.data[place]
            if size >= 192:
                target = int.from_bytes(self.data[place : place + 2], "big") & 0x3FFF
                if target >= place:
                    raise _CutError
                if pointer is None:
                    pointer, end = target, place + 2
                place = target
                continue
            if size >= 64 or place + 1 + size > len(self.data):
                raise _CutError
            if size == 0:
                end = end if pointer is not None else place + 1
                break
            labels.append(self.data[place + 1 : place + 1 + size])
            if pointer is None:
                here.append(place)
            place += 1 + size
        renamed = self.renamer.labels(tuple(labels))
        for place, label in zip(here, renamed, strict=False):
            self.places[place] = len(self.draft.out)
            self.draft.append(bytes((len(label),)) + label)
        if pointer is None:
            self.draft.append(b"\0")
        else:
            self.pointers.append((len(self.draft.out), pointer))
            self.draft.append(b"\xc0\0")
        return end

    def record(self, at: int) -> int:
        at = self.name(at)
        rtype: int
        length: int
        if at + 10 > len(self.data):
            raise _CutError
        rtype, _, _, length = struct.unpack_from("!HHIH", self.data, at)
        at = self.number(at, 8)
        size_at = len(self.draft.out)
        self.draft.append(b"\0\0")
        at += 2
        end = at + length
        if end > len(self.data):
            raise _CutError
        self._data(rtype, at, end)
        made = len(self.draft.out) - size_at - 2
        self.draft.put(size_at, struct.pack("!H", made))
        return end

    def _data(self, rtype: int, at: int, end: int) -> None:
        raw = self.data[at:end]
        if (rtype, len(raw)) in ((A, 4), (AAAA, 16)):
            self.draft.append(self.renamer.packed(raw))
        elif rtype in _NAME_AT:
            after = self.name(self.number(at, _NAME_AT[rtype]))
            if rtype == SOA:
                after = self.name(after)
            if after > end:
                raise _CutError
            rest = self.data[after:end]
            if rtype == NSEC:
                self.draft.append(_known_types(rest))
            else:
                shown = rtype == SOA and len(rest) == _SOA_NUMBERS
                self.draft.append(rest if shown else bytes(len(rest)), known=not shown)
        elif rtype == OPT:
            self._options(raw)
        elif rtype in (TXT, HINFO):
            self._strings(raw)
        elif rtype in (SVCB, HTTPS):
            self._service(at, end)
        else:
            self.draft.append(bytes(len(raw)))

    def _strings(self, raw: bytes) -> None:
        at = 0
        while at < len(raw):
            size = min(raw[at], len(raw) - at - 1)
            self.draft.append(raw[at : at + 1] + b"x" * size)
            at += 1 + size

    def _options(self, raw: bytes) -> None:
        at = 0
        while at + 4 <= len(raw):
            code, size = struct.unpack_from("!HH", raw, at)
            value = raw[at + 4 : at + 4 + size]
            self.draft.append(raw[at : at + 4])
            if code == _ECS and len(value) > 4 and value[1] in (1, 2):
                full = value[4:].ljust(4 if value[1] == 1 else 16, b"\0")
                made = bytearray(self.renamer.packed(full)[: len(value) - 4])
                spare = 8 * len(made) - value[2]
                if 0 < spare < 8:
                    made[-1] &= 0xFF << spare & 0xFF
                self.draft.append(value[:4] + bytes(made))
            else:
                self.draft.append(bytes(len(value)))
            at += 4 + size
        self.draft.append(bytes(max(len(raw) - at, 0)))

    def _service(self, at: int, end: int) -> None:
        """SVCB and HTTPS (RFC 9460): priority, target, parameters with address hints."""
        at = self.name(self.number(at, 2))
        while at + 4 <= end:
            key, size = struct.unpack_from("!HH", self.data, at)
            value = self.data[at + 4 : min(at + 4 + size, end)]
            self.draft.append(self.data[at : at + 4])
            step = {4: 4, 6: 16}.get(key)
            if step and len(value) % step == 0:
                for i in range(0, len(value), step):
                    self.draft.append(self.renamer.packed(value[i : i + step]))
            elif key == 1:
                self.draft.append(known_protocols(value))
            elif key in (0, 2, 3):  # mandatory keys, no-default-alpn, port
                self.draft.append(value, known=False)
            else:
                self.draft.append(bytes(len(value)))
            at += 4 + size
        self.draft.append(bytes(max(end - at, 0)))

    def finish(self) -> Draft:
        for place, target in self.pointers:
            found = self.places.get(target)
            if found is None or found >= 0x4000:
                raise _CutError
            self.draft.put(place, struct.pack("!H", 0xC000 | found))
        return self.draft


def _known_types(bits: bytes) -> bytes:
    """Which types a name has, as far as they are known ones; zeros where nothing says so."""
    if len(bits) < 2 or bits[0] or bits[1] != len(bits) - 2 or bits[1] > len(_TYPE_BITS):
        return bytes(len(bits))
    return bits[:2] + bytes(a & b for a, b in zip(bits[2:], _TYPE_BITS, strict=False))


def redact_dns(renamer: Renamer, data: bytes) -> Draft | None:
    """The message that fills `data`, perhaps of another length; None where it is none or cut."""
    writer = _Writer(renamer, data)
    try:
        at = writer.number(0, 12)
        questions, *records = struct.unpack_from("!4H", data, 4)
        for _ in range(questions):
            at = writer.number(writer.name(at), 4)
        for _ in range(sum(records)):
            at = writer.record(at)
        return writer.finish()
    except (_CutError, DecodeError, struct.error):
        return None
