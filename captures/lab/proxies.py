"""SOCKS proxies by real programs: one that relays UDP as well, and one on this host whose way out
is another program's connection.

`record` plays one of them and gives its recordings, clean and with one leak.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from .carriers import LEAKS, Recordings
from .network import PROXY, RESOLVER, VPN, Network, network
from .processes import Process, wait_until
from .recorder import Recorder
from .servers import coturn, resolver

PORT = 1080


class Proxy:
    """A SOCKS proxy that the client can use once it is made."""

    address: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ()
    """What it relays besides connections."""
    interfaces: ClassVar[tuple[str, ...]] = ("eth0",)

    def __init__(self, net: Network, scratch: Path) -> None:
        self._net, self._scratch = net, scratch
        self._processes: list[Process] = []

    def up(self) -> None:
        """Start what it is made of."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it."""
        for process in reversed(self._processes):
            process.stop()


class Dante(Proxy):
    """dante in the internet, with UDP ASSOCIATE."""

    address = PROXY
    kinds = ("udp",)

    def up(self) -> None:
        """Start it."""
        configuration = self._scratch / "danted.conf"
        anywhere = "from: 0.0.0.0/0 to: 0.0.0.0/0"
        configuration.write_text(
            f"logoutput: stderr\ninternal: {PROXY} port = {PORT}\nexternal: {PROXY}\n"
            "clientmethod: none\nsocksmethod: none\n"
            "user.privileged: root\nuser.unprivileged: root\n"
            f"client pass {{ {anywhere} }}\n"
            f"socks pass {{ {anywhere} command: connect udpassociate }}\n"
            f"socks pass {{ {anywhere} command: bindreply udpreply }}\n"
        )
        host = self._net.internet
        self._processes.append(
            host.start("danted", "-f", str(configuration), "-p", str(self._scratch / "danted.pid"))
        )
        wait_until(lambda: f"{PROXY}:{PORT}" in host.run("ss", "-Hltn"), "dante to listen")


class SshProxy(Proxy):
    """`ssh -D`: a proxy on this host, whose way out is its connection to a server."""

    address = "127.0.0.1"
    interfaces = ("eth0", "lo")

    def up(self) -> None:
        """Start both ends."""
        server, client = self._net.vpn, self._net.client
        serve, connect = ssh_commands(self._scratch, VPN, PORT)
        self._processes.append(server.start(*serve))
        wait_until(lambda: f"{VPN}:22" in server.run("ss", "-Hltn"), "sshd to listen")
        self._processes.append(client.start(*connect))
        wait_until(lambda: f"127.0.0.1:{PORT}" in client.run("ss", "-Hltn"), "ssh to listen")


def ssh_commands(folder: Path, address: str, port: int) -> tuple[list[str], list[str]]:
    """What starts a server at an address, and what listens as a proxy on this host's port and
    leads there; keys and settings are made in `folder`."""
    for name in ("host", "user"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(make, check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    configuration = folder / "sshd.conf"
    configuration.write_text(
        f"ListenAddress {address}\nHostKey {folder / 'host'}\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder / 'user.pub'}\nStrictModes no\n"
    )
    connect = [
        "ssh", "-N", "-D", f"127.0.0.1:{port}", "-i", str(folder / "user"), "-F", "none",
        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", f"root@{address}",
    ]  # fmt: skip
    return ["/usr/sbin/sshd", "-D", "-e", "-f", str(configuration)], connect


PROXIES: tuple[type[Proxy], ...] = (Dante, SshProxy)


def record(kind: type[Proxy], scratch: Path, seconds: float = 4.0) -> Recordings:
    """Play one proxy with a program that uses it, then one leak after the other."""
    with ExitStack() as stack:
        net = stack.enter_context(network(scratch))
        stack.callback(coturn(net, scratch, None).stop)
        stack.callback(resolver(net.internet, RESOLVER, scratch).stop)
        web = net.internet.python("traffic", "serve")
        stack.callback(web.stop)
        web.wait_for("ready")
        proxy = kind(net, scratch)
        stack.callback(proxy.stop)
        recorders = {name: _recorder(net, scratch / name) for name in ("early", "late")}
        for interface in kind.interfaces:
            recorders["early"].add(interface)
        proxy.up()
        use = net.client.python(
            "traffic", "socks", str(seconds + 30), kind.address, str(PORT), *kind.kinds
        )
        stack.callback(use.stop)
        use.wait_for("ready")
        time.sleep(1.5)
        for interface in kind.interfaces:
            recorders["late"].add(interface)
        time.sleep(seconds)
        clean_until = time.time_ns()
        leaks = {}
        for leak in LEAKS:
            time.sleep(0.3)
            start = time.time_ns()
            net.client.run(sys.executable, "-m", "captures.lab.traffic", leak)
            time.sleep(0.3)  # The last packets of a connection come behind its program's end.
            leaks[leak] = (start, time.time_ns())
        use.stop()
        for name, recorder in recorders.items():
            recorder.merge(scratch / f"{name}.pcapng")
    return Recordings(
        "", f"socks5://{kind.address}:{PORT}", scratch / "early.pcapng", scratch / "late.pcapng",
        clean_until, leaks,
    )  # fmt: skip


def _recorder(net: Network, folder: Path) -> Recorder:
    folder.mkdir()
    return Recorder(net.client, folder)
