"""Addresses that carry another one, and ranges that are in no country."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

from pcapleak.values.packets import IPAddress

SPECIAL = tuple(
    (ip_network(text), kind)
    for kind, ranges in (
        ("documentation", ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")),
        ("documentation", ("2001:db8::/32", "3fff::/20")),
        ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
        ("shared (CGNAT)", ("100.64.0.0/10",)),
        ("unique local", ("fc00::/7",)),
        ("loopback", ("127.0.0.0/8", "::1/128")),
        ("link-local", ("169.254.0.0/16", "fe80::/10")),
        ("multicast", ("224.0.0.0/4", "ff00::/8")),
        ("benchmarking", ("198.18.0.0/15", "2001:2::/48")),
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
    for text in ranges
)
"""The IANA special-purpose registries (RFC 6890, RFC 8190) and what IANA has not allocated; of
ranges that overlap, the first has the word."""

_NAT64 = ip_network("64:ff9b::/96")


def special_kind(address: IPAddress) -> str | None:
    """The special-purpose range that holds the address; None for what may be anywhere."""
    for network, kind in SPECIAL:
        if address in network:
            return kind
    return None


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
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF), "NAT64"
    return address, None
