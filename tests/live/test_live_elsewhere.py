"""Devices and routes as other systems tell them: held to Linux's own answers, to what psutil and
scapy document of macOS, and to what they and dumpcap were recorded to tell on Windows."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from conftest import need_tool
from live_support import PROXY, ROUTER, VPN_SERVER, analyze, machine, requests, wait_for
from netns import Host, hosts, join
from places import ROOT

from pcapleak.errors import PcapleakError
from pcapleak.live import elsewhere, piped
from pcapleak.live.asked import Asked
from pcapleak.live.follow import AddressChange
from pcapleak.live.machine import Machine
from pcapleak.live.machine_policy import infer_policy
from pcapleak.live.routes import unwatched_ways
from pcapleak.policy.policy import Policy
from pcapleak.values.packets import DeviceChange

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


WINDOWS_LIST = r"""1. \Device\NPF_{D303B069-1D64-49AB-AAAD-944C2A213C9C} (Local Area Connection* 8)
2. \Device\NPF_{FB9FF667-F885-4175-9A98-16651E95160E} (Bluetooth Network Connection)
3. \Device\NPF_{9015EF72-8B07-4C72-AD8D-0BD1830C96FD} (Wi-Fi)
4. \Device\NPF_{E18ADC18-A5AD-46DA-A42F-D57D0C90EBCD} (Ethernet)
5. \Device\NPF_{D44A80DE-25DD-4888-9101-7D94296B8954} (VirtualBox Host-Only Network)
6. \Device\NPF_{7628CB59-858B-611E-93DA-01A31EEDD676} (wg0)
7. \Device\NPF_{BD559BFB-A75F-41DA-BE84-DC44533A7B34} (Connessione alla rete locale (LAN))
8. \Device\NPF_Loopback (Adapter for loopback traffic capture)
"""
"""Lines that `dumpcap -D` printed on Windows machines."""
WIFI = r"\Device\NPF_{9015EF72-8B07-4C72-AD8D-0BD1830C96FD}"
WIREGUARD = r"\Device\NPF_{7628CB59-858B-611E-93DA-01A31EEDD676}"
LOOPBACK = r"\Device\NPF_Loopback"


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("Wi-Fi", WIFI),
        (WIFI, WIFI),
        (
            "Connessione alla rete locale (LAN)",
            r"\Device\NPF_{BD559BFB-A75F-41DA-BE84-DC44533A7B34}",
        ),
        ("Local Area Connection* 8", r"\Device\NPF_{D303B069-1D64-49AB-AAAD-944C2A213C9C}"),
    ],
)
def test_windows_interfaces_go_by_the_names_that_windows_shows(name: str, device: str) -> None:
    (chosen,) = piped.choose(piped.parse_list(WINDOWS_LIST), (name,), ())
    assert chosen.device == device


def test_what_is_up_is_recorded_on_windows_and_loopback() -> None:
    up = ["Loopback Pseudo-Interface 1", "Wi-Fi", "wg0"]
    chosen = piped.choose(piped.parse_list(WINDOWS_LIST), (), up)
    assert [one.device for one in chosen] == [WIFI, WIREGUARD, LOOPBACK]


def test_a_name_that_windows_has_not_is_told_with_those_it_has() -> None:
    with pytest.raises(PcapleakError, match=r"eth0: .* there are .*, Wi-Fi, Ethernet, "):
        piped.choose(piped.parse_list(WINDOWS_LIST), ("eth0",), ())


def test_macos_interfaces_go_by_both_names() -> None:
    listed = piped.parse_list("1. en0 (Wi-Fi)\n2. awdl0\n3. utun3\n4. lo0 (Loopback)\n")
    assert [one.device for one in piped.choose(listed, (), ["lo0", "en0", "gif0"])] == [
        "lo0",
        "en0",
    ]
    assert piped.choose(listed, ("Wi-Fi",), ()) == piped.choose(listed, ("en0",), ())
    with pytest.raises(PcapleakError, match="no interface that dumpcap records is up"):
        piped.choose(listed, (), ["gif0"])


def test_the_list_of_dumpcap_here_is_read() -> None:
    listed = piped.parse_list(
        subprocess.run(
            [need_tool("dumpcap"), "-D"], capture_output=True, text=True, check=True
        ).stdout
    )
    assert {"any", "lo"} <= {one.device for one in listed}
    assert piped.choose(listed, ("Loopback",), ()) == [("lo", "Loopback")]


def adapter(name: str, index: int, kind: int, guid: str, description: str) -> dict[str, Any]:
    """One of scapy's `get_windows_if_list`."""
    return {
        "name": name, "index": index, "description": description, "guid": guid, "mac": "",
        "type": kind, "ipv4_metric": 25, "ipv6_metric": 25, "ips": [], "nameservers": [],
    }  # fmt: skip


ADAPTERS = [
    adapter("Wi-Fi", 8, 71, WIFI[12:], "RZ616 Wi-Fi 6E 160MHz"),
    adapter("Ethernet 4", 14, 6, "{5B4FC98C-05DE-4BD7-BEA6-436A7E185BD9}", "TAP-Windows6 V9"),
    adapter("Ethernet", 9, 6, "{E18ADC18-A5AD-46DA-A42F-D57D0C90EBCD}", "Realtek PCIe GbE Family"),
    adapter("wg0", 33, 53, WIREGUARD[12:], "WireGuard Tunnel"),
    adapter("Work", 41, 23, "{26B11A49-585F-4B43-A90C-9AF3C3D7B25B}", "Work"),
    adapter("Teredo Tunneling Pseudo-Interface", 5, 131, "{1C2B4C3C-1F3C-40A7-BF12-AECC4747E801}",
            "Microsoft Teredo Tunneling Adapter"),
    adapter("Loopback Pseudo-Interface 1", 1, 24, "{5E0E10DA-85BF-11EF-9FD1-806E6F6E6963}",
            "Software Loopback Interface 1"),
]  # fmt: skip
SIX = socket.AF_INET6
WINDOWS_ADDRESSES = {
    "Wi-Fi": [
        address(psutil.AF_LINK, "AC-F2-3C-54-FB-A5"),
        address(2, "10.25.27.26", "255.255.0.0"),
        address(SIX, "fe80::8bb8:60e1:3529:5e96"),
    ],
    "Ethernet 4": [
        address(psutil.AF_LINK, "00-FF-7B-92-D5-DA"),
        address(2, "10.4.2.1", "255.255.255.0"),
    ],
    "wg0": [address(2, "10.8.0.2", "255.255.255.255")],
    "Loopback Pseudo-Interface 1": [address(2, "127.0.0.1", "255.0.0.0"), address(SIX, "::1")],
}
"""As psutil told them on Windows: no link-layer address where there is none, no IPv6 netmask."""
WINDOWS_STATES = {
    one["name"]: SimpleNamespace(isup=one["name"] in WINDOWS_ADDRESSES, flags="")
    for one in ADAPTERS
}


def test_windows_devices_are_told_apart_by_their_adapters() -> None:
    found = elsewhere.devices_of(WINDOWS_ADDRESSES, WINDOWS_STATES, ADAPTERS)
    devices = {one.name: one for one in found}
    assert {name: one.kind for name, one in devices.items()} == {
        "Wi-Fi": "physical",
        "Ethernet 4": "tunnel",
        "Ethernet": "physical",
        "wg0": "tunnel",
        "Work": "tunnel",
        "Teredo Tunneling Pseudo-Interface": "physical",
        "Loopback Pseudo-Interface 1": "loopback",
    }
    assert [name for name, one in devices.items() if one.is_up] == [
        "Wi-Fi", "Ethernet 4", "wg0", "Loopback Pseudo-Interface 1",
    ]  # fmt: skip
    assert devices["wg0"].index == 33
    assert devices["Wi-Fi"].addresses == ("10.25.27.26/16", "fe80::8bb8:60e1:3529:5e96/128")


def test_windows_routes_lead_to_its_devices_and_tell_the_policy() -> None:
    """scapy names a route's adapter as Npcap does; the default route is the tunnel's, and a host
    route keeps its server reachable."""
    four = [
        (0, 0, "10.25.0.1", WIFI, "10.25.27.26", 55),
        (0, 0, "0.0.0.0", WIREGUARD, "10.8.0.2", 5),
        (0xC6336428, 0xFFFFFFFF, "10.25.0.1", WIFI, "10.25.27.26", 55),
        (0x0A190000, 0xFFFF0000, "0.0.0.0", WIFI, "10.25.27.26", 281),
        (0x7F000000, 0xFF000000, "0.0.0.0", LOOPBACK, "127.0.0.1", 331),
        (0xE0000000, 0xF0000000, "0.0.0.0", WIFI, "10.25.27.26", 281),
    ]
    six = [("fe80::", 64, "::", WIFI, ["fe80::8bb8:60e1:3529:5e96"], 286)]
    routes = list(elsewhere.routes_of(four, six, ADAPTERS))
    assert [(str(one.network), one.device, one.gateway is None) for one in routes] == [
        ("0.0.0.0/0", 8, False),
        ("0.0.0.0/0", 33, True),
        ("198.51.100.40/32", 8, False),
        ("10.25.0.0/16", 8, True),
        ("127.0.0.0/8", 0, True),
        ("fe80::/64", 8, True),
    ]
    devices = list(elsewhere.devices_of(WINDOWS_ADDRESSES, WINDOWS_STATES, ADAPTERS))
    by_index = {one.index: one for one in devices}
    assert unwatched_ways(routes, by_index, {WIFI, "Wi-Fi"}) == []
    assert unwatched_ways(routes, by_index, {WIREGUARD, "wg0"}) == [
        "the default route leads through Wi-Fi, which is not watched"
    ]
    policy = infer_policy(Machine(devices, routes), Policy()).policy
    (tunnel,) = policy.tunnels
    assert tunnel.interface == "wg0"
    assert [one.text for one in tunnel.endpoints] == ["198.51.100.40"]


@contextmanager
def windows(folder: Path) -> Iterator[tuple[Host, Host]]:
    """A machine whose devices have names as Npcap gives them, and a dumpcap that tells what Windows
    calls them, where Wireshark's installer puts it."""
    program = folder / "Wireshark" / "dumpcap.exe"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ $1 = -D ] || exec {need_tool("dumpcap")} "$@"\n'
        r"printf '%s\n' '1. \Device\NPF_{0} (Ethernet)' '2. \Device\NPF_{1} (wg0)'"
    )
    program.chmod(0o755)
    with machine() as (client, server):
        for command in (
            "link set eth0 down",
            r"link set eth0 name \Device\NPF_{0}",
            r"link set \Device\NPF_{0} up",
            f"route add default via {ROUTER}",
        ):
            client.run("ip", *command.split())
        while client.run("cat", r"/sys/class/net/\Device\NPF_{0}/operstate") != "up\n":
            time.sleep(0.05)
        yield client, server


def watch(host: Host, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The watch as on Windows, with dumpcap found in the folder of programs alone; it watches."""
    adapters = [adapter("Ethernet", 7, 6, "{0}", "Red Hat VirtIO Ethernet Adapter"),
                adapter("wg0", 8, 53, "{1}", "WireGuard Tunnel"),
                adapter("Ethernet 2", 9, 6, "{2}", "Realtek USB GbE Family")]  # fmt: skip
    process = host.start(
        "env", f"PCAPLEAK_ADAPTERS={json.dumps(adapters)}", f"PROGRAMFILES={folder}",
        "PATH=/nowhere", sys.executable, "-P", str(ROOT / "tests/support/as_windows.py"), "live",
        *arguments,
    )  # fmt: skip
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "watching" in line:
            return process
    raise AssertionError("".join(said))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_live_on_windows(root_network: None, tmp_path: Path, number: int) -> None:
    """A real dumpcap behind what Windows has: names of people, a thread that reads, every file; and
    each signal ends in the report (10 stands for SIGBREAK)."""
    out = tmp_path / "out"
    out.mkdir()
    with windows(tmp_path) as (client, _):
        watching = watch(
            client, tmp_path, "--iface", "Ethernet", "--proxy", PROXY, "--json", f"{out}/r.json",
            "--jsonl", f"{out}/r.jsonl", "--record", f"{out}/all", "--evidence", f"{out}/e.pcapng",
            "--exec", f"{sys.executable} -c print(1) {out}",
        )  # fmt: skip
        time.sleep(1)
        requests(client, 20).wait(20)
        time.sleep(1)
        watching.send_signal(number)
        output, error = watching.communicate(timeout=20)
    assert watching.returncode == 1, error
    report = json.loads((out / "r.json").read_text())
    assert "leak" in output
    assert report["verdict"]["result"] == "leak"
    assert report["captures"][0]["path"] == "live:Ethernet"
    (interface,) = report["captures"][0]["interfaces"]
    assert interface["name"] == r"\Device\NPF_{0}"
    assert interface["description"] == "Ethernet"
    events = [json.loads(line) for line in (out / "r.jsonl").read_text().splitlines()]
    ended = {signal.SIGUSR1: "SIGUSR1"}.get(number, signal.Signals(number).name)
    assert (events[-1]["event"], events[-1]["reason"]) == ("end", ended)
    (recorded,) = (out / "all").iterdir()
    again = analyze(str(recorded), "--proxy", PROXY)
    assert [f["id"] for f in again["findings"]] == [f["id"] for f in report["findings"]]
    assert analyze(f"{out}/e.pcapng", "--proxy", PROXY)["statistics"]["packets"] > 0
    assert error.count("1\n") > 0


HOLD_TUN = r"""
import fcntl, os, struct, time
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", rb"\Device\NPF_{1}", 0x1001))
print("held", flush=True)
time.sleep(60)
"""


def bring_up_tunnel(client: Host) -> None:
    """The tunnel gets the default route; its server and the STUN server are reached past it."""
    holder = client.python("-c", HOLD_TUN)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    for command in (
        r"addr add 10.8.0.2/24 dev \Device\NPF_{1}",
        r"link set \Device\NPF_{1} up",
        r"route add 0.0.0.0/1 dev \Device\NPF_{1}",
        r"route add 128.0.0.0/1 dev \Device\NPF_{1}",
        f"route add {VPN_SERVER} via {ROUTER}",
        f"route add 198.51.100.0/28 via {ROUTER}",
    ):
        client.run("ip", *command.split())


def test_a_leak_past_the_tunnel_of_windows(root_network: None, tmp_path: Path) -> None:
    """With nothing given: all that is up is watched, and the tunnel is known by its adapter and the
    default route through it."""
    with windows(tmp_path) as (client, _):
        bring_up_tunnel(client)
        watching = watch(client, tmp_path, "--json", "-", "--until-leak", "--duration", "20")
        requests(client, 400)
        report = json.loads(watching.communicate(timeout=30)[0])
    assert report["verdict"]["result"] == "leak", report["verdict"]
    assert report["captures"][0]["path"] == "live:Ethernet,wg0"
    told = report["policy"]["fields"]
    assert told["tunnels"]["value"] == ["wg0"]
    assert told["vpn_endpoints"]["value"] == [VPN_SERVER]


def test_a_tunnel_that_comes_later_is_judged_by_on_windows(
    root_network: None, tmp_path: Path
) -> None:
    """There is none at the start; then it has the default route, and a leak goes past it."""
    with windows(tmp_path) as (client, _):
        watching = watch(
            client, tmp_path, "--iface", "Ethernet", "--json", "-", "--until-leak",
            "--duration", "30",
        )  # fmt: skip
        bring_up_tunnel(client)
        requests(client, 600)
        report = json.loads(watching.communicate(timeout=40)[0])
    assert report["verdict"]["result"] == "leak", report["verdict"]
    told = report["policy"]["fields"]
    assert told["tunnels"]["value"] == ["wg0"]
    assert told["vpn_endpoints"]["value"] == [VPN_SERVER]


@pytest.mark.parametrize("waits", [True, False], ids=["meanwhile", "at the end"])
def test_an_uplink_that_comes_later_is_told_on_windows(
    waits: bool, root_network: None, tmp_path: Path
) -> None:
    """Of a watch that is asked to end at once too; an address that comes is the machine's."""
    with windows(tmp_path) as (client, _):
        watching = watch(
            client, tmp_path, "--iface", "Ethernet", "--proxy", PROXY, "--json", "-",
            "--record", f"{tmp_path}/all",
        )  # fmt: skip
        requests(client, 5).wait(20)
        for command in (
            r"addr add 192.168.50.77/24 dev \Device\NPF_{0}",
            r"link add \Device\NPF_{2} type veth peer name far",
            r"link set \Device\NPF_{2} up",
            r"route replace default dev \Device\NPF_{2}",
        ):
            client.run("ip", *command.split())
        gap = "the default route leads through Ethernet 2, which is not watched"
        (recorded,) = (tmp_path / "all").iterdir()
        if waits:
            # What is noticed is recorded with the next packet.
            client.start("ping", "-i", "0.2", ROUTER)
            wait_for(lambda: gap.encode() in recorded.read_bytes())
        watching.send_signal(signal.SIGTERM)
        report = json.loads(watching.communicate(timeout=20)[0])
    for one in (report, analyze(str(recorded))):
        assert gap in [finding["subject"] for finding in one["findings"]]
        (interface,) = one["captures"][0]["interfaces"]
        assert interface["addresses"] == ["192.168.50.42/24", "192.168.50.77/24"]


def test_what_changes_between_two_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last answer is of after the end was asked for, and no answer is said to be none."""
    answers = {"states": MAC_STATES, "addresses": MAC_ADDRESSES, "default": "en0"}

    def devices() -> list[Any]:
        return list(elsewhere.devices_of(answers["addresses"], answers["states"]))

    def routes() -> list[Any]:
        four = [(0, 0, "192.168.1.1", answers["default"], "192.168.1.7", 1)]
        return list(elsewhere.routes_of(four, []))

    monkeypatch.setattr(elsewhere, "_index", {"lo0": 1, "en0": 4, "utun3": 9, "en7": 11}.get)
    monkeypatch.setattr(elsewhere, "list_devices", devices)
    monkeypatch.setattr(elsewhere, "read_routes", routes)
    asked = Asked(devices(), routes())
    up = SimpleNamespace(isup=True, flags="up,broadcast,running")
    answers["states"] = {name: MAC_STATES[name] for name in ("lo0", "en0")} | {"en7": up}
    answers["addresses"] = MAC_ADDRESSES | {
        "en0": [*MAC_ADDRESSES["en0"], address(2, "192.168.1.9", "255.255.255.0")]
    }
    answers["default"] = "en7"
    asked.end()
    asked.start()
    assert asked.wait() == ""
    changes = asked.read()
    assert [one[2:] for one in changes if isinstance(one, DeviceChange)] == [
        (9, "utun3", 0, False), (11, "en7", 0, True),
    ]  # fmt: skip
    assert [one[1:] for one in changes if isinstance(one, AddressChange)] == [
        (4, "192.168.1.9/24", True)
    ]
    assert [route.device for route in asked.routes] == [11]
    assert asked.version == 1
    assert asked.read() == []


@pytest.mark.parametrize("found", [[], None], ids=["no route", "an error"])
def test_a_machine_that_does_not_answer_is_said_to(
    found: list[Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """scapy tells no route where it cannot read them; what was known stays."""
    route = next(elsewhere.routes_of([(0, 0, "192.168.1.1", "en0", "192.168.1.7", 1)], []))
    asked = Asked([], [route])
    monkeypatch.setattr(elsewhere, "read_routes", lambda: list(iter(found)))  # type: ignore[arg-type]
    asked.end()
    asked.start()
    assert asked.wait()
    assert asked.read() == []
    assert asked.routes == [route]
