"""The lab's internet: network namespaces joined by veth pairs, with nothing of the real one.

client    192.168.50.42  2001:db8:50::42  ┐
neighbour 192.168.50.43  2001:db8:50::43  ┴ router 192.168.50.1 | 203.0.113.7 (NAT for IPv4)
                                              └ internet: STUN/TURN .10, web .20 and .21,
                                                proxies .30, resolver .53 of 198.51.100.0/24
                                                and 2001:db8:ffff::/64
                                                  ├ vpn 198.51.100.40 (NAT for its tunnel)
                                                  └ peer 198.51.100.60
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .processes import LabError, Process

CLIENT, CLIENT6 = "192.168.50.42", "2001:db8:50::42"
NEIGHBOUR, NEIGHBOUR6 = "192.168.50.43", "2001:db8:50::43"
GATEWAY, GATEWAY6 = "192.168.50.1", "2001:db8:50::1"
PUBLIC, PUBLIC6 = "203.0.113.7", "2001:db8:113::7"
STUN, STUN6 = "198.51.100.10", "2001:db8:ffff::10"
WEB, WEB6 = "198.51.100.20", "2001:db8:ffff::20"
FRAME = "198.51.100.21"
PROXY = "198.51.100.30"
VPN, VPN6 = "198.51.100.40", "2001:db8:ffff::40"
RESOLVER = "198.51.100.53"
PEER = "198.51.100.60"
# What the client is called behind a carrier's NAT, and on a second uplink.
SHARED_CLIENT, SECOND_CLIENT = "100.64.50.42", "192.168.60.42"
# A LAN that calls the STUN server's network its own (TunnelCrack's LocalNet).
LOCAL_NET_CLIENT, LOCAL_NET_ROUTER = "198.51.100.14", "198.51.100.9"

_FORWARD = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
_PREFIX = "pcapleak-lab"
_NETNS_ETC = Path("/etc/netns")


class Host:
    """One network namespace."""

    def __init__(self, name: str, namespace: str, scratch: Path) -> None:
        self.name = name
        self.namespace = namespace
        self.scratch = scratch
        self._started = 0
        self._folders: Counter[str] = Counter()

    def inside(self, *argv: str) -> list[str]:
        """``argv`` as a command that runs in this namespace."""
        return ["ip", "netns", "exec", self.namespace, *argv]

    def run(self, *argv: str, stdin: str | None = None) -> str:
        """Run a command to its end and return its output; raise `LabError` if it fails."""
        return _run(self.inside(*argv), stdin)

    def links(self, *commands: str) -> None:
        """Run ``ip`` commands, in order."""
        _run(["ip", "-n", self.namespace, "-batch", "-"], "\n".join(commands) + "\n")

    def sysctl(self, *settings: str) -> None:
        """Set kernel settings of this namespace."""
        self.run("sysctl", "-qw", *settings)

    def start(
        self,
        *argv: str,
        pass_fds: tuple[int, ...] = (),
        environment: dict[str, str] | None = None,
        stop_signal: int = signal.SIGTERM,
    ) -> Process:
        """Start a program that stays; its output goes to a log in the scratch folder."""
        self._started += 1
        log = self.scratch / f"{self.name}-{self._started}-{Path(argv[0]).name}.log"
        return Process(
            self.inside(*argv),
            log,
            pass_fds=pass_fds,
            environment=environment,
            stop_signal=stop_signal,
        )

    def python(self, module: str, *arguments: str) -> Process:
        """Start a module of the lab."""
        root = Path(__file__).parents[2]
        return self.start(
            sys.executable, "-m", f"captures.lab.{module}", *arguments,
            environment={"PYTHONPATH": str(root)},
        )  # fmt: skip

    @property
    def etc(self) -> Path:
        """What lies here is seen under /etc by the programs of this namespace, and by no other."""
        return _NETNS_ETC / self.namespace

    def new_folder(self, program: str) -> Path:
        """A new folder for files of a program."""
        self._folders[program] += 1
        number = f"-{self._folders[program]}" if self._folders[program] > 1 else ""
        folder = self.scratch / f"{program}-{self.name}{number}"
        folder.mkdir()
        return folder

    def use_chromium_policy(self, **policy: object) -> None:
        """Manage the Chromiums that start from now on, and no other of this machine."""
        managed = self.etc / "chromium" / "policies" / "managed"
        managed.mkdir(parents=True, exist_ok=True)
        (managed / "lab.json").write_text(json.dumps(policy))

    def use_resolver(self, address: str) -> None:
        """Make ``address`` the resolver of programs that start from now on."""
        (self.etc / "resolv.conf").write_text(f"nameserver {address}\n")


def sweep() -> None:
    """Take down what labs have left that were killed before they could."""
    listed = _run(["ip", "netns", "list"])
    for line in listed.splitlines():
        namespace = line.split()[0]
        pid, found, _ = namespace.removeprefix(_PREFIX).partition("-")
        if namespace.startswith(_PREFIX) and found and not Path(f"/proc/{pid}").exists():
            _remove(namespace)


class Network:
    """The hosts of one lab."""

    def __init__(self, scratch: Path, prefix: str) -> None:
        def host(name: str) -> Host:
            return Host(name, f"{prefix}-{name}", scratch)

        self.client = host("client")
        self.neighbour = host("neighbour")
        self.router = host("router")
        self.internet = host("internet")
        self.vpn = host("vpn")
        self.peer = host("peer")

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Every host."""
        return (
            self.client,
            self.neighbour,
            self.router,
            self.internet,
            self.vpn,
            self.peer,
        )


@contextmanager
def network(scratch: Path) -> Iterator[Network]:
    """Build the lab's internet; whatever happens, take it down again."""
    sweep()
    # The process id makes the names unique among labs that run at the same time.
    built = Network(scratch, f"{_PREFIX}{os.getpid()}")
    with ExitStack() as stack:
        for host in built.hosts:
            stack.enter_context(_namespace(host))
        _connect(built)
        yield built


@contextmanager
def _namespace(host: Host) -> Iterator[None]:
    try:
        host.etc.mkdir(parents=True)
        _run(["ip", "netns", "add", host.namespace])
        host.sysctl("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        host.links("link set lo up")
        yield
    finally:
        _remove(host.namespace)


def _remove(namespace: str) -> None:
    pids = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
    )
    # Nothing but a lab's own children lives in its namespaces.
    for pid in pids.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
    shutil.rmtree(_NETNS_ETC / namespace, ignore_errors=True)


def _connect(net: Network) -> None:
    router, internet, vpn = net.router, net.internet, net.vpn
    for host in (router, internet, vpn):
        host.sysctl(*_FORWARD)
    router.links(
        "link add lan0 address 02:00:5e:00:32:01 type bridge mcast_snooping 0",
        f"addr add {GATEWAY}/24 dev lan0",
        f"addr add {GATEWAY6}/64 dev lan0 nodad",
        "link set lan0 up",
        f"link add wan0 type veth peer name wan0 netns {internet.namespace}",
        f"addr add {PUBLIC}/24 dev wan0",
        f"addr add {PUBLIC6}/64 dev wan0 nodad",
        "link set wan0 up",
    )
    internet.links(
        "addr add 203.0.113.1/24 dev wan0",
        "addr add 2001:db8:113::1/64 dev wan0 nodad",
        "link set wan0 up",
        "link add core type bridge mcast_snooping 0",
        "addr add 198.51.100.1/24 dev core",
        *(f"addr add {address}/24 dev core" for address in (STUN, WEB, FRAME, PROXY, RESOLVER)),
        "addr add 2001:db8:ffff::1/64 dev core nodad",
        *(f"addr add {address}/64 dev core nodad" for address in (STUN6, WEB6)),
        "link set core up",
        f"link add vpn0 type veth peer name eth0 netns {vpn.namespace}",
        "link set vpn0 master core up",
        f"link add peer0 type veth peer name eth0 netns {net.peer.namespace}",
        "link set peer0 master core up",
        f"route add 2001:db8:50::/64 via {PUBLIC6}",
        # The rest of the internet takes packets and answers none.
        "link add nowhere type bridge",
        "link set nowhere arp off up",
        "route add default dev nowhere",
    )
    vpn.links(
        f"addr add {VPN}/24 dev eth0",
        f"addr add {VPN6}/64 dev eth0 nodad",
        "link set eth0 up",
        "route add default via 198.51.100.1",
        "route add default via 2001:db8:ffff::1",
    )
    net.peer.links(
        f"addr add {PEER}/24 dev eth0",
        "link set eth0 up",
        "route add default via 198.51.100.1",
    )
    router.links("route add default via 203.0.113.1", "route add default via 2001:db8:113::1")
    masquerade(router, "wan0")
    _join_lan(net, net.client, CLIENT, CLIENT6, 0x42)
    _join_lan(net, net.neighbour, NEIGHBOUR, NEIGHBOUR6, 0x43)


def _join_lan(net: Network, host: Host, address: str, address6: str, number: int) -> None:
    mac = f"02:00:5e:00:32:{number:02x}"
    host.links(
        f"link add eth0 address {mac} type veth peer name {host.name} netns {net.router.namespace}",
        f"addr add {address}/24 dev eth0",
        f"addr add {address6}/64 dev eth0 nodad",
        "link set eth0 up",
        f"route add default via {GATEWAY}",
        f"route add default via {GATEWAY6}",
    )
    net.router.links(f"link set {host.name} master lan0 up")
    host.use_resolver(GATEWAY)


def masquerade(host: Host, device: str, *flags: str) -> None:
    """Give what leaves ``host`` by ``device`` over IPv4 the address of that device.

    ``flags`` are nft's: ``fully-random`` gives each conversation a port of its own.
    """
    host.run("nft", "add table ip nat")
    host.run("nft", "add chain ip nat out { type nat hook postrouting priority 100; }")
    host.run("nft", "flush chain ip nat out")
    host.run("nft", f"add rule ip nat out oifname {device} masquerade {' '.join(flags)}")


def _run(argv: list[str], stdin: str | None = None) -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
