"""A machine with a physical interface, a STUN server, and a WireGuard tunnel if wanted."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import need_tool
from netns import Host, hosts, join

from captures.lab.tunnels import START_WIREGUARD

CLIENT = "192.168.50.42"
ROUTER = "192.168.50.1"
STUN_SERVER = "198.51.100.10"
VPN_SERVER = "198.51.100.40"
PROXY = "socks5://198.51.100.30:1080"

BINDING_REQUESTS = """
import os, socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", 40000))
sock.setblocking(False)
print(time.time(), flush=True)
for _ in range(int(sys.argv[2])):
    try:
        sock.sendto(bytes.fromhex("000100002112a442") + os.urandom(12), (sys.argv[1], 3478))
    except OSError:
        pass  # the route or the device is gone
    time.sleep(0.05)
    try:
        sock.recv(2000)
    except OSError:
        pass
"""


@contextmanager
def machine() -> Iterator[tuple[Host, Host]]:
    """A client whose eth0 leads to a host with a real STUN server (coturn); both hosts."""
    turnserver = need_tool("turnserver")
    with hosts(2) as (client, server):
        join(client, "eth0", f"{CLIENT}/24", server, "eth0", f"{ROUTER}/24")
        server.run("ip", "addr", "add", f"{STUN_SERVER}/32", "dev", "lo")
        server.run("ip", "addr", "add", f"{VPN_SERVER}/32", "dev", "lo")
        client.run("ip", "route", "add", "default", "via", ROUTER)
        server.start(turnserver, "-n", "--no-auth", "-L", STUN_SERVER, "-p", "3478",
                     "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout")  # fmt: skip
        time.sleep(1)
        yield client, server


def requests(host: Host, count: int) -> subprocess.Popen[str]:
    """Send so many STUN requests from one socket, 20 a second; when it begins, it prints."""
    return host.python("-c", BINDING_REQUESTS, STUN_SERVER, str(count))


@dataclass
class WireGuard:
    """The client's end of a tunnel; the server's end stays up."""

    client: Host
    config: Path
    process: subprocess.Popen[str] | None = None

    def up(self) -> None:
        """Make the device and send everything through it, as a VPN client does."""
        self.process = self.client.start("sh", "-c", START_WIREGUARD, "wg", str(self.config))
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "configured\n"
        for command in (
            "addr add 10.66.0.2/32 dev wg0",
            "link set wg0 up",
            f"route replace {VPN_SERVER} via {ROUTER}",
            "route add 0.0.0.0/1 dev wg0",
            "route add 128.0.0.0/1 dev wg0",
        ):
            self.client.run("ip", *command.split())

    def down(self) -> None:
        """Delete the device: its routes go with it."""
        self.client.run("ip", "link", "del", "wg0")
        assert self.process is not None
        self.process.communicate(timeout=10)


def wireguard(client: Host, server: Host, folder: Path) -> WireGuard:
    """A tunnel between the two hosts whose client end is not up yet."""
    need_tool("wireguard-go")
    need_tool("wg")
    keys = [_keys() for _ in range(2)]
    (folder / "server.conf").write_text(
        f"[Interface]\nPrivateKey = {keys[0][0]}\nListenPort = 51820\n"
        f"[Peer]\nPublicKey = {keys[1][1]}\nAllowedIPs = 10.66.0.2/32\n"
    )
    (folder / "client.conf").write_text(
        f"[Interface]\nPrivateKey = {keys[1][0]}\n"
        f"[Peer]\nPublicKey = {keys[0][1]}\nAllowedIPs = 0.0.0.0/0\n"
        f"Endpoint = {VPN_SERVER}:51820\n"
    )
    far_end = server.start("sh", "-c", START_WIREGUARD, "wg", str(folder / "server.conf"))
    assert far_end.stdout is not None
    assert far_end.stdout.readline() == "configured\n"
    server.run("ip", "addr", "add", "10.66.0.1/24", "dev", "wg0")
    server.run("ip", "link", "set", "wg0", "up")
    return WireGuard(client, folder / "client.conf")


def _keys() -> tuple[str, str]:
    private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    public = subprocess.run(
        ["wg", "pubkey"], input=private, capture_output=True, text=True, check=True
    ).stdout
    return private.strip(), public.strip()


class Watching:
    """`pcapleak live` running in a namespace, ready when this is made."""

    def __init__(self, host: Host, *arguments: str, first: tuple[str, ...] = ()) -> None:
        """`first` is what the program is started by."""
        self.process = host.start(*first, sys.executable, "-m", "pcapleak", "live", *arguments)
        self.read_until("watching", 20)

    def read_until(self, text: str, timeout_s: float) -> float:
        """Seconds until a line of standard error holds `text`."""
        assert self.process.stderr is not None
        start = time.monotonic()
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if text in line:
                return time.monotonic() - start
            if time.monotonic() - start > timeout_s:
                break
        raise AssertionError(f"no {text!r} within {timeout_s} s: {''.join(lines)}")

    def stop(self, number: int) -> tuple[str, str]:
        """Send a signal; standard output and the rest of standard error."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=20)


def wait_for(holds: Callable[[], bool]) -> None:
    """Until it holds: on a busy machine that takes its time, and a minute is never."""
    end_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.1)


def analyze(*arguments: str) -> dict[str, Any]:
    """The report of `pcapleak analyze`."""
    done = subprocess.run(
        [sys.executable, "-m", "pcapleak", "analyze", *arguments, "--json", "-"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 2, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def counter(host: Host, device: str, name: str) -> int:
    """One of the kernel's counters of a device (rx_packets, tx_packets)."""
    return int(host.run("cat", f"/sys/class/net/{device}/statistics/{name}"))


FLOOD = """
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + 3
while time.monotonic() < end:
    for _ in range(200):
        sock.sendto(bytes(1200), ("127.0.0.1", 9))
    time.sleep(0.01)
"""
