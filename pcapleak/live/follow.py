"""The machine's devices, addresses, routes and rules, followed by notices (rtnetlink(7)).

Nothing is asked again: the notices tell all. A library for this (pyroute2 0.9.7) takes 0.17 s and
24 MB to import 343 modules, of which this needs seven kinds of messages.
"""

from __future__ import annotations

import socket
import struct
import time
from ipaddress import ip_address
from typing import NamedTuple

from msgspec.structs import replace

from pcapleak.live.devices import IFF_UP, Device, kind_of, list_devices
from pcapleak.live.routes import (
    RTM_DELRULE,
    RTM_NEWROUTE,
    RTM_NEWRULE,
    Route,
    attributes,
    messages,
    parse_route,
    read_routes,
    read_tables,
    used_routes,
)
from pcapleak.values.packets import DeviceChange

RTM_NEWLINK, RTM_DELLINK = 16, 17
RTM_NEWADDR, RTM_DELADDR = 20, 21
RTM_DELROUTE = 25
IFLA_IFNAME = 3
IFA_ADDRESS, IFA_LOCAL = 1, 2
LINKS, ADDRESSES_4, ROUTES_4, RULES_4 = 0x1, 0x10, 0x40, 0x80
ADDRESSES_6, ROUTES_6, RULES_6 = 0x100, 0x400, 0x40000
"""Groups of notices."""
RECEIVE_BYTES = 4 << 20
"""Room for some ten thousand notices, as where a VPN client writes a country's routes."""
MAX_ROUTES = 100_000
"""Routes kept, at about 500 bytes each."""

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=4BI")


class AddressChange(NamedTuple):
    """An address came to a device, or went."""

    ts_ns: int
    device: int
    address: str
    """CIDR text."""
    present: bool


class Follower:
    """What the machine has now; `read` brings it up to date and tells what changed."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        # Heard before it is read: what changes in between is told twice, and not missed.
        wanted = LINKS | ADDRESSES_4 | ROUTES_4 | RULES_4 | ADDRESSES_6 | ROUTES_6 | RULES_6
        self._socket.bind((0, wanted))
        self._since_ns = time.time_ns()
        self.devices = {device.index: device for device in list_devices()}
        """By index; those that are gone stay."""
        self._routes = dict.fromkeys(read_routes()[:MAX_ROUTES])
        self._tables = read_tables()
        self.version = 0
        """Counts what may change the way out: routes, rules, and devices that have some."""
        self.lost = False
        """Some notices were lost: `list_devices` tells what there is."""

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    @property
    def routes(self) -> list[Route]:
        """All unicast routes that rules lead to."""
        return used_routes(self._routes, self._tables)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def read(self) -> list[DeviceChange | AddressChange]:
        """What has changed since the last call, in order."""
        changes: list[DeviceChange | AddressChange] = []
        now_ns = time.time_ns()
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                self._since_ns = now_ns
                return changes
            except OSError:
                # More changed than the socket holds (ENOBUFS): look at what there is now.
                self.lost = True
                continue
            for kind, message in messages(data):
                if kind in (RTM_NEWLINK, RTM_DELLINK):
                    changes.append(self._link(message, kind))
                elif kind in (RTM_NEWADDR, RTM_DELADDR):
                    changes.append(self._address(message, kind))
                elif kind in (RTM_NEWROUTE, RTM_DELROUTE):
                    self._route(message, kind)
                elif kind in (RTM_NEWRULE, RTM_DELRULE):
                    # A notice does not tell which of several equal rules it means.
                    self._tables = read_tables()
                    self.version += 1

    def renew(self) -> list[Device]:
        """All devices as they are now, where notices were lost."""
        self.lost = False
        now = list_devices()
        self.devices |= {device.index: device for device in now}
        self._routes = dict.fromkeys(read_routes()[:MAX_ROUTES])
        self._tables = read_tables()
        self.version += 1
        return now

    def _link(self, message: bytes, kind: int) -> DeviceChange:
        _, hardware_type, number, flags, _ = _LINK.unpack_from(message)
        name = attributes(message, 16).get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
        present = kind == RTM_NEWLINK and bool(flags & IFF_UP)
        known = self.devices.get(number)
        addresses = known.addresses if known is not None else ()
        what = (known.kind, known.reason) if known is not None and known.name == name else None
        self.devices[number] = Device(
            number, name, *(what or kind_of(name, hardware_type)), hardware_type, present, addresses
        )
        if not present:
            # The kernel tells nothing of the routes that go with a device.
            kept = {route: None for route in self._routes if route.device != number}
            self.version += len(kept) != len(self._routes)
            self._routes = kept
        return DeviceChange(self._since_ns, time.time_ns(), number, name, hardware_type, present)

    def _address(self, message: bytes, kind: int) -> AddressChange:
        _, bits, _, _, number = _ADDRESS.unpack_from(message)
        found = attributes(message, _ADDRESS.size)
        raw = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS) or bytes(4)
        address = f"{ip_address(raw)}/{bits}"
        present = kind == RTM_NEWADDR
        device = self.devices.get(number)
        if device is not None:
            others = tuple(one for one in device.addresses if one != address)
            now = (*others, address) if present else others
            self.devices[number] = replace(device, addresses=now)
            self.version += len(now) != len(device.addresses)
        return AddressChange(time.time_ns(), number, address, present)

    def _route(self, message: bytes, kind: int) -> None:
        route = parse_route(message)
        if route is None:
            return
        if kind == RTM_DELROUTE:
            self._routes.pop(route, None)
        elif len(self._routes) < MAX_ROUTES:
            self._routes[route] = None
        self.version += 1
