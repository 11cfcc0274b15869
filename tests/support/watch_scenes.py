"""What happens to a machine while it is watched: each scene in namespaces, clean or with one leak.

A scene prepares the machine, a watch begins, programs use the network by the routes there are,
and something changes. With a leak, one program then goes past every route.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live_support import Watching, analyze
from netns import Host, hosts, join

CLIENT, ROUTER = "192.168.50.42", "192.168.50.1"
VPN, OTHER_VPN, INNER_VPN = "198.51.100.40", "198.51.100.41", "198.51.100.42"
WEB, LEAKED_TO = "198.51.100.20", "198.51.100.21"
LEAKED_TO_6 = "2001:db8:ffff::21"

WORLD = """
import socket, threading
def datagrams(family):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_PKTINFO, 1)
    sock.bind(("", 4000))
    while True:
        data, control, _, sender = sock.recvmsg(4096, 256)
        sock.sendmsg([data * 2], control, 0, sender)
def connections():
    listener = socket.create_server(("0.0.0.0", 8443), backlog=64)
    while True:
        one = listener.accept()[0]
        threading.Thread(target=serve, args=(one,), daemon=True).start()
def serve(one):
    with one:
        try:
            while data := one.recv(4096):
                one.sendall(data * 3)
        except OSError:
            pass
for family in (socket.AF_INET, socket.AF_INET6):
    threading.Thread(target=datagrams, args=(family,), daemon=True).start()
threading.Thread(target=connections, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""

USE = """
import os, socket, sys, time
while True:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(0.3)
            one.sendto(os.urandom(300), (sys.argv[1], 4000))
            one.recv(4096)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as two:
            two.settimeout(0.5)
            two.connect((sys.argv[1], 8443))
            for _ in range(4):
                two.sendall(os.urandom(800))
                two.recv(4096)
    except OSError:
        pass
    time.sleep(0.05)
"""

USE_SOCKS = """
import os, socket, sys, time
address = socket.inet_aton(sys.argv[1]) + (8443).to_bytes(2, "big")
while True:
    try:
        with socket.create_connection(("127.0.0.1", 1080), 2) as one:
            one.sendall(b"\\x05\\x01\\x00")
            one.recv(2)
            one.sendall(b"\\x05\\x01\\x00\\x01" + address)
            one.recv(10)
            for _ in range(4):
                one.sendall(os.urandom(800))
                one.recv(4096)
    except OSError:
        pass
    time.sleep(0.05)
"""

LEAK = """
import os, socket, sys, time
device, server, source = sys.argv[1:4]
family = socket.AF_INET6 if ":" in server else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as one:
    if device:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if source:
        one.bind((source, 0))
    one.settimeout(0.5)
    print(time.time_ns(), flush=True)
    for _ in range(3):
        try:
            one.sendto(os.urandom(200), (server, 4000))
            one.recv(4096)
        except OSError:
            pass
"""

START_WIREGUARD = """
mkdir -p /run/wireguard
wireguard-go -f "$1" & child=$!
trap 'kill $child' TERM
until [ -S "/run/wireguard/$1.sock" ]; do sleep 0.02; done
wg setconf "$1" "$2" && echo configured
wait $child; wait $child
"""
# The control sockets of wireguard-go lie in a folder of the whole machine: each host has its own.
OWN_FOLDER = "mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard && echo ready && cat"


@dataclass
class World:
    """A client, a server that is everything beyond it, and what runs on them."""

    client: Host
    server: Host
    folder: Path
    leak_ns: int = 0
    mounts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for host in (self.client, self.server):
            keeper = subprocess.Popen(
                ["ip", "netns", "exec", host.name, "sh", "-c", OWN_FOLDER],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            host.processes.append(keeper)
            assert keeper.stdout is not None and keeper.stdout.readline() == "ready\n"
            self.mounts[host.name] = keeper.pid
        join(self.client, "eth0", f"{CLIENT}/24", self.server, "eth0", f"{ROUTER}/24")
        for address in (VPN, OTHER_VPN, INNER_VPN, WEB, LEAKED_TO):
            self.server.run("ip", "addr", "add", f"{address}/32", "dev", "lo")
        self.ip("route add default via", ROUTER)
        world = self.server.python("-c", WORLD)
        assert world.stdout is not None and world.stdout.readline() == "ready\n"

    def ip(self, *words: str) -> None:
        """`ip` on the client."""
        self.client.run("ip", *" ".join(words).split())

    def within(self, host: Host) -> tuple[str, ...]:
        """What a program is started by to see its host's control sockets."""
        return "nsenter", "-t", str(self.mounts[host.name]), "-m", "--"

    def ipv6(self) -> None:
        """The machine speaks IPv6 over eth0; a router announces nothing yet."""
        for host in (self.client, self.server):
            for device in ("all", "default", "lo", "eth0"):
                host.run("sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=0")
            host.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0")
        self.server.run("ip", "addr", "add", f"{LEAKED_TO_6}/128", "dev", "lo", "nodad")

    def leak(self, device: str = "eth0", server: str = LEAKED_TO, source: str = "") -> None:
        """One program that is bound to a device."""
        done = self.client.python("-c", LEAK, device, server, source)
        assert done.stdout is not None
        self.leak_ns = int(done.stdout.readline())
        done.wait(20)

    def wireguard(
        self,
        device: str = "wg0",
        server: str = VPN,
        address: str = "10.66.0.2",
        port: int = 51820,
        via: str = f"via {ROUTER}",
    ) -> WireGuard:
        """A tunnel to a server; its client end is not up yet."""
        keys = [_keys() for _ in range(2)]
        far = f"{device}s{port}"
        (self.folder / f"{far}.conf").write_text(
            f"[Interface]\nPrivateKey = {keys[0][0]}\nListenPort = {port}\n"
            f"[Peer]\nPublicKey = {keys[1][1]}\nAllowedIPs = {address}/32\n"
        )
        (self.folder / f"{device}.conf").write_text(
            f"[Interface]\nPrivateKey = {keys[1][0]}\n"
            f"[Peer]\nPublicKey = {keys[0][1]}\nAllowedIPs = 0.0.0.0/0\n"
            f"Endpoint = {server}:{port}\n"
        )
        self.start_wireguard(self.server, far)
        self.server.run("ip", "link", "set", far, "up")
        self.server.run("ip", "route", "replace", f"{address}/32", "dev", far)
        return WireGuard(self, device, server, address, port, via, keys[0][1], keys[1])

    def start_wireguard(self, host: Host, device: str) -> subprocess.Popen[str]:
        process = host.start(
            *self.within(host), "sh", "-c", START_WIREGUARD, "wg", device,
            str(self.folder / f"{device}.conf"),
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "configured\n"
        return process


@dataclass
class WireGuard:
    """The client's end of a tunnel."""

    world: World
    device: str
    server: str
    address: str
    port: int
    via: str
    peer: str
    keys: tuple[str, str]

    def up(self, *, default: bool = True) -> None:
        """Make the device and send everything through it, as a VPN client does."""
        self.world.start_wireguard(self.world.client, self.device)
        ip = self.world.ip
        ip(f"addr add {self.address}/32 dev {self.device}")
        ip(f"link set {self.device} up")
        ip(f"route replace {self.server} {self.via}")
        if default:
            ip(f"route replace 0.0.0.0/1 dev {self.device}")
            ip(f"route replace 128.0.0.0/1 dev {self.device}")

    def down(self) -> None:
        """Delete the device: its routes go with it."""
        self.world.ip("link del", self.device)

    def set(self, *words: str) -> None:
        """`wg set` of the device."""
        client = self.world.client
        client.run(*self.world.within(client), "wg", "set", self.device, *words)


def _keys() -> tuple[str, str]:
    private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    public = subprocess.run(
        ["wg", "pubkey"], input=private, capture_output=True, text=True, check=True
    ).stdout
    return private.strip(), public.strip()


@dataclass(frozen=True)
class Scene:
    """One scene; `change` happens under watch."""

    name: str
    prepare: Callable[[World], Any]
    change: Callable[[World, Any], None]
    leak: Callable[[World, Any], None]
    options: tuple[str, ...] = ()
    use: str = USE
    """How programs use the network."""


@dataclass(frozen=True)
class Played:
    """What came of a scene."""

    report: dict[str, Any]
    replayed: dict[str, Any]
    told_s: float | None
    """From the leak's first packet to the first finding of severity high."""
    said: list[str]
    """Before the watch began."""

    @property
    def gaps(self) -> list[str]:
        """What the report says was missing, in its verdict and its findings."""
        found = [one["message"] for one in self.report["findings"] if one["id"] == "PL901"]
        return [self.report["verdict"]["reason"], *found]

    @property
    def verdict(self) -> str:
        return str(self.report["verdict"]["result"])


def play(scene: Scene, folder: Path, *, leaky: bool) -> Played:
    """Play a scene under a watch that records."""
    lines, recording = folder / "events.jsonl", folder / "recording"
    with hosts(2) as (client, server):
        world = World(client, server, folder)
        prepared = scene.prepare(world)
        client.python("-c", scene.use, WEB)
        watching = Watching(
            client, "--json", "-", "--jsonl", str(lines), "--record", str(recording),
            *scene.options, first=world.within(client),
        )  # fmt: skip
        time.sleep(1)
        scene.change(world, prepared)
        if leaky:
            scene.leak(world, prepared)
        time.sleep(1.2)
        out, errors = watching.stop(signal.SIGTERM)
    assert out, errors
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    told = [
        event["time_ns"] for event in events
        if event["event"] == "finding" and event["finding"]["severity"] in ("high", "critical")
        and event["time_ns"] >= world.leak_ns
    ]  # fmt: skip
    (one,) = recording.iterdir()
    return Played(
        json.loads(out),
        analyze(str(one)),
        (min(told) - world.leak_ns) / 1e9 if told and world.leak_ns else None,
        events[0]["policy"],
    )


def judged(report: dict[str, Any]) -> dict[str, Any]:
    """What a report says, but for where it was watched or read and how its parts are numbered."""
    return {
        "verdict": report["verdict"],
        "findings": [
            (one["id"], one["subject"], one["severity"], one["message"], one["reasons"])
            for one in report["findings"]
        ],
        "timeline": [
            (one["kind"], one["subject"], one["time_ns"], one["text"]) for one in report["timeline"]
        ],
        "policy": {
            name: (one["value"], one["source"]) for name, one in report["policy"]["fields"].items()
        },
        "interfaces": {
            one["name"]: (one["role"], one["packets"])
            for one in report["captures"][0]["interfaces"]
        },
    }
