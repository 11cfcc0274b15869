"""What this machine is set up to do with its traffic, as far as it can be read.

Devices, routes, tunnel peers, proxy settings and resolvers are read from the kernel, from
files and from the environment. Nothing is looked up and no packet is sent.
"""

from __future__ import annotations

import configparser
import os
import shutil
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, field

from pcapleak.live import elsewhere
from pcapleak.live.devices import Device, list_devices
from pcapleak.live.peers import Peers, read_peers
from pcapleak.live.routes import Route, read_routes, read_tables, used_routes
from pcapleak.values.packets import IPAddress

PROXY_VARIABLES = ("ALL_PROXY", "SOCKS_PROXY", "HTTPS_PROXY", "HTTP_PROXY")


class ProxySetting(NamedTuple):
    """A proxy some setting names."""

    url: str
    origin: str
    """Where that was read."""


class Machine(Struct, frozen=True):
    """One moment's view of the machine (of this network namespace)."""

    devices: list[Device]
    routes: list[Route]
    peers: Peers = field(default_factory=dict)
    """Endpoints of WireGuard peers by device name, where they may be read."""
    proxies: list[ProxySetting] = field(default_factory=list)
    resolvers: list[tuple[IPAddress, str]] = field(default_factory=list)
    """Addresses with the file that names them."""
    notes: list[str] = field(default_factory=list)
    """What could not be read, and why that matters."""

    def routes_of(self, device: Device) -> list[Route]:
        """Routes that leave through `device`."""
        return [route for route in self.routes if route.device == device.index]

    def is_default(self, device: Device) -> bool:
        """Whether a default route (or both its halves) leads through `device`."""
        return any(route.is_default for route in self.routes_of(device))


def read_machine() -> Machine:
    """Look at the machine as it is now."""
    linux = sys.platform == "linux"
    devices = list_devices() if linux else elsewhere.list_devices()
    notes: list[str] = []
    return Machine(
        devices=devices,
        routes=used_routes(read_routes(), read_tables()) if linux else elsewhere.read_routes(),
        peers=_peers(devices, notes),
        proxies=_proxies(),
        resolvers=_resolvers(),
        notes=notes,
    )


def _peers(devices: list[Device], notes: list[str]) -> Peers:
    if not any(device.kind == "tunnel" for device in devices):
        return {}
    program = shutil.which("wg")
    if program is None:
        return {}
    peers, hindrance = read_peers(program)
    if hindrance:
        notes.append(hindrance)
    return peers


def _proxies() -> list[ProxySetting]:
    """Proxy settings of the environment (of the user behind sudo too), and of files."""
    found: dict[str, ProxySetting] = {}
    for environment, origin in (
        (dict(os.environ), "the environment"),
        (_environment_before_sudo(), "the environment of the shell that called sudo"),
        (_assignments(Path("/etc/environment")), "/etc/environment"),
    ):
        for name in PROXY_VARIABLES:
            for spelling in (name, name.lower()):
                url = environment.get(spelling, "").strip()
                if url:
                    with_scheme = url if "://" in url else f"http://{url}"
                    setting = ProxySetting(with_scheme.rstrip("/"), f"{spelling} of {origin}")
                    found.setdefault(setting.url, setting)
    for setting in _kde_proxies():
        found.setdefault(setting.url, setting)
    return list(found.values())


def _environment_before_sudo() -> dict[str, str]:
    """What sudo took away: the environment of the nearest ancestor that is the user's own."""
    user = os.environ.get("SUDO_UID", "")
    pid = os.getppid()
    while user.isdecimal() and pid > 1:
        folder = Path("/proc") / str(pid)
        try:
            if folder.stat().st_uid == int(user):
                entries = (folder / "environ").read_bytes().split(b"\0")
                pairs = (entry.decode(errors="replace").partition("=") for entry in entries)
                return {name: value for name, _, value in pairs}
            pid = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return {}


def _assignments(path: Path) -> dict[str, str]:
    """`NAME=value` lines of a file."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _kde_proxies() -> list[ProxySetting]:
    """The fixed proxies of KDE's settings (ProxyType 1), written as `scheme://host port`."""
    path = Path.home() / ".config" / "kioslaverc"
    settings = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        settings.read(path, encoding="utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError):
        return []
    section = settings["Proxy Settings"] if settings.has_section("Proxy Settings") else {}
    if section.get("proxytype") != "1":
        return []
    return [
        ProxySetting(":".join(section[key].split()), f"{key} of {path}")
        for key in ("socksproxy", "httpsproxy", "httpproxy")
        if len(section.get(key, "").split()) == 2
    ]


def _resolvers() -> list[tuple[IPAddress, str]]:
    """Name servers of the resolver's files; behind systemd's stub, the real ones too."""
    found: dict[IPAddress, str] = {}
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) < 2 or words[0] != "nameserver":
                continue
            try:
                address = ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
            found.setdefault(address, str(path))
    return list(found.items())
