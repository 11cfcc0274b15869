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
        ("discard", ("100::/64",)),
        ("reserved", ("0.0.0.0/8", "192.0.0.0/24", "240.0.0.0/4", "::/96", "fec0::/10")),
    )
    for text in ranges
)
"""The IANA special-purpose registries (RFC 6890, RFC 8190), as far as hosts use them."""

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
