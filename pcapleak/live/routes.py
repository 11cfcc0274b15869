"""The machine's routes of all tables, asked of the kernel (rtnetlink(7))."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from pcapleak.values.packets import IPAddress

RTM_GETROUTE = 26
RTM_NEWROUTE = 24
NLMSG_DONE = 3
NLM_F_REQUEST = 0x001
NLM_F_DUMP = 0x300
RTN_UNICAST = 1
RTM_F_CLONED = 0x200
RT_TABLE_LOCAL = 255
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_TABLE = 1, 4, 5, 15

_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=8BI")
"""family, destination length, source length, tos, table, protocol, scope, type, flags"""


class Route(NamedTuple):
    """One unicast route."""

    network: IPv4Network | IPv6Network
    device: int
    """Interface index."""
    gateway: IPAddress | None
    table: int
    """254 is the main table; VPN clients add others and rules that lead to them."""

    @property
    def is_default(self) -> bool:
        """Everything goes this way, or one of the two halves VPN clients write instead."""
        return (self.network.prefixlen <= 1 and self.network.version == 4) or (
            self.network.prefixlen <= 3 and self.network.version == 6
        )


def read_routes() -> list[Route]:
    """All unicast routes of IPv4 and IPv6."""
    return [*_dump(socket.AF_INET), *_dump(socket.AF_INET6)]


def _dump(family: int) -> Iterator[Route]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        request = _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
        head = _HEADER.pack(
            _HEADER.size + len(request), RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 1, 0
        )
        kernel.sendto(head + request, (0, 0))
        while True:
            data = kernel.recv(1 << 17)
            at = 0
            while at + _HEADER.size <= len(data):
                length, kind, _, _, _ = _HEADER.unpack_from(data, at)
                if kind != RTM_NEWROUTE:
                    # The end of the dump, or an error: a kernel without this family.
                    return
                route = parse_route(data[at + _HEADER.size : at + length])
                if route is not None:
                    yield route
                at += max(_HEADER.size, length + 3 & ~3)


def parse_route(message: bytes) -> Route | None:
    """The unicast route that a message of the kernel tells, behind its netlink header."""
    family, bits, _, _, table, _, _, kind, flags = _ROUTE.unpack_from(message)
    found: dict[int, bytes] = {}
    at = _ROUTE.size
    while at + 4 <= len(message):
        length, attribute = struct.unpack_from("=HH", message, at)
        found[attribute] = message[at + 4 : at + length]
        at += max(4, length + 3 & ~3)
    if RTA_TABLE in found:
        table = int.from_bytes(found[RTA_TABLE], sys.byteorder)
    if kind != RTN_UNICAST or flags & RTM_F_CLONED or table == RT_TABLE_LOCAL:
        return None
    if RTA_OIF not in found:
        return None
    zeros = bytes(4 if family == socket.AF_INET else 16)
    gateway = found.get(RTA_GATEWAY)
    return Route(
        network=ip_network((ip_address(found.get(RTA_DST, zeros)), bits)),
        device=int.from_bytes(found[RTA_OIF], sys.byteorder),
        gateway=None if gateway is None else ip_address(gateway),
        table=table,
    )
