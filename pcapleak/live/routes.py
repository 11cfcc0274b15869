"""The machine's routes that rules lead to, asked of the kernel (rtnetlink(7))."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from pcapleak.live.devices import Device
from pcapleak.values.packets import IPAddress

RTM_GETROUTE = 26
RTM_NEWROUTE = 24
RTM_GETRULE = 34
RTM_NEWRULE, RTM_DELRULE = 32, 33
NLMSG_DONE = 3
NLM_F_REQUEST = 0x001
NLM_F_DUMP = 0x300
RTN_UNICAST = 1
RTM_F_CLONED = 0x200
RT_TABLE_LOCAL = 255
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_TABLE = 1, 4, 5, 15

_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=8BI")
"""family, destination length, source length, tos, table, protocol, scope, type, flags; a rule has
its action in the place of the type (fib_rules.h)"""
FR_ACT_TO_TBL = 1


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
    """All unicast routes of IPv4 and IPv6, those too that no rule leads to."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        found += [parse_route(message) for message in _dump(family, RTM_GETROUTE, RTM_NEWROUTE)]
    return [route for route in found if route is not None]


def read_tables() -> set[tuple[int, int]]:
    """The tables that rules lead to, as IP version and number; (version, 0) where a rule names
    none, as one for all VRFs does, or the kernel has no rules."""
    found: set[tuple[int, int]] = set()
    for family, version in ((socket.AF_INET, 4), (socket.AF_INET6, 6)):
        tables = []
        for message in _dump(family, RTM_GETRULE, RTM_NEWRULE):
            _, _, _, _, table, _, _, action, _ = _ROUTE.unpack_from(message)
            told = attributes(message, _ROUTE.size).get(RTA_TABLE)
            if action == FR_ACT_TO_TBL:
                tables.append(table if told is None else int.from_bytes(told, sys.byteorder))
        found.update((version, table) for table in tables or [0])
    return found


def used_routes(routes: Iterable[Route], tables: set[tuple[int, int]]) -> list[Route]:
    """Those in tables that rules lead to."""
    return [
        route
        for route in routes
        if (route.network.version, route.table) in tables or (route.network.version, 0) in tables
    ]


def unwatched_ways(
    routes: Iterable[Route], devices: Mapping[int, Device], names: Collection[str]
) -> list[str]:
    """What should be watched beside `names`, a sentence each: physical devices, by index, that a
    default route leads through."""
    ways = [
        devices[route.device] for route in routes if route.is_default and route.device in devices
    ]
    return [
        f"the default route leads through {name}, which is not watched"
        for name in dict.fromkeys(one.name for one in ways if one.kind == "physical")
        if name not in names
    ]


def _dump(family: int, question: int, answer: int) -> Iterator[bytes]:
    """The messages the kernel answers with, behind their netlink headers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        request = _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
        head = _HEADER.pack(_HEADER.size + len(request), question, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
        kernel.sendto(head + request, (0, 0))
        while True:
            for kind, message in messages(kernel.recv(1 << 17)):
                if kind != answer:
                    # The end of the dump, or an error: a kernel without this family.
                    return
                yield message


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """What the kernel sent at once: the type of each message, and what follows its header."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        yield kind, data[at + _HEADER.size : at + length]
        at += max(_HEADER.size, length + 3 & ~3)


def attributes(message: bytes, at: int) -> dict[int, bytes]:
    """The attributes of a message from an offset on, by type."""
    found: dict[int, bytes] = {}
    while at + 4 <= len(message):
        length, attribute = struct.unpack_from("=HH", message, at)
        found[attribute] = message[at + 4 : at + length]
        at += max(4, length + 3 & ~3)
    return found


def parse_route(message: bytes) -> Route | None:
    """The unicast route that a message of the kernel tells, behind its netlink header."""
    family, bits, _, _, table, _, _, kind, flags = _ROUTE.unpack_from(message)
    found = attributes(message, _ROUTE.size)
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
