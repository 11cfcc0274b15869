"""The machine's devices and routes where the kernel is not Linux's, as psutil and scapy tell them.

What they answer on macOS is taken from their documentation: no machine tries it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from pcapleak.live.devices import Device, Kind, cidr
from pcapleak.live.routes import Route

MAIN_TABLE = 254
"""Other systems have one table of routes."""


def list_devices() -> list[Device]:
    """All devices, in the system's order."""
    import psutil

    return list(devices_of(psutil.net_if_addrs(), psutil.net_if_stats()))


def read_routes() -> list[Route]:
    """All unicast routes of IPv4 and IPv6."""
    import scapy.route
    import scapy.route6  # noqa: F401  (fills the table)
    from scapy.config import conf

    return list(routes_of(conf.route.routes, conf.route6.routes))


def devices_of(
    addresses: Mapping[str, Sequence[Any]], states: Mapping[str, Any]
) -> Iterator[Device]:
    """The devices that `psutil.net_if_addrs` and `psutil.net_if_stats` tell."""
    import psutil

    for name, state in states.items():
        entries = addresses.get(name, ())
        flags = state.flags.split(",")
        links = [entry.address for entry in entries if entry.family == psutil.AF_LINK]
        kind, reason = _kind(flags, has_link=any(link.strip("0:-") for link in links))
        yield Device(
            index=_index(name),
            name=name,
            kind=kind,
            reason=reason,
            hardware_type=0,
            # A device without a carrier is up; Windows tells no flags.
            is_up="up" in flags or (not state.flags and state.isup),
            addresses=tuple(
                cidr(entry.address, entry.netmask)
                for entry in entries
                if entry.family in (socket.AF_INET, socket.AF_INET6)
            ),
        )


def _kind(flags: Sequence[str], *, has_link: bool) -> tuple[Kind, str]:
    if "loopback" in flags:
        return "loopback", "a loopback device"
    if "pointopoint" in flags or not has_link:
        return "tunnel", "a point-to-point device without link-layer addresses"
    return "physical", "a device with link-layer addresses"


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def routes_of(
    four: Iterable[tuple[int, int, str, str, str, int]],
    six: Iterable[tuple[str, int, str, str, list[str], int]],
) -> Iterator[Route]:
    """The unicast routes that scapy's `conf.route.routes` and `conf.route6.routes` hold."""
    found = [
        *(_route(f"{ip_address(one[0])}/{one[1].bit_count()}", one[2], one[3]) for one in four),
        *(_route(f"{one[0]}/{one[1]}", one[2], one[3]) for one in six),
    ]
    # scapy adds multicast to each device.
    yield from (route for route in found if not route.network.is_multicast)


def _route(network: str, gateway: str, device: str) -> Route:
    by = ip_address(gateway.partition("%")[0])
    return Route(
        network=ip_network(network, strict=False),
        device=_index(device),
        gateway=None if by.is_unspecified else by,
        table=MAIN_TABLE,
    )
