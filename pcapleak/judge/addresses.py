"""What kind of address an address is: one by one, and over the columns of the flow table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Literal

import numpy as np

from pcapleak.policy.policy import Network
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

# RFC 6890 and its registries. The documentation ranges (192.0.2.0/24, 198.51.100.0/24,
# 203.0.113.0/24, 2001:db8::/32, 3fff::/20) are left out on purpose: laboratories number their
# public side with them, and no host has one by chance.
_CLASSES: tuple[tuple[AddressClass, tuple[str, ...]], ...] = (
    ("loopback", ("127.0.0.0/8", "::1/128")),
    ("multicast", ("224.0.0.0/4", "ff00::/8", "255.255.255.255/32")),
    ("link-local", ("169.254.0.0/16", "fe80::/10")),
    ("private IPv4", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    ("shared (CGNAT)", ("100.64.0.0/10",)),
    ("unique local IPv6", ("fc00::/7",)),
    ("IPv4-mapped", ("::ffff:0:0/96",)),
    (
        "reserved",
        (
            "0.0.0.0/8",
            "192.0.0.0/24",
            "198.18.0.0/15",
            "240.0.0.0/4",
            "::/96",
            "100::/64",
            "fec0::/10",
        ),
    ),
)
_NETWORKS = tuple((ip_network(text), kind) for kind, ranges in _CLASSES for text in ranges)
_PUBLIC: tuple[AddressClass, ...] = ("public IPv4", "global IPv6")


def _steps(version: int, public: AddressClass) -> tuple[list[int], list[AddressClass]]:
    """Where another class begins, and which: the first that holds an address is its own."""
    mine = [(net, kind) for net, kind in _NETWORKS if net.version == version]
    edges = {edge for net, _ in mine for edge in (int(net[0]), int(net[-1]) + 1)}
    starts = sorted({0, *edges})
    return starts, [
        next((kind for net, kind in mine if int(net[0]) <= start <= int(net[-1])), public)
        for start in starts
    ]


_STEPS = {4: _steps(4, "public IPv4"), 6: _steps(6, "global IPv6")}


def classify(address: IPAddress) -> AddressClass:
    """The class of one address."""
    starts, kinds = _STEPS[address.version]
    return kinds[bisect_right(starts, int(address)) - 1]


def is_public(address: IPAddress) -> bool:
    """Whether the address names a host to the whole world (documentation ranges count)."""
    return classify(address) in _PUBLIC


def holds_public(network: Network) -> bool:
    """Whether a range has public addresses in it: it is not all of one special range."""
    return not any(
        network.version == special.version and network.subnet_of(special)  # type: ignore[arg-type]
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


def inside(address: IPAddress, networks: Iterable[Network]) -> bool:
    """Whether one of the networks holds the address."""
    return any(address in network for network in networks)


def far_network(address: IPAddress) -> Network:
    """The network a far address is counted under: about one organisation's."""
    return ip_network((address, 24 if isinstance(address, IPv4Address) else 48), strict=False)


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


_CODES: dict[AddressClass, int] = {kind: code for code, (kind, _) in enumerate(_CLASSES, 1)}
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
