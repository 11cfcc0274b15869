"""Which address a foundation hides: libwebrtc's CRC32 run backwards.

libwebrtc's foundation is the CRC32 of type, base address, protocol and, since October 2022,
the session's tie-breaker in decimal, which every check shows in clear. CRC32 can be undone
byte by byte, so what follows the address, and its last octet, are taken off the end; what
precedes them is put together from the front; where both meet stands the address. The private
ranges of IPv4 cost 87 thousand states instead of 22 million texts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import NamedTuple

import numpy as np

from pcapleak.decode.ice.candidate import CandidateLine
from pcapleak.decode.ice.foundation import LEGACY_TYPE_NAMES, libwebrtc_foundation
from pcapleak.values.addresses import networks_of
from pcapleak.values.packets import IPAddress, UInt32, distinct

PRIVATE_NETWORKS = tuple(
    network
    for network in networks_of("private", "shared (CGNAT)", "link-local", version=4)
    if isinstance(network, IPv4Network)
)
"""RFC 1918, RFC 6598 and RFC 3927: where an address behind a `.local` name can be."""

_FULL = 0xFFFF_FFFF
_UNSPECIFIED = IPv4Address(0), IPv6Address(0)


class Base(NamedTuple):
    """An address that gives the foundation."""

    address: IPAddress
    tie_breaker: int | None
    """None: the unsalted form of libwebrtc before October 2022."""
    known: bool
    """It was among the addresses supplied; otherwise the search found it, and one in about
    two hundred searches finds a wrong one by chance (22 million of 2**32)."""


def _table() -> UInt32:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0xEDB8_8320), table >> 1)
    return table.astype(np.uint32)


_TABLE = _table()
_STEPS: list[int] = _TABLE.tolist()
_BY_TOP = {step >> 24: index for index, step in enumerate(_STEPS)}
_OCTETS = [str(octet).encode() for octet in range(256)]


def _undo(state: int, text: bytes) -> int:
    """The CRC register before `text` left it at `state`."""
    for byte in reversed(text):
        index = _BY_TOP[state >> 24]
        state = (state ^ _STEPS[index]) << 8 & _FULL | (index ^ byte)
    return state


def _extend(states: UInt32, text: bytes) -> UInt32:
    """The CRC registers after `text`."""
    for byte in text:
        states = _TABLE[(states ^ byte) & 0xFF] ^ states >> 8
    return states


@lru_cache(32)  # of 10.0.0.0/8 half a megabyte
def _prefixes(type_name: str, network: IPv4Network) -> tuple[UInt32, UInt32]:
    """The registers after each `type` + `a.b.c.` of a network, and a.b.c as numbers."""
    numbers = np.arange(
        int(network.network_address) >> 8,
        (int(network.broadcast_address) >> 8) + 1,
        dtype=np.uint32,
    )
    states = np.full(len(numbers), zlib.crc32(type_name.encode()) ^ _FULL, np.uint32)
    for shift in (16, 8, 0):
        octets = numbers >> shift & 0xFF
        after = np.empty_like(states)
        for octet in distinct(octets):
            mine = octets == octet
            after[mine] = _extend(states[mine], _OCTETS[octet] + b".")
        states = after
    return states, numbers


def _search(
    foundation: int, type_name: str, tail: bytes, networks: Iterable[IPv4Network]
) -> list[IPv4Address]:
    """Every address of the networks that gives the foundation."""
    end = _undo(foundation ^ _FULL, tail)
    needed = {_undo(end, octet): number for number, octet in enumerate(_OCTETS)}
    wanted = np.array(sorted(needed), np.uint32)
    found = []
    for network in networks:
        states, numbers = _prefixes(type_name, network)
        for i in np.flatnonzero(np.isin(states, wanted)).tolist():
            address = IPv4Address(int(numbers[i]) << 8 | needed[int(states[i])])
            if address in network:
                found.append(address)
    return found


def _spellings(type_name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((type_name, LEGACY_TYPE_NAMES.get(type_name, type_name))))


def find_bases(
    foundation: str,
    type_name: str,
    protocol: str = "udp",
    *,
    addresses: Iterable[IPAddress] = (),
    tie_breakers: Iterable[int] = (),
    networks: Iterable[IPv4Network] = PRIVATE_NETWORKS,
) -> list[Base]:
    """The base addresses that give a libwebrtc foundation.

    `addresses` known from the capture are tried first, with each tie-breaker and without
    one; only if none fits are the networks searched (prefixes of 24 bits or shorter).
    """
    if not (foundation.isascii() and foundation.isdecimal()) or int(foundation) > _FULL:
        return []
    salts: list[int | None] = [*dict.fromkeys(tie_breakers), None]
    known = list(dict.fromkeys(addresses))
    found = [
        Base(address, salt, known=True)
        for salt in salts
        for name in _spellings(type_name)
        for address in known
        if libwebrtc_foundation(name, str(address), protocol, "", salt) == foundation
    ]
    if found:
        return list(dict.fromkeys(found))
    searched = list(networks)
    for salt in salts:
        tail = f"{protocol}{'' if salt is None else salt}".encode()
        for name in _spellings(type_name):
            found += [
                Base(address, salt, known=False)
                for address in _search(int(foundation), name, tail, searched)
            ]
    return list(dict.fromkeys(found))


def bases_of_line(
    line: CandidateLine, addresses: Iterable[IPAddress], tie_breakers: Iterable[int]
) -> list[Base]:
    """The addresses behind a line whose base its foundation gives away: host candidates, and
    srflx where it is not the wildcard's."""
    if line.type not in ("host", "srflx"):
        return []
    return find_bases(
        line.foundation,
        line.type,
        line.transport.lower(),
        addresses=addresses if line.type == "host" else (*_UNSPECIFIED, *addresses),
        tie_breakers=tie_breakers,
    )
