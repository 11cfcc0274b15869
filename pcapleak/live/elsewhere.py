"""The machine's devices and routes where the kernel is not Linux's, as psutil and scapy tell them.

What they answer on macOS and Windows is taken from their documentation and from recorded answers:
no machine tries it.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from pcapleak.live.devices import Device, Kind, cidr
from pcapleak.live.routes import Route
from pcapleak.values.packets import TUNNEL_WORDS

MAIN_TABLE = 254
"""Other systems have one table of routes."""
NPF = "\\Device\\NPF_"
"""What Npcap's names begin with; an adapter's GUID follows, or `Loopback`."""
IF_TYPE_PPP, IF_TYPE_SOFTWARE_LOOPBACK, IF_TYPE_PROP_VIRTUAL, IF_TYPE_TUNNEL = 23, 24, 53, 131
"""Kinds of Windows' adapters (ipifcons.h): what is dialled, Windows' own VPNs among it; loopback;
what WireGuard's and OpenVPN's drivers call theirs; IPv6 within IPv4."""


def list_devices() -> list[Device]:
    """All devices, in the system's order."""
    import psutil

    return list(devices_of(psutil.net_if_addrs(), psutil.net_if_stats(), _adapters()))


def read_routes() -> list[Route]:
    """All unicast routes of IPv4 and IPv6, as they are now."""
    import scapy.route
    import scapy.route6  # noqa: F401  (fills the table)
    from scapy.config import conf

    if sys.platform == "win32":
        # There scapy looks for a route's device among the interfaces it knows.
        conf.ifaces.reload()
    conf.route.resync()
    conf.route6.resync()
    return list(routes_of(conf.route.routes, conf.route6.routes, _adapters()))


def _adapters() -> list[Mapping[str, Any]]:
    """Windows' adapters, as scapy's `get_windows_if_list` has them; other systems have none."""
    if sys.platform == "win32":
        from scapy.arch.windows import get_windows_if_list

        return list(get_windows_if_list())
    return []


def devices_of(
    addresses: Mapping[str, Sequence[Any]],
    states: Mapping[str, Any],
    adapters: Iterable[Mapping[str, Any]] = (),
) -> Iterator[Device]:
    """The devices that `psutil.net_if_addrs` and `psutil.net_if_stats` tell, with what
    `get_windows_if_list` says of them on Windows."""
    import psutil

    by_name = {one["name"]: one for one in adapters}
    for name, state in states.items():
        entries = addresses.get(name, ())
        flags = state.flags.split(",")
        links = [entry.address for entry in entries if entry.family == psutil.AF_LINK]
        adapter = by_name.get(name)
        if adapter is None:
            index = _index(name)
            kind, reason = _kind(flags, has_link=any(link.strip("0:-") for link in links))
        else:
            index = adapter["index"]
            kind, reason = _adapter_kind(adapter["type"], adapter["description"])
        yield Device(
            index=index,
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


def _adapter_kind(number: int, description: str) -> tuple[Kind, str]:
    if number == IF_TYPE_SOFTWARE_LOOPBACK:
        return "loopback", "a loopback adapter"
    if number == IF_TYPE_TUNNEL:
        # Teredo and the like: what they carry is hidden from nobody.
        return "physical", "an adapter that carries IPv6 within IPv4"
    if number in (IF_TYPE_PPP, IF_TYPE_PROP_VIRTUAL):
        return "tunnel", "a point-to-point or virtual adapter"
    if TUNNEL_WORDS.search(description):
        return "tunnel", f"an adapter that its driver calls {description}"
    return "physical", "an adapter with a link layer"


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def routes_of(
    four: Iterable[tuple[int, int, str, str, str, int]],
    six: Iterable[tuple[str, int, str, str, list[str], int]],
    adapters: Iterable[Mapping[str, Any]] = (),
) -> Iterator[Route]:
    """The unicast routes that scapy's `conf.route.routes` and `conf.route6.routes` hold; on Windows
    they name `adapters` as Npcap does."""
    indexes = {f"{NPF}{one['guid']}": int(one["index"]) for one in adapters}
    found = [
        *((f"{ip_address(one[0])}/{one[1].bit_count()}", one[2], one[3]) for one in four),
        *((f"{one[0]}/{one[1]}", one[2], one[3]) for one in six),
    ]
    for network, gateway, device in found:
        by = ip_address(gateway.partition("%")[0])
        route = Route(
            network=ip_network(network, strict=False),
            device=indexes[device] if device in indexes else _index(device),
            gateway=None if by.is_unspecified else by,
            table=MAIN_TABLE,
        )
        # scapy adds multicast to each device.
        if not route.network.is_multicast:
            yield route
