"""What kind of address an address is: one by one, and over the columns of the flow table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Literal, TypeVar

import numpy as np

from pcapleak.values.endpoints import Network as Network
from pcapleak.values.packets import Bool, IPAddress, UInt8, UInt64

AddressClass = Literal[
    "public IPv4",
    "global IPv6",
    "private IPv4",
    "unique local IPv6",
    "shared (CGNAT)",
    "link-local",
    "loopback",
    "multicast",
    "IPv4-mapped",
    "reserved",
]

RangeKind = Literal[
    "unspecified",
    "loopback",
    "broadcast",
    "multicast",
    "link-local",
    "private",
    "shared (CGNAT)",
    "unique local",
    "IPv4-mapped",
    "documentation",
    "benchmarking",
    "NAT64",
    "local NAT64",
    "discard",
    "AS112",
    "AMT",
    "6to4 relay",
    "ORCHID",
    "protocol assignment",
    "segment routing",
    "reserved",
    "unallocated",
]

_TEXTS: tuple[tuple[RangeKind, tuple[str, ...]], ...] = (
    ("unspecified", ("0.0.0.0/32", "::/128")),
    ("loopback", ("127.0.0.0/8", "::1/128")),
    ("broadcast", ("255.255.255.255/32",)),
    ("multicast", ("224.0.0.0/4", "ff00::/8")),
    ("link-local", ("169.254.0.0/16", "fe80::/10")),
    ("private", ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12")),
    ("shared (CGNAT)", ("100.64.0.0/10",)),
    ("unique local", ("fc00::/7",)),
    ("IPv4-mapped", ("::ffff:0:0/96",)),
    ("documentation", ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")),
    ("documentation", ("2001:db8::/32", "3fff::/20")),
    ("benchmarking", ("198.18.0.0/15", "2001:2::/48")),
    ("NAT64", ("64:ff9b::/96",)),
    ("local NAT64", ("64:ff9b:1::/48",)),
    ("discard", ("100::/64", "100:0:0:1::/64")),
    ("AS112", ("192.31.196.0/24", "192.175.48.0/24", "2001:4:112::/48", "2620:4f:8000::/48")),
    ("AMT", ("192.52.193.0/24", "2001:3::/32")),
    ("6to4 relay", ("192.88.99.0/24",)),
    ("ORCHID", ("2001:10::/28", "2001:20::/28", "2001:30::/28")),
    ("protocol assignment", ("2001::/23",)),
    ("segment routing", ("5f00::/16",)),
    ("reserved", ("0.0.0.0/8", "192.0.0.0/24", "240.0.0.0/4", "::/96", "fec0::/10")),
    # Of 2000::/3, what IANA has given no registry; and all that is not global unicast.
    ("unallocated", ("2d00::/8", "2e00::/7", "3000::/4", "4000::/2", "8000::/1", "::/3")),
)
RANGES: tuple[tuple[Network, RangeKind], ...] = tuple(
    (ip_network(text), kind) for kind, texts in _TEXTS for text in texts
)
"""The IANA special-purpose registries (RFC 6890, RFC 8190), and what IANA has not allocated: of
several ranges that hold an address the first counts."""

_CLASS_OF: dict[RangeKind, AddressClass] = {
    "loopback": "loopback",
    "broadcast": "multicast",
    "multicast": "multicast",
    "link-local": "link-local",
    "private": "private IPv4",
    "shared (CGNAT)": "shared (CGNAT)",
    "unique local": "unique local IPv6",
    "IPv4-mapped": "IPv4-mapped",
    "unspecified": "reserved",
    "benchmarking": "private IPv4",  # Resolvers in VPN programs answer with them for names.
    "discard": "reserved",
    "reserved": "reserved",
}
"""Of the others an address may be met outside. Documentation ranges are among them on purpose:
laboratories number their public side with them, and no host has one by chance."""
_PUBLIC: tuple[AddressClass, ...] = ("public IPv4", "global IPv6")
_CLASSES = tuple(dict.fromkeys(_CLASS_OF.values()))
_NETWORKS = tuple(
    (net, "unique local IPv6" if net.version == 6 and kind == "benchmarking" else _CLASS_OF[kind])
    for net, kind in RANGES
    if kind in _CLASS_OF
)

_ON_ITS_NETWORK: tuple[RangeKind, ...] = (
    "private",
    "shared (CGNAT)",
    "link-local",
    "loopback",
    "unique local",
)

_Kind = TypeVar("_Kind")


def _steps(
    ranges: Iterable[tuple[Network, _Kind]], version: int, other: _Kind
) -> tuple[list[int], list[_Kind]]:
    """Where another kind begins, and which: the first range that holds an address counts."""
    mine = [(net, kind) for net, kind in ranges if net.version == version]
    edges = {edge for net, _ in mine for edge in (int(net[0]), int(net[-1]) + 1)}
    starts = sorted({0, *edges})
    return starts, [
        next((kind for net, kind in mine if int(net[0]) <= start <= int(net[-1])), other)
        for start in starts
    ]


_STEPS = {4: _steps(_NETWORKS, 4, "public IPv4"), 6: _steps(_NETWORKS, 6, "global IPv6")}
_PUBLIC_STEPS = {
    version: (starts, [kind in _PUBLIC for kind in kinds])
    for version, (starts, kinds) in _STEPS.items()
}
_RANGE_STEPS: dict[int, tuple[list[int], list[RangeKind | None]]] = {
    version: _steps(RANGES, version, None) for version in (4, 6)
}


def range_kind(address: IPAddress) -> RangeKind | None:
    """The special range that holds an address; None for what may be anywhere."""
    starts, kinds = _RANGE_STEPS[address.version]
    return kinds[bisect_right(starts, int(address)) - 1]


def is_private(address: IPAddress) -> bool:
    """Whether the address means something on its own network only (RFC 1918, 6598, 3927, 4193,
    4291); Python's `is_private` counts documentation ranges too."""
    return range_kind(address) in _ON_ITS_NETWORK


def networks_of(*kinds: RangeKind, version: int) -> tuple[Network, ...]:
    """The ranges of some kinds."""
    return tuple(net for net, kind in RANGES if kind in kinds and net.version == version)


def classify(address: IPAddress) -> AddressClass:
    """The class of one address."""
    starts, kinds = _STEPS[address.version]
    return kinds[bisect_right(starts, int(address)) - 1]


def is_public(address: IPAddress) -> bool:
    """Whether the address names a host to the whole world (documentation ranges count)."""
    starts, public = _PUBLIC_STEPS[address.version]
    return public[bisect_right(starts, int(address)) - 1]


def holds_public(network: Network) -> bool:
    """Whether a range has public addresses in it: it is not all of one special range."""
    return not any(
        special.prefixlen <= network.prefixlen and network.network_address in special
        for special, _ in _NETWORKS
    )


def is_stable(address: IPAddress) -> bool:
    """Whether an IPv6 address is made from a hardware address (RFC 4291 appendix A)."""
    return isinstance(address, IPv6Address) and int(address) >> 24 & 0xFFFF == 0xFFFE


def unmapped(address: IPAddress) -> IPAddress:
    """The IPv4 address inside an IPv4-mapped one; any other as it is."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def unwrap(address: IPAddress) -> tuple[IPAddress, str | None]:
    """The IPv4 address that an IPv6 address carries, and how; else the address itself.

    IPv4-mapped (RFC 4291 section 2.5.5.2), 6to4 (RFC 3056), Teredo's client (RFC 4380
    section 4) and NAT64's well-known prefix (RFC 6052 section 2.1).
    """
    if not isinstance(address, IPv6Address):
        return address, None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped, "IPv4-mapped"
    if address.sixtofour is not None:
        return address.sixtofour, "6to4"
    if address.teredo is not None:
        return address.teredo[1], "Teredo"
    if range_kind(address) == "NAT64":
        return IPv4Address(int(address) & 0xFFFF_FFFF), "NAT64"
    return address, None


def inside(address: IPAddress, networks: Iterable[Network]) -> bool:
    """Whether one of the networks holds the address."""
    return any(address in network for network in networks)


def far_network(address: IPAddress) -> Network:
    """The network a far address is counted under: about one organisation's."""
    return ip_network(
        (address, _FAR_4 if isinstance(address, IPv4Address) else _FAR_6), strict=False
    )


_FAR_4, _FAR_6 = 24, 48


def firsts_of_far_networks(version: UInt8, hi: UInt64, lo: UInt64) -> list[int]:
    """Where in the columns each far network's first address stands, in the columns' order."""
    keys = np.where(
        version == 4,
        lo >> np.uint64(32 - _FAR_4),
        hi >> np.uint64(64 - _FAR_6) | np.uint64(1 << _FAR_6),
    )
    _, firsts = np.unique(keys, return_index=True)
    found: list[int] = np.sort(firsts).tolist()
    return found


_FEW = 8
"""Networks from which on single addresses are looked for all at once."""


def column_inside(version: UInt8, hi: UInt64, lo: UInt64, networks: Iterable[Network]) -> Bool:
    """For each address of the columns whether one of the networks holds it."""
    found = np.zeros(len(version), np.bool_)
    networks = list(networks)
    if len(networks) > _FEW:
        single = [network for network in networks if network.num_addresses == 1]
        found |= _among(version, hi, lo, single)
        networks = [network for network in networks if network.num_addresses != 1]
    for network in networks:
        value = int(network.network_address)
        width = network.prefixlen
        if network.version == 4:
            shift = np.uint64(32 - width)
            found |= (version == 4) & (lo >> shift == np.uint64(value >> (32 - width)))
        elif width <= 64:
            # A shift by all 64 bits is not defined, so ::/0 is every IPv6 address.
            same = (
                hi >> np.uint64(64 - width) == np.uint64(value >> (128 - width))
                if width
                else np.True_
            )
            found |= (version == 6) & same
        else:
            shift = np.uint64(128 - width)
            low = np.uint64((value & 0xFFFF_FFFF_FFFF_FFFF) >> (128 - width))
            found |= (version == 6) & (hi == np.uint64(value >> 64)) & (lo >> shift == low)
    return found


def _among(version: UInt8, hi: UInt64, lo: UInt64, single: list[Network]) -> Bool:
    """For each address of the columns whether it is one of these."""
    found = np.zeros(len(version), np.bool_)
    for which in (4, 6):
        wanted = [int(one.network_address) for one in single if one.version == which]
        if not wanted:
            continue
        lows = np.asarray([value & 0xFFFF_FFFF_FFFF_FFFF for value in wanted], np.uint64)
        rows = np.flatnonzero((version == which) & np.isin(lo, lows))
        chosen = set(wanted)
        words = zip(hi[rows].tolist(), lo[rows].tolist(), strict=True)
        found[rows] = [high << 64 | low in chosen for high, low in words]
    return found


_CODES: dict[AddressClass, int] = {kind: code for code, kind in enumerate(_CLASSES, 1)}
_MIXED = 255
"""More than one class begins with these 16 bits."""


def column_kind(version: UInt8, hi: UInt64, lo: UInt64) -> UInt8:
    """The class of each address of the columns as a number: 0 for a public one."""
    heads = np.where(version == 4, lo >> np.uint64(16) | np.uint64(1 << 16), hi >> np.uint64(48))
    kinds: UInt8 = _by_head()[heads & np.uint64(0x1FFFF)]
    rows = np.flatnonzero(kinds == _MIXED)
    if len(rows):
        version, hi, lo = version[rows], hi[rows], lo[rows]
        mixed = np.zeros(len(rows), np.uint8)
        for network, kind in reversed(_NETWORKS):
            mixed[column_inside(version, hi, lo, (network,))] = _CODES[kind]
        kinds[rows] = mixed
    return kinds


@cache
def _by_head() -> UInt8:
    """Classes by the first 16 bits, those of IPv4 behind those of IPv6."""
    table = np.zeros(2 << 16, np.uint8)
    for network, kind in reversed(_NETWORKS):
        bits = 32 if network.version == 4 else 128
        base = 1 << 16 if network.version == 4 else 0
        first, last = (base + (int(end) >> (bits - 16)) for end in (network[0], network[-1]))
        table[first : last + 1] = _CODES[kind] if network.prefixlen <= 16 else _MIXED
    return table


def column_of(kinds: UInt8, *wanted: AddressClass) -> Bool:
    """Which of the numbers `column_kind` gave are of one of these special classes."""
    chosen = np.zeros(256, np.bool_)
    chosen[[_CODES[kind] for kind in wanted]] = True
    found: Bool = chosen[kinds]
    return found


def column_public(version: UInt8, hi: UInt64, lo: UInt64) -> Bool:
    """`is_public` over columns."""
    found: Bool = column_kind(version, hi, lo) == 0
    return found
