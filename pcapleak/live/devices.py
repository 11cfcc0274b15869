"""The machine's network devices: what each one is, and when one comes or goes.

Everything is asked of the kernel through interfaces that put no packet on any wire.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Literal

from msgspec import Struct

Kind = Literal["physical", "tunnel", "loopback"]

ARPHRD_ETHER = 1
ARPHRD_LOOPBACK = 772
TUNNEL_HARDWARE = frozenset({512, 65534, 768, 769, 776, 778, 823})
"""PPP, none (tun, WireGuard), IP-in-IP, IPv6-in-IP, sit, GRE, GRE over IPv6."""
SIOCGIFHWADDR = 0x8927
SIOCGIFFLAGS = 0x8913
IFF_UP = 1


class Device(Struct, frozen=True):
    """One network device of this machine (of this network namespace)."""

    index: int
    name: str
    kind: Kind
    reason: str
    hardware_type: int
    is_up: bool
    addresses: tuple[str, ...]
    """CIDR texts."""


def list_devices() -> list[Device]:
    """All devices, in the kernel's order."""
    addresses = _addresses()
    devices = []
    # Any socket takes these questions; of this kind one may still be opened when confined.
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as probe:
        for index, name in socket.if_nameindex():
            try:
                hardware_type = _ask(probe, SIOCGIFHWADDR, name)
                flags = _ask(probe, SIOCGIFFLAGS, name)
            except OSError:
                continue  # it went away between the two questions
            kind, reason = kind_of(name, hardware_type)
            devices.append(
                Device(
                    index,
                    name,
                    kind,
                    reason,
                    hardware_type,
                    bool(flags & IFF_UP),
                    addresses.get(name, ()),
                )
            )
    return devices


def _ask(probe: socket.socket, request: int, name: str) -> int:
    """The first 16 bits that an interface ioctl answers."""
    import fcntl

    answer = fcntl.ioctl(probe.fileno(), request, struct.pack("16s16x", name.encode()))
    return int(struct.unpack_from("=H", answer, 16)[0])


def kind_of(name: str, hardware_type: int) -> tuple[Kind, str]:
    """What a device is, and how that is known."""
    if hardware_type == ARPHRD_LOOPBACK:
        return "loopback", "hardware type loopback"
    folder = Path("/sys/class/net") / name
    if (folder / "tun_flags").exists():
        return "tunnel", "a tun/tap device"
    try:
        uevent = (folder / "uevent").read_text()
    except OSError:
        uevent = ""
    if "DEVTYPE=wireguard" in uevent:
        return "tunnel", "a WireGuard device"
    if hardware_type in TUNNEL_HARDWARE:
        return "tunnel", "a point-to-point device without link-layer addresses"
    return "physical", "a device with link-layer addresses"


def _addresses() -> dict[str, tuple[str, ...]]:
    import psutil

    found: dict[str, list[str]] = {}
    for name, entries in psutil.net_if_addrs().items():
        for entry in entries:
            if entry.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            found.setdefault(name, []).append(cidr(entry.address, entry.netmask))
    return {name: tuple(texts) for name, texts in found.items()}


def cidr(address: str, netmask: str | None) -> str:
    """An address as psutil tells it, with the length of its prefix; alone where it has none."""
    address = address.partition("%")[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if not netmask:
        return f"{address}/{128 if family == socket.AF_INET6 else 32}"
    length = int.from_bytes(socket.inet_pton(family, netmask), "big").bit_count()
    return f"{address}/{length}"
