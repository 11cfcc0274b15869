"""Devices and routes as other systems tell them: held to Linux's own answers, and to what psutil
and scapy document of macOS."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
from conftest import need_tool
from netns import hosts, join

from pcapleak.live import elsewhere

BOTH = """
import json, socket
from pcapleak.live import devices, elsewhere, routes
for module, asked in ((devices, routes), (elsewhere, elsewhere)):
    print(json.dumps({
        "devices": sorted(
            [one.name, one.kind, one.is_up, sorted(one.addresses)]
            for one in module.list_devices()
        ),
        "routes": sorted(
            [str(one.network), socket.if_indextoname(one.device), str(one.gateway)]
            for one in asked.read_routes() if not one.network.is_link_local
            and one.network.version == 4 and one.network.prefixlen < 32
            and not one.network.is_loopback
        ),
    }))
"""


def test_what_other_systems_use_tells_what_the_kernel_tells(root_network: None) -> None:
    need_tool("ip")
    with hosts(2) as (client, router):
        join(client, "eth0", "192.168.50.42/24", router, "eth0", "192.168.50.1/24")
        client.run("ip", "route", "add", "default", "via", "192.168.50.1")
        client.run("ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
        client.run("ip", "addr", "add", "10.8.0.2/24", "dev", "tun0")
        client.run("ip", "link", "set", "tun0", "up")
        client.run("ip", "route", "add", "128.0.0.0/1", "dev", "tun0")
        told = subprocess.run(
            ["ip", "netns", "exec", client.name, sys.executable, "-c", BOTH],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    kernel, others = map(json.loads, told.stdout.splitlines())
    assert others["devices"] == kernel["devices"]
    assert ["0.0.0.0/0", "eth0", "192.168.50.1"] in kernel["routes"]
    assert others["routes"] == kernel["routes"]


def address(family: int, text: str, netmask: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(family=family, address=text, netmask=netmask)


MAC_ADDRESSES = {
    "lo0": [address(2, "127.0.0.1", "255.0.0.0")],
    "en0": [
        address(psutil.AF_LINK, "a4:83:e7:12:34:56"),
        address(2, "192.168.1.7", "255.255.255.0"),
    ],
    "utun3": [address(2, "10.8.0.2", "255.255.255.0")],
}
MAC_STATES = {
    "lo0": SimpleNamespace(isup=True, flags="up,loopback,running,multicast"),
    "en0": SimpleNamespace(isup=True, flags="up,broadcast,smart,running,simplex,multicast"),
    "utun3": SimpleNamespace(isup=True, flags="up,pointopoint,running,multicast"),
    "awdl0": SimpleNamespace(isup=False, flags="broadcast,smart,simplex,multicast"),
}


def test_macos_devices_are_told_apart_by_their_flags() -> None:
    devices = {one.name: one for one in elsewhere.devices_of(MAC_ADDRESSES, MAC_STATES)}
    kinds = {name: one.kind for name, one in devices.items()}
    assert kinds["lo0"] == "loopback"
    assert kinds["en0"] == "physical"
    assert kinds["utun3"] == "tunnel"
    assert devices["utun3"].addresses == ("10.8.0.2/24",)
    assert not devices["awdl0"].is_up


@pytest.mark.parametrize(
    ("network", "mask", "is_default"),
    [(0, 0, True), (0, 0x80000000, True), (0x0A080000, 0xFFFFFF00, False)],
)
def test_scapys_routes_are_read(network: int, mask: int, is_default: bool) -> None:
    (route,) = elsewhere.routes_of([(network, mask, "10.8.0.1", "utun3", "10.8.0.2", 1)], [])
    assert route.is_default is is_default
    assert str(route.gateway) == "10.8.0.1"
    (six,) = elsewhere.routes_of([], [("::", 0, "fe80::1%en0", "en0", ["2001:db8::7"], 1)])
    assert six.is_default
    assert six.network.version == 6
