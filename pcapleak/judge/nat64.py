"""NAT64: servers that see a client without IPv4 by an IPv4 address (RFC 6146)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import numpy as np

from pcapleak.judge.context import Scene
from pcapleak.judge.judgement import BYPASS
from pcapleak.values.addresses import Network, unmapped
from pcapleak.values.packets import Bool, IPAddress

PREFIXES = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
"""RFC 6052, RFC 8215."""

LENGTHS = (96, 64, 56, 48, 40, 32)
"""Bits of the prefixes that stand before an IPv4 address (RFC 6052 section 2.2)."""

_NAME = "ipv4only.arpa"
"""Resolves to these addresses and, behind NAT64, to those in its prefix (RFC 7050)."""
_ADDRESSES = (IPv4Address("192.0.0.170"), IPv4Address("192.0.0.171"))


def embedded(address: IPv6Address, length: int) -> IPv4Address:
    """The IPv4 address in an IPv6 one, after a prefix of `length` bits (RFC 6052 section 2.2)."""
    octets = address.packed
    if length == 96:
        return IPv4Address(octets[12:])
    start = length // 8
    # The ninth octet is left zero.
    taken = [octet for place, octet in enumerate(octets[start:], start) if place != 8][:4]
    return IPv4Address(bytes(taken))


def resolved_prefixes(scene: Scene) -> list[Network]:
    """The prefixes that a resolver told, as RFC 7050 has it asked."""
    return [
        ip_network((address, 96), strict=False)
        for address in scene.state.resolvers.addresses_of({_NAME})
        if isinstance(address, IPv6Address) and embedded(address, 96) in _ADDRESSES
    ]


def seen_by_nat64_alone(scene: Scene, address: IPAddress, local: Bool) -> bool:
    """Whether all that this IPv6 address of the client spoke to outside stands behind a NAT64:
    in a prefix for that, or in one whose server answered that it saw an IPv4 address. `local`
    are the flows that stay on the local network."""
    if address.version == 4:
        return False
    networks: list[Network] = [*PREFIXES, *resolved_prefixes(scene)]
    for key, link in scene.state.ice.links.items():
        server = key.source.address
        if not key.layers and key.destination.address == address and server.version == 6:
            told = [unmapped(mapped.address) for mapped, _ in link.told()]
            if told and all(one.version == 4 for one in told):
                networks.append(ip_network((server, 96), strict=False))
    columns = scene.columns
    mine = columns.inside(columns.near, [ip_network(address)]) & (scene.path == BYPASS)
    mine &= ~local
    return bool(mine.any()) and not bool(np.any(mine & ~columns.inside(columns.far, networks)))
