"""The search of what was written for addresses that were to be renamed.

It knows nothing of protocols: every byte that was only kept, not made, is looked at in every
form an address takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np

from pcapleak.model import IPAddress

_COOKIE4 = 0x2112A442
_COOKIE = b"\x21\x12\xa4\x42"

_DOTTED = re.compile(rb"(?<![0-9])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9])")
_DECIMAL = re.compile(rb"[0-9]{7,39}")
_HEX = re.compile(rb"[0-9A-Fa-f]{8,}")
_COLONS = re.compile(rb"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_NIBBLES = re.compile(rb"(?:[0-9A-Fa-f]\.){31}[0-9A-Fa-f]")


class Residue:
    """Looks for `originals`."""

    def __init__(self, originals: Iterable[IPAddress]) -> None:
        known = set(originals)
        self._four = {int(a) for a in known if a.version == 4}
        self._six = {a.packed for a in known if a.version == 6}
        forms = np.array(sorted(self._four), np.uint32)
        self._words = np.unique(
            np.concatenate((forms, forms.byteswap(), forms ^ np.uint32(_COOKIE4)))
        )
        tails = [p[8:] for p in self._six] + [p[::-1][8:] for p in self._six]
        self._tails = np.unique(np.array([int.from_bytes(t, "big") for t in tails], np.uint64))

    def find(self, data: bytes | bytearray, known: bytes | bytearray) -> str | None:
        """The first original in `data` beyond the bytes that `known` marks, and its form."""
        if not (self._four or self._six) or not data:
            return None
        loose = np.frombuffer(bytes(known), np.uint8) == 0
        octets = np.frombuffer(bytes(data), np.uint8)
        if not (loose & (octets != 0)).any():
            return None
        return self._binary(octets, loose) or self._text(bytes(data), loose)

    def _binary(self, octets: np.ndarray, loose: np.ndarray) -> str | None:
        for size, kind, wanted in ((4, ">u4", self._words), (8, ">u8", self._tails)):
            if len(octets) < size or not len(wanted):
                continue
            windows = np.lib.stride_tricks.sliding_window_view(octets, size)
            values = np.ascontiguousarray(windows).view(kind)[:, 0]
            at = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
            for hit in np.flatnonzero(wanted[at] == values).tolist():
                found = self._word(octets, hit) if size == 4 else self._tail(octets, hit)
                if found is not None and loose[found[1] : found[2]].any():
                    return found[0]
        return self._xored(octets, loose)

    def _word(self, octets: np.ndarray, at: int) -> tuple[str, int, int] | None:
        value = int.from_bytes(octets[at : at + 4].tobytes(), "big")
        turned = int.from_bytes(octets[at : at + 4].tobytes(), "little")
        if value in self._four:
            return f"{IPv4Address(value)} as it is", at, at + 4
        if turned in self._four:
            return f"{IPv4Address(turned)} reversed", at, at + 4
        return f"{IPv4Address(value ^ _COOKIE4)} XORed", at, at + 4

    def _tail(self, octets: np.ndarray, at: int) -> tuple[str, int, int] | None:
        """The last half was met: the whole stands around it, either way round."""
        for start in (at - 8, at):
            whole = octets[max(start, 0) : max(start, 0) + 16].tobytes()
            if start >= 0 and whole in self._six:
                return f"{IPv6Address(whole)} as it is", start, start + 16
            if start >= 0 and whole[::-1] in self._six:
                return f"{IPv6Address(whole[::-1])} reversed", start, start + 16
        return None

    def _xored(self, octets: np.ndarray, loose: np.ndarray) -> str | None:
        """IPv6 addresses XORed with the cookie and what follows it."""
        data = octets.tobytes()
        key_at = data.find(_COOKIE) if self._six else -1
        for _ in range(16):  # messages within messages of one frame
            if key_at < 0 or key_at + 16 > len(data):
                return None
            key = int.from_bytes(data[key_at : key_at + 16], "big")
            for packed in self._six:
                mixed = (int.from_bytes(packed, "big") ^ key).to_bytes(16, "big")
                at = data.find(mixed)
                if at >= 0 and loose[at : at + 16].any():
                    return f"{IPv6Address(packed)} XORed"
            key_at = data.find(_COOKIE, key_at + 1)
        return None

    def _text(self, data: bytes, loose: np.ndarray) -> str | None:
        for pattern, read in (
            (_DOTTED, self._dotted),
            (_DECIMAL, self._decimal),
            (_HEX, self._hex),
            (_COLONS, self._colons),
            (_NIBBLES, self._nibbles),
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
        for at in range(len(text) - 31) if self._six else ():
            packed = bytes.fromhex(text[at : at + 32].decode())
            if packed in self._six or packed[::-1] in self._six:
                return f"{IPv6Address(packed)} in hexadecimal"
        return None

    def _colons(self, text: bytes) -> str | None:
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
