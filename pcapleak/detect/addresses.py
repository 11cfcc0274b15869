"""What kind of address an address is: one by one, and over the columns of the flow table."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Literal

import numpy as np

from pcapleak.model import Bool, IPAddress, UInt8, UInt64
from pcapleak.policy import Network

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


def classify(address: IPAddress) -> AddressClass:
    """The class of one address."""
    for network, kind in _NETWORKS:
        if address in network:
            return kind
    return "public IPv4" if address.version == 4 else "global IPv6"


def is_public(address: IPAddress) -> bool:
    """Whether the address names a host to the whole world (documentation ranges count)."""
    return classify(address) in ("public IPv4", "global IPv6")


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


def column_inside(version: UInt8, hi: UInt64, lo: UInt64, networks: Iterable[Network]) -> Bool:
    """For each address of the columns whether one of the networks holds it."""
    found = np.zeros(len(version), np.bool_)
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


def column_class(version: UInt8, hi: UInt64, lo: UInt64, *kinds: AddressClass) -> Bool:
    """For each address of the columns whether it is of one of the given special classes."""
    return column_inside(version, hi, lo, (net for net, kind in _NETWORKS if kind in kinds))


def column_public(version: UInt8, hi: UInt64, lo: UInt64) -> Bool:
    """`is_public` over columns."""
    return ~column_inside(version, hi, lo, (network for network, _ in _NETWORKS))
