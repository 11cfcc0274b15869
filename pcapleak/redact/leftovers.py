"""The search of what was written for addresses that were to be renamed.

It knows nothing of protocols: every byte that was only kept, not made, is looked at in every
form an address takes.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
from numpy.typing import NDArray

from pcapleak.values.packets import Bytes, IPAddress
from pcapleak.values.registries import COOKIE, MAGIC_COOKIE

_MAX_KEYS = 16
"""STUN messages within messages of one frame, each with a key of its own."""

_DOTTED = re.compile(rb"(?<![0-9])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9])")
_DECIMAL = re.compile(rb"[0-9]{7,39}")
_HEX = re.compile(rb"[0-9A-Fa-f]{8,}")
_COLONS = re.compile(rb"[0-9A-Fa-f:.]{2,}")
_NIBBLES = re.compile(rb"(?:[0-9A-Fa-f]\.){31}[0-9A-Fa-f]")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{6,}")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_PAIRS = re.compile(
    rb"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}"
)

_Numbers = NDArray[np.uint64]


class Leftovers:
    """Looks for `originals` and `hardware` addresses of 6 bytes."""

    def __init__(self, originals: Iterable[IPAddress], hardware: Iterable[bytes] = ()) -> None:
        known = set(originals)
        self._four = {int(a) for a in known if a.version == 4}
        self._six = {a.packed for a in known if a.version == 6}
        self._macs = set(hardware)
        self._packed = {a.packed for a in known} | self._macs
        forms = np.array(sorted(self._four), np.uint32)
        self._words = np.unique(
            np.concatenate((forms, forms.byteswap(), forms ^ np.uint32(MAGIC_COOKIE)))
        ).astype(np.uint64)
        self._tails = _numbers(p[8:] for p in self._six)
        self._turned = _numbers(p[::-1][8:] for p in self._six)
        self._hardware = _numbers(way for mac in self._macs for way in (mac, mac[::-1]))

    def find(self, data: bytes | bytearray, known: bytes | bytearray) -> str | None:
        """The first original in `data` beyond the bytes that `known` marks, and its form."""
        if not (self._four or self._six or self._macs) or not data:
            return None
        octets = np.frombuffer(bytes(data), np.uint8)
        # Zeros were blanked, or stand in what holds more than zeros.
        loose = (np.frombuffer(bytes(known), np.uint8) == 0) & (octets != 0)
        if not loose.any():
            return None
        return self._binary(octets, loose) or self._text(bytes(data), loose)

    def _binary(self, octets: Bytes, loose: NDArray[np.bool_]) -> str | None:
        data = octets.tobytes()

        def first(size: int, wanted: _Numbers, read: Callable[[int], _Found | None]) -> str | None:
            for hit in _hits(_windows(octets, size), wanted):
                found = read(hit)
                if found is not None and loose[found[1] : found[1] + found[2]].any():
                    return found[0]
            return None

        return (
            first(4, self._words, lambda at: self._word(data, at))
            or first(6, self._hardware, lambda at: self._mac(data, at))
            or first(8, self._tails, lambda at: self._tail(data, at - 8, 1))
            or first(8, self._turned, lambda at: self._tail(data, at - 8, -1))
            or self._xored(octets, loose)
        )

    def _word(self, data: bytes, at: int) -> _Found:
        value = int.from_bytes(data[at : at + 4], "big")
        turned = int.from_bytes(data[at : at + 4], "little")
        if value in self._four:
            return f"{IPv4Address(value)} as it is", at, 4
        if turned in self._four:
            return f"{IPv4Address(turned)} reversed", at, 4
        return f"{IPv4Address(value ^ MAGIC_COOKIE)} XORed", at, 4

    def _mac(self, data: bytes, at: int) -> _Found:
        value = data[at : at + 6]
        if value in self._macs:
            return f"{value.hex(':')} as it is", at, 6
        return f"{value[::-1].hex(':')} reversed", at, 6

    def _tail(self, data: bytes, start: int, step: int) -> _Found | None:
        """The last half was met: the whole stands around it."""
        whole = data[max(start, 0) : max(start, 0) + 16][::step]
        if start < 0 or whole not in self._six:
            return None
        form = "as it is" if step == 1 else "reversed"
        return f"{IPv6Address(whole)} {form}", start, 16

    def _xored(self, octets: Bytes, loose: NDArray[np.bool_]) -> str | None:
        """IPv6 addresses XORed with the cookie and what follows it."""
        data = octets.tobytes()
        key_at = data.find(COOKIE) if self._six else -1
        if key_at < 0:
            return None
        halves = _windows(octets, 8)
        for _ in range(_MAX_KEYS):
            if key_at < 0 or key_at + 16 > len(data):
                return None
            key = data[key_at : key_at + 16]
            for hit in _hits(halves ^ np.uint64(int.from_bytes(key[8:], "big")), self._tails):
                mixed = data[max(hit - 8, 0) : hit + 8]
                plain = bytes(a ^ b for a, b in zip(mixed, key, strict=False))
                if hit >= 8 and plain in self._six and loose[hit - 8 : hit + 8].any():
                    return f"{IPv6Address(plain)} XORed"
            key_at = data.find(COOKIE, key_at + 1)
        return None

    def _text(self, data: bytes, loose: NDArray[np.bool_]) -> str | None:
        for pattern, read in (
            (_DOTTED, self._dotted),
            (_DECIMAL, self._decimal),
            (_HEX, self._hex),
            (_COLONS, self._colons),
            (_NIBBLES, self._nibbles),
            (_PAIRS, self._pairs),
            (_BASE64, self._base64),
        ):
            for match in pattern.finditer(data):
                if loose[match.start() : match.end()].any():
                    found = read(match.group())
                    if found is not None:
                        return found
        return None

    def _dotted(self, text: bytes) -> str | None:
        octets = [int(part) for part in text.split(b".")]
        if max(octets) > 255:
            return None
        for order, form in ((octets, "in dotted form"), (octets[::-1], "in reverse dotted form")):
            value = int.from_bytes(bytes(order), "big")
            if value in self._four:
                return f"{IPv4Address(value)} {form}"
        return None

    def _decimal(self, text: bytes) -> str | None:
        value = int(text)
        if value in self._four:
            return f"{IPv4Address(value)} as a decimal number"
        if value < 1 << 128 and value.to_bytes(16, "big") in self._six:
            return f"{IPv6Address(value)} as a decimal number"
        return None

    def _hex(self, text: bytes) -> str | None:
        for at in range(len(text) - 7) if self._four else ():
            value = int(text[at : at + 8], 16)
            for word in (value, int.from_bytes(value.to_bytes(4, "big"), "little")):
                if word in self._four:
                    return f"{IPv4Address(word)} in hexadecimal"
        for size, wanted in ((12, self._macs), (32, self._six)):
            for at in range(len(text) - size + 1) if wanted else ():
                packed = bytes.fromhex(text[at : at + size].decode())
                for octets in (packed, packed[::-1]):
                    if octets in wanted:
                        name = octets.hex(":") if size == 12 else IPv6Address(octets)
                        return f"{name} in hexadecimal"
        return None

    def _colons(self, text: bytes) -> str | None:
        if text.count(b":") < 2:
            return None
        for part in (text, text.strip(b".:"), text.rstrip(b":.") + b"::", text.rpartition(b":")[0]):
            try:
                address = ip_address(part.decode("ascii"))
            except ValueError:
                continue
            if address.packed in self._six:
                return f"{address} in letters"
        return None

    def _nibbles(self, text: bytes) -> str | None:
        packed = bytes.fromhex(text.replace(b".", b"")[::-1].decode())
        return f"{IPv6Address(packed)} as a PTR name" if packed in self._six else None

    def _base64(self, text: bytes) -> str | None:
        """From each of the four places where a group may begin."""
        if not text.strip(b"xX0"):
            return None  # what was covered
        text = text.translate(_URL_SAFE)
        for start in range(4):
            # Three letters hold two bytes, two hold one: A fills up what lacks.
            part = text[start:] + b"A" * (-(len(text) - start) % 4)
            octets = a2b_base64(part)
            numbers = np.frombuffer(octets, np.uint8)
            for size, wanted in ((4, self._words), (6, self._hardware), (8, self._tails)):
                for at in _hits(_windows(numbers, size), wanted):
                    whole = octets[max(at - 8, 0) : at + 8] if size == 8 else octets[at : at + size]
                    if whole in self._packed:
                        return f"{_written(whole)} in base64"
        return None

    def _pairs(self, text: bytes) -> str | None:
        packed = bytes.fromhex(re.sub(rb"[:.-]", b"", text).decode())
        return f"{packed.hex(':')} in letters" if packed in self._macs else None


_Found = tuple[str, int, int]
"""What was found, where it begins, and how many bytes it has."""


def _written(octets: bytes) -> str:
    return octets.hex(":") if len(octets) == 6 else str(ip_address(octets))


def _numbers(packed: Iterable[bytes]) -> _Numbers:
    return np.unique(np.array([int.from_bytes(octets, "big") for octets in packed], np.uint64))


def _windows(octets: Bytes, size: int) -> _Numbers:
    """The number that begins at each byte, of `size` bytes, the first byte the highest."""
    count = max(len(octets) - size + 1, 0)
    values = np.zeros(count, np.uint64)
    for at in range(size):
        values = values << np.uint64(8) | octets[at : at + count]
    return values


def _hits(values: _Numbers, wanted: _Numbers) -> list[int]:
    if not len(wanted) or not len(values):
        return []
    at = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
    return np.flatnonzero(wanted[at] == values).tolist()
