"""Router Advertisements (RFC 4861 section 4.2, RFC 4191, RFC 8106)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address, IPv6Network
from typing import NamedTuple

from pcapleak.errors import DecodeError
from pcapleak.values.packets import IPAddress


class Prefix(NamedTuple):
    """A prefix that a router announces (RFC 4861 section 4.6.2)."""

    network: IPv6Network
    on_link: bool
    autonomous: bool
    """Hosts may form addresses in it."""
    valid_s: int


class RouterAdvertisement(NamedTuple):
    """What a router offers. A lifetime of 0 means it is no default router."""

    router_lifetime_s: int
    prefixes: tuple[Prefix, ...]
    resolvers: tuple[IPv6Address, ...]
    routes: tuple[tuple[IPv6Network, int], ...] = ()
    """More specific routes and their lifetimes in seconds."""
    managed: bool = False
    """Addresses come from DHCPv6."""
    problems: tuple[str, ...] = ()
    valid: bool = False
    """The packet around it passed `sent_on_link`: hosts take no other."""


def sent_on_link(source: IPAddress, destination: IPAddress, hop_limit: int, data: bytes) -> bool:
    """Whether the advertisement `data` comes from a router of this very link, as hosts check it
    (RFC 4861 section 6.1.2): a link-local source, a hop limit that no router has lowered, a right
    checksum."""
    pseudo = source.packed + destination.packed + len(data).to_bytes(4, "big") + b"\0\0\0\x3a"
    return source.is_link_local and hop_limit == 255 and _adds_up(pseudo + data)


def _adds_up(data: bytes) -> bool:
    """Whether the internet checksum in `data` is right (RFC 1071)."""
    padded = data + b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return bool(total == 0xFFFF)


def decode_router_advertisement(data: bytes) -> RouterAdvertisement:
    """The advertisement that fills `data`, which begins with the ICMPv6 type."""
    if len(data) < 16:
        raise DecodeError("ndp", "header", len(data), "an advertisement has at least 16 bytes")
    if data[0] != 134 or data[1]:
        raise DecodeError("ndp", "header", 0, f"type {data[0]} code {data[1]}")
    prefixes = []
    resolvers: list[IPv6Address] = []
    routes = []
    problems = []
    at = 16
    while at < len(data):
        size = data[at + 1] * 8 if at + 1 < len(data) else 0
        if not size or at + size > len(data):
            problems.append(f"ndp option {data[at]} at byte {at}: {size} bytes")
            break
        kind, option = data[at], data[at : at + size]
        if kind == 3 and size == 32 and option[2] <= 128:
            network = IPv6Network((option[16:32], option[2]), strict=False)
            valid = int.from_bytes(option[4:8], "big")
            prefixes.append(Prefix(network, bool(option[3] & 0x80), bool(option[3] & 0x40), valid))
        elif kind == 24 and size <= 24 and option[2] <= (size - 8) * 8:
            network = IPv6Network((option[8:].ljust(16, b"\0"), option[2]), strict=False)
            routes.append((network, int.from_bytes(option[4:8], "big")))
        elif kind == 25 and size % 16 == 8:
            resolvers.extend(IPv6Address(option[i : i + 16]) for i in range(8, size, 16))
        elif kind in (3, 24, 25):
            problems.append(f"ndp option {kind} at byte {at}: {size} bytes")
        at += size
    (lifetime,) = struct.unpack_from("!H", data, 6)
    return RouterAdvertisement(
        lifetime,
        tuple(prefixes),
        tuple(resolvers),
        tuple(routes),
        bool(data[5] & 0x80),
        tuple(problems),
    )
