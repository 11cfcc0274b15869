"""Router Advertisements (RFC 4861 section 4.2, RFC 4191, RFC 8106)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address, IPv6Network
from typing import NamedTuple

from pcapleak.errors import DecodeError
from pcapleak.values.packets import IPAddress


class Prefix(NamedTuple):
    """A prefix that a router announces (RFC 4861 section 4.6.2)."""

    number: int
    """Its address, without the host's bits."""
    length: int
    on_link: bool
    autonomous: bool
    """Hosts may form addresses in it."""
    valid_s: int

    @property
    def network(self) -> IPv6Network:
        """As an object, which takes longer to make than the advertisement to read."""
        return IPv6Network((self.number, self.length))

    def holds(self, number: int) -> bool:
        """Whether an address, as a number, is in it."""
        return (number ^ self.number) >> (128 - self.length) == 0


class RouterAdvertisement(NamedTuple):
    """What a router offers. A lifetime of 0 means it is no default router."""

    router_lifetime_s: int
    options: tuple[tuple[int, bytes], ...] = ()
    """Those that were read, by type and whole."""
    managed: bool = False
    """Addresses come from DHCPv6."""
    problems: tuple[str, ...] = ()
    valid: bool = False
    """The packet around it passed `sent_on_link`: hosts take no other."""

    @property
    def prefixes(self) -> list[Prefix]:
        """The prefixes it announces."""
        return [_prefix(option) for kind, option in self.options if kind == _PREFIX]

    @property
    def resolvers(self) -> list[IPv6Address]:
        """The resolvers it names (RFC 8106)."""
        return [
            IPv6Address(option[i : i + 16])
            for kind, option in self.options
            if kind == _RESOLVERS
            for i in range(8, len(option), 16)
        ]

    @property
    def routes(self) -> list[tuple[IPv6Network, int]]:
        """More specific routes (RFC 4191) and their lifetimes in seconds."""
        return [
            (
                IPv6Network((option[8:].ljust(16, b"\0"), option[2]), strict=False),
                int.from_bytes(option[4:8], "big"),
            )
            for kind, option in self.options
            if kind == _ROUTE
        ]


_PREFIX, _ROUTE, _RESOLVERS = 3, 24, 25


def _prefix(option: bytes) -> Prefix:
    length, flags = option[2], option[3]
    host = 128 - length
    number = int.from_bytes(option[16:32], "big") >> host << host
    valid_s = int.from_bytes(option[4:8], "big")
    return Prefix(number, length, bool(flags & 0x80), bool(flags & 0x40), valid_s)


def sent_on_link(source: IPAddress, destination: IPAddress, hop_limit: int, data: bytes) -> bool:
    """Whether the advertisement `data` comes from a router of this very link, as hosts check it
    (RFC 4861 section 6.1.2): a link-local source, a hop limit that no router has lowered, a right
    checksum."""
    pseudo = source.packed + destination.packed + len(data).to_bytes(4, "big") + b"\0\0\0\x3a"
    return source.is_link_local and hop_limit == 255 and _adds_up(pseudo + data)


def _adds_up(data: bytes) -> bool:
    """Whether the internet checksum in `data` is right (RFC 1071): its words, as 65,536 leaves 1,
    add up to what the whole number leaves."""
    return int.from_bytes(data + b"\0" * (len(data) & 1), "big") % 0xFFFF == 0


def decode_router_advertisement(data: bytes) -> RouterAdvertisement:
    """The advertisement that fills `data`, which begins with the ICMPv6 type."""
    if len(data) < 16:
        raise DecodeError("ndp", "header", len(data), "an advertisement has at least 16 bytes")
    if data[0] != 134 or data[1]:
        raise DecodeError("ndp", "header", 0, f"type {data[0]} code {data[1]}")
    options: list[tuple[int, bytes]] = []
    problems = []
    at = 16
    while at < len(data):
        size = data[at + 1] * 8 if at + 1 < len(data) else 0
        if not size or at + size > len(data):
            problems.append(f"ndp option {data[at]} at byte {at}: {size} bytes")
            break
        kind, option = data[at], data[at : at + size]
        if (
            (kind == _PREFIX and size == 32 and option[2] <= 128)
            or (kind == _ROUTE and size <= 24 and option[2] <= (size - 8) * 8)
            or (kind == _RESOLVERS and size % 16 == 8)
        ):
            options.append((kind, option))
        elif kind in (_PREFIX, _ROUTE, _RESOLVERS):
            problems.append(f"ndp option {kind} at byte {at}: {size} bytes")
        at += size
    (lifetime,) = struct.unpack_from("!H", data, 6)
    return RouterAdvertisement(lifetime, tuple(options), bool(data[5] & 0x80), tuple(problems))
