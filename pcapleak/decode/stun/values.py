"""The values of STUN attributes: what they are, and how they are read.

A reader takes an attribute's value and the 16 bytes from the cookie on, which addresses are XORed
with; it raises ValueError saying what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from pcapleak.values.endpoints import address_of
from pcapleak.values.packets import Endpoint


class ErrorCode(NamedTuple):
    """ERROR-CODE and ADDRESS-ERROR-CODE: the number (300 to 699) and the sender's words."""

    code: int
    reason: str
    family: int | None = None
    """The address family an ADDRESS-ERROR-CODE speaks of: 1 IPv4, 2 IPv6."""


class NetworkInfo(NamedTuple):
    """GOOG-NETWORK-INFO: libwebrtc's number for the network and what using it costs."""

    id: int
    cost: int


class PasswordAlgorithm(NamedTuple):
    """One algorithm offered or chosen (RFC 8489 section 14.11): 1 is MD5, 2 SHA-256."""

    algorithm: int
    parameters: bytes


class IcmpInfo(NamedTuple):
    """The ICMP attribute of TURN (RFC 8656 section 18.13): an error the server received."""

    type: int
    code: int
    data: bytes


class TransmitCounter(NamedTuple):
    """TRANSACTION_TRANSMIT_COUNTER (RFC 7982 section 3.1)."""

    requests: int
    responses: int


Stored = Endpoint | ErrorCode | tuple[int, ...] | int | bytes
"""What libwebrtc's dictionary holds under a key."""


class DeltaEntry(NamedTuple):
    """One change that a `Delta` tells of: a key of libwebrtc's dictionary and its value there."""

    key: int
    value: Stored | None
    """None where the key is deleted."""


class Delta(NamedTuple):
    """GOOG-DELTA: changes of the dictionary that libwebrtc's peers keep of each other;
    GOOG-DELTA-ACK names the last `version` applied."""

    version: int
    entries: tuple[DeltaEntry, ...]


Value = (
    Endpoint
    | ErrorCode
    | Delta
    | NetworkInfo
    | IcmpInfo
    | TransmitCounter
    | tuple[PasswordAlgorithm, ...]
    | tuple[int, ...]
    | int
    | str
    | bytes
)


_new = tuple.__new__
_address_key = struct.Struct("!QQ").unpack_from
_NO_KEY = bytes(16)


def _size(value: bytes, *sizes: int) -> None:
    if len(value) not in sizes:
        wanted = " or ".join(map(str, sizes))
        raise ValueError(f"{len(value)} bytes, not {wanted}")


def address(value: bytes, _key: bytes) -> Endpoint:
    """A transport address in clear (RFC 8489 section 14.1)."""
    return xor_address(value, _NO_KEY)


def xor_address(value: bytes, key: bytes) -> Endpoint:
    """A transport address XORed with cookie and transaction id (RFC 8489 section 14.2)."""
    size = len(value)
    if size < 8:
        raise ValueError(f"{size} bytes cannot hold an address")
    family = value[1]
    word, low = _address_key(key)
    port = int.from_bytes(value[2:4], "big") ^ word >> 48
    if family == 1 and size == 8:
        host = address_of(4, 0, int.from_bytes(value[4:8], "big") ^ word >> 32)
    elif family == 2 and size == 20:
        high_there, low_there = _address_key(value, 4)
        host = address_of(6, high_there ^ word, low_there ^ low)
    elif family == 1 or family == 2:
        wanted = "IPv4 address takes 8" if family == 1 else "IPv6 address takes 20"
        raise ValueError(f"{size} bytes, an {wanted}")
    else:
        raise ValueError(f"family {family} is neither 1 (IPv4) nor 2 (IPv6)")
    return _new(Endpoint, (host, port))


def opaque(value: bytes, _key: bytes) -> bytes:
    """Bytes as they are."""
    return value


def text(value: bytes, _key: bytes) -> str:
    """UTF-8; agents end it with zero bytes now and then, which are not part of the text."""
    try:
        return value.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None


def u16(value: bytes, _key: bytes) -> int:
    """16 bits, alone or followed by two reserved bytes."""
    _size(value, 2, 4)
    return value[0] << 8 | value[1]


def u32(value: bytes, _key: bytes) -> int:
    """32 bits."""
    if len(value) != 4:
        raise ValueError(f"{len(value)} bytes, not 4")
    return int.from_bytes(value, "big")


def nomination(value: bytes, _key: bytes) -> int | bytes:
    """libwebrtc's counter of nominations, unsigned; IANA gave its type to ENF-FLOW-DESCRIPTION,
    of any other length."""
    return int.from_bytes(value, "big") if len(value) == 4 else value


def u64(value: bytes, _key: bytes) -> int:
    """64 bits."""
    if len(value) != 8:
        raise ValueError(f"{len(value)} bytes, not 8")
    return int.from_bytes(value, "big")


def first_byte(value: bytes, _key: bytes) -> int:
    """One byte of value and three reserved."""
    _size(value, 4)
    return value[0]


def even_port(value: bytes, _key: bytes) -> int:
    """1 if the next port is to be reserved too (RFC 8656 section 18.6)."""
    _size(value, 1, 4)
    return value[0] >> 7


def flag(value: bytes, _key: bytes) -> int:
    """An attribute whose presence is its meaning."""
    _size(value, 0)
    return 1


def u16_list(value: bytes, _key: bytes) -> tuple[int, ...]:
    """16 bits each, such as types of attributes."""
    if len(value) % 2:
        raise ValueError(f"{len(value)} bytes do not hold 16-bit numbers")
    return tuple(value[i] << 8 | value[i + 1] for i in range(0, len(value), 2))


def u32_list(value: bytes, _key: bytes) -> tuple[int, ...]:
    """32 bits each."""
    if len(value) % 4:
        raise ValueError(f"{len(value)} bytes do not hold 32-bit numbers")
    return tuple(int.from_bytes(value[i : i + 4], "big") for i in range(0, len(value), 4))


def _code_and_reason(value: bytes) -> tuple[int, str]:
    if len(value) < 4:
        raise ValueError(f"{len(value)} bytes, at least 4")
    reason = value[4:].rstrip(b"\0").decode(errors="replace")
    return (value[2] & 7) * 100 + value[3], reason


def error_code(value: bytes, _key: bytes) -> ErrorCode:
    """RFC 8489 section 14.8."""
    return ErrorCode(*_code_and_reason(value))


def address_error_code(value: bytes, _key: bytes) -> ErrorCode:
    """RFC 8656 section 18.12: the family an address of which was refused comes first."""
    code, reason = _code_and_reason(value)
    return ErrorCode(code, reason, value[0])


def algorithms(value: bytes, _key: bytes) -> tuple[PasswordAlgorithm, ...]:
    """RFC 8489 section 14.11: each padded to four bytes."""
    found, at = [], 0
    while at < len(value):
        if at + 4 > len(value):
            raise ValueError(f"an algorithm is cut at byte {at}")
        algorithm = value[at] << 8 | value[at + 1]
        size = value[at + 2] << 8 | value[at + 3]
        if at + 4 + size > len(value):
            raise ValueError(f"the parameters at byte {at + 4} take {size} bytes")
        found.append(PasswordAlgorithm(algorithm, value[at + 4 : at + 4 + size]))
        at += 4 + (size + 3 & ~3)
    return tuple(found)


def icmp(value: bytes, _key: bytes) -> IcmpInfo:
    """RFC 8656 section 18.13: 16 reserved bits, 7 of type, 9 of code, 32 of data."""
    _size(value, 8)
    word = value[2] << 8 | value[3]
    return IcmpInfo(word >> 9, word & 0x1FF, value[4:])


def network_info(value: bytes, _key: bytes) -> NetworkInfo:
    """Two numbers of 16 bits, as libwebrtc writes them."""
    word = u32(value, b"")
    return NetworkInfo(word >> 16, word & 0xFFFF)


def delta(value: bytes, key: bytes) -> Delta | bytes:
    """libwebrtc's StunDictionaryView: its mark, the format's version, and entries of key, length,
    kind and a value padded to four bytes, the first of which is the dictionary's version."""
    if value[:2] != _DELTA_MARK:
        return value
    if value[2:4] != b"\0\1":
        raise ValueError(f"version {int.from_bytes(value[2:4], 'big')} of the delta's format")
    if value[4:10] != _DELTA_FIRST or len(value) < 18:
        raise ValueError("no version of the dictionary comes first")
    version, entries, at = int.from_bytes(value[10:18], "big"), [], 18
    while at < len(value):
        begin, start = at, at + 6
        name, size, kind = struct.unpack("!3H", value[begin:start].ljust(6, b"\0"))
        at = start + (size + 3 & ~3)
        if start + size > len(value):
            raise ValueError(f"the entry at byte {begin} is cut")
        if kind not in _DELTA_KINDS:
            raise ValueError(f"the entry at byte {begin} is of kind {kind}")
        read = _DELTA_KINDS[kind](value[start : start + size], key)
        # A byte string of no bytes is how libwebrtc says that a key is gone.
        entries.append(DeltaEntry(name, read if read != b"" else None))
    return Delta(version, tuple(entries))


_DELTA_MARK = b"\x77\x88"
_DELTA_FIRST = b"\xff\xff\0\x08\0\x04"
"""The key under which the dictionary's version stands, with its length and kind."""
_DELTA_KINDS: dict[int, Callable[[bytes, bytes], Stored]] = {
    1: address, 3: u32, 4: u64, 5: opaque, 6: error_code, 7: u16_list,
}  # fmt: skip
"""By libwebrtc's number for a kind of value. 2, a XORed address, belongs to a message and is in
no dictionary."""


def transmit_counter(value: bytes, _key: bytes) -> TransmitCounter:
    """RFC 7982 section 3.1."""
    _size(value, 4)
    return TransmitCounter(value[2], value[3])
