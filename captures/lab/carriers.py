"""Tunnels and proxies by programs of many kinds: what carries each looks different on the wire.

Every class brings up one program's two ends; what goes inside and what goes beside is
`traffic.py`'s. `record` plays one of them and gives its recordings, clean and with one leak.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pcapleak.capture import open_capture
from pcapleak.capture.batches import rows_of
from pcapleak.capture.writer import PcapngWriter

from .network import RESOLVER, VPN, Host, Network, network
from .processes import Process, wait_until
from .recorder import Recorder
from .servers import Certificate, certificate, coturn, resolver
from .tunnels import TUNNEL, TUNNEL_GATEWAY, WIREGUARD_PORT, OpenVpn, Tunnel, WireGuard

LEAKS = ("dns", "stun", "ipv6")
_GATEWAY_ROUTES = f"addr add {TUNNEL}/24 dev {{device}}", "link set {device} mtu 1300 up"


class Carrier(Tunnel):
    """A tunnel whose server has a certificate at hand."""

    device = "tun0"

    def __init__(self, net: Network, scratch: Path, tls: Certificate) -> None:
        self._tls = tls
        super().__init__(net, scratch)

    def _address_client(self) -> None:
        self._net.client.links(*(line.format(device=self.device) for line in _GATEWAY_ROUTES))

    def _address_server(self) -> None:
        self._net.vpn.links(
            f"addr add {TUNNEL_GATEWAY}/24 dev {self.device}",
            f"link set {self.device} mtu 1300 up",
        )


class OpenVpnTcp(OpenVpn):
    """OpenVPN whose carrier is a TCP connection to port 443."""

    protocols = ("tcp4-server", "tcp4-client")
    port = 443
    endpoint = f"{VPN}:443"


class PlainWireGuard(WireGuard):
    """WireGuard over UDP."""

    def __init__(self, net: Network, scratch: Path, tls: Certificate) -> None:
        super().__init__(net, scratch)


class WrappedWireGuard(WireGuard):
    """WireGuard whose datagrams go through a TLS connection to port 443, as wstunnel does."""

    endpoint = f"{VPN}:443"
    peer = "127.0.0.1:51821"

    def __init__(self, net: Network, scratch: Path, tls: Certificate) -> None:
        self._tls = tls
        self._wrappers: list[Process] = []
        super().__init__(net, scratch)

    def _start_server(self) -> Process:
        wrapper = self._net.vpn.python(
            "wrapper", "serve", f"{VPN}:443", f"127.0.0.1:{WIREGUARD_PORT}",
            str(self._tls.certificate), str(self._tls.key),
        )  # fmt: skip
        self._wrappers.append(wrapper)
        wrapper.wait_for("ready")
        return super()._start_server()

    def _start_client(self) -> Process:
        wrapper = self._net.client.python("wrapper", "connect", "127.0.0.1:51821", f"{VPN}:443")
        self._wrappers.append(wrapper)
        wrapper.wait_for("ready")
        return super()._start_client()

    def stop(self) -> None:
        """End both ends and what wraps them."""
        super().stop()
        for wrapper in self._wrappers:
            wrapper.stop()


class OpenConnect(Carrier):
    """ocserv and openconnect: TLS, and DTLS beside it once it is there."""

    endpoint = VPN
    options: ClassVar[tuple[str, ...]] = ()

    def _start_server(self) -> Process:
        vpn, folder = self._net.vpn, self._scratch
        passwords = folder / "ocpasswd"
        vpn.run("ocpasswd", "-c", str(passwords), "lab", stdin="lab\nlab\n")
        configuration = folder / "ocserv.conf"
        configuration.write_text(
            f'auth = "plain[passwd={passwords}]"\ntcp-port = 443\nudp-port = 443\n'
            f"listen-host = {VPN}\nrun-as-user = root\nrun-as-group = root\n"
            f"socket-file = {folder / 'ocserv-socket'}\n"
            f"server-cert = {self._tls.certificate}\nserver-key = {self._tls.key}\n"
            "isolate-workers = false\nmax-clients = 4\nkeepalive = 300\ndpd = 60\n"
            "device = vpns\npredictable-ips = true\nipv4-network = 10.66.0.0/24\n"
            "route = default\ncookie-timeout = 300\nuse-occtl = false\n"
            f"pid-file = {folder / 'ocserv.pid'}\n"
        )
        process = vpn.start("ocserv", "--foreground", "--config", str(configuration))
        wait_until(lambda: f"{VPN}:443" in vpn.run("ss", "-Hltn"), "ocserv to listen")
        return process

    def _start_client(self) -> Process:
        script = self._scratch / "vpnc-script"
        script.write_text(
            '#!/bin/sh\n[ "$reason" = connect ] || exit 0\n'
            "ip addr add $INTERNAL_IP4_ADDRESS/32 dev $TUNDEV\n"
            "ip link set $TUNDEV mtu 1300 up\necho addressed\n"
        )
        script.chmod(0o755)
        pin = self._tls.key_hash(self._net.client)
        process = self._net.client.start(
            "sh", "-c",
            'echo lab | openconnect --user=lab --passwd-on-stdin --interface=tun0 "$@"',
            "openconnect", f"--servercert=pin-sha256:{pin}", f"--script={script}",
            *self.options, f"https://{VPN}:443",
        )  # fmt: skip
        process.wait_for("addressed")
        time.sleep(1)  # DTLS comes up after the script has run.
        return process


class OpenConnectTls(OpenConnect):
    """openconnect that is kept from DTLS."""

    options = ("--no-dtls",)
    endpoint = f"{VPN}:443"


class Userland(Carrier):
    """A program of our own on a tun device, with a carrier of a given look."""

    look: ClassVar[str]
    endpoint = f"{VPN}:443"

    def _start_server(self) -> Process:
        process = self._net.vpn.python(
            "userland", self.look, "serve", self.device, f"{VPN}:443",
            str(self._tls.certificate), str(self._tls.key),
        )  # fmt: skip
        process.wait_for("ready")
        self._address_server()
        return process

    def _start_client(self) -> Process:
        process = self._net.client.python(
            "userland", self.look, "connect", self.device, f"{VPN}:443"
        )
        process.wait_for("ready")
        self._address_client()
        return process


class QuicLike(Userland):
    """Datagrams that begin as QUIC's do."""

    look = "quic"


class TlsLike(Userland):
    """One TLS connection."""

    look = "tls"


class Tinc(Carrier):
    """tinc: a mesh over UDP with a control connection over TCP, both on port 655."""

    endpoint = VPN

    def _start_server(self) -> Process:
        self._files = {host.name: self._scratch / f"tinc-{host.name}" for host in self._ends}
        for host, other in zip(self._ends, reversed(self._ends), strict=True):
            folder = self._files[host.name]
            (folder / "hosts").mkdir(parents=True)
            connect = f"ConnectTo = {other.name}\n" if host is self._net.client else ""
            (folder / "tinc.conf").write_text(
                f"Name = {host.name}\nInterface = tun0\nDeviceType = tun\nAddressFamily = ipv4\n"
                f"{connect}"
            )
            own = TUNNEL if host is self._net.client else "0.0.0.0/0"
            (folder / "hosts" / host.name).write_text(
                f"Subnet = {own}\n" + ("" if host is self._net.client else f"Address = {VPN}\n")
            )
            host.run("tincd", "-c", str(folder), "-K2048", stdin="\n\n")
        for host, other in zip(self._ends, reversed(self._ends), strict=True):
            (self._files[host.name] / "hosts" / other.name).write_bytes(
                (self._files[other.name] / "hosts" / other.name).read_bytes()
            )
        process = self._daemon(self._net.vpn)
        self._address_server()
        return process

    @property
    def _ends(self) -> tuple[Host, Host]:
        return self._net.vpn, self._net.client

    def _start_client(self) -> Process:
        process = self._daemon(self._net.client)
        self._address_client()
        return process

    def _daemon(self, host: Host) -> Process:
        process = host.start(
            "tincd", "-c", str(self._files[host.name]), "-D", "-d2",
            f"--pidfile={self._scratch / f'tinc-{host.name}.pid'}",
        )  # fmt: skip
        process.wait_for("Ready")
        return process


class Fastd(Carrier):
    """fastd: encrypted datagrams of no known protocol, on a port of its own."""

    endpoint = f"{VPN}:10000"

    def _start_server(self) -> Process:
        self._keys: dict[str, dict[str, str]] = {}
        for host in (self._net.vpn, self._net.client):
            words = host.run("fastd", "--generate-key", "--machine-readable").split()
            secret = words[0]
            configuration = self._scratch / "key.conf"
            configuration.write_text(f'secret "{secret}";\n')
            public = host.run(
                "fastd", "--show-key", "--machine-readable", "-c", str(configuration)
            ).strip()
            self._keys[host.name] = {"secret": secret, "public": public}
        process = self._end(self._net.vpn, self._net.client, f"bind {VPN}:10000;", "")
        self._address_server()
        return process

    def _start_client(self) -> Process:
        process = self._end(self._net.client, self._net.vpn, "", f"remote {VPN}:10000;")
        self._address_client()
        return process

    def _end(self, host: Host, other: Host, own: str, peer: str) -> Process:
        configuration = self._scratch / f"fastd-{host.name}.conf"
        configuration.write_text(
            f'interface "tun0";\nmode tun;\nmethod "salsa2012+umac";\n{own}\nmtu 1300;\n'
            f'secret "{self._keys[host.name]["secret"]}";\n'
            f'peer "{other.name}" {{ key "{self._keys[other.name]["public"]}"; {peer} }}\n'
        )
        process = host.start("fastd", "-c", str(configuration), "--log-level", "verbose")
        wait_until(lambda: "tun0" in host.run("ip", "-br", "link"), "fastd's device")
        return process


class N2n(Carrier):
    """n2n: an edge that is told of its peer by a supernode, both at one address."""

    device = "tun0"
    endpoint = VPN

    def _start_server(self) -> Process:
        self._supernode = self._net.vpn.start("supernode", "-l", "7654", "-f")
        wait_until(lambda: ":7654" in self._net.vpn.run("ss", "-Hlun"), "the supernode to listen")
        return self._edge(self._net.vpn, TUNNEL_GATEWAY)

    def stop(self) -> None:
        """End both edges and what they find each other by."""
        super().stop()
        self._supernode.stop()

    def _start_client(self) -> Process:
        process = self._edge(self._net.client, TUNNEL)
        # The edges look for each other when there is something to say.
        self._net.client.run("ping", "-c", "8", "-i", "0.5", "-W", "1", TUNNEL_GATEWAY)
        return process

    def route(self, *destinations: str) -> None:
        """The edge's device is an Ethernet: the other end is the next hop."""
        self._net.client.links(
            *(f"route replace {one} via {TUNNEL_GATEWAY}" for one in destinations)
        )

    def _edge(self, host: Host, address: str) -> Process:
        process = host.start(
            "edge", "-d", "tun0", "-a", address, "-s", "255.255.255.0", "-c", "lab",
            "-k", "lab-secret", "-l", f"{VPN}:7654", "-r", "-f", "-M", "1250",
        )  # fmt: skip
        wait_until(lambda: address in host.run("ip", "-br", "addr"), "the edge's device")
        return process


CARRIERS: tuple[type[Tunnel], ...] = (
    PlainWireGuard, WrappedWireGuard, OpenVpn, OpenVpnTcp, OpenConnect, OpenConnectTls,
    QuicLike, TlsLike, Tinc, Fastd, N2n,
)  # fmt: skip


@dataclass(frozen=True)
class Recordings:
    """One carrier's recordings: from before it came up, and joined when it had long been up."""

    device: str
    endpoint: str
    """What `--vpn-endpoint` is to name."""
    early: Path
    late: Path
    clean_until_ns: int
    leaks: dict[str, tuple[int, int]]
    """From when to when each leak happened, in nanoseconds since the epoch."""

    def cut(self, whole: Path, path: Path, leak: str | None = None) -> Path:
        """The clean part of a recording, with the time of one leak behind it."""
        start, stop = self.leaks[leak] if leak else (0, 0)
        with open_capture(whole) as source, PcapngWriter(path) as writer:
            for batch in source:
                wanted = batch.ts_ns < self.clean_until_ns
                wanted |= (batch.ts_ns >= start) & (batch.ts_ns < stop)
                rows = np.flatnonzero(wanted)
                for row in rows.tolist():
                    writer.write_batch(rows_of(batch, row, row + 1), source.interfaces)
        return path


def record(kind: type[Tunnel], scratch: Path, seconds: float = 6.0) -> Recordings:
    """Play one carrier with all of IPv4 inside it, then one leak after the other."""
    with ExitStack() as stack:
        net = stack.enter_context(network(scratch))
        tls = certificate(net.internet, scratch)
        stack.callback(coturn(net, scratch, None).stop)
        stack.callback(resolver(net.internet, RESOLVER, scratch).stop)
        web = net.internet.python("traffic", "serve")
        stack.callback(web.stop)
        web.wait_for("ready")
        tunnel = kind(net, scratch, tls)  # type: ignore[call-arg]  # every carrier takes one
        stack.callback(tunnel.stop)
        early = _recorder(net, scratch / "early")
        early.add("eth0")
        time.sleep(0.5)
        tunnel.up()
        early.add(tunnel.device)
        tunnel.route_all()
        use = net.client.python("traffic", "use", str(seconds + 30))
        stack.callback(use.stop)
        time.sleep(2)
        late = _recorder(net, scratch / "late")
        late.add("eth0")
        late.add(tunnel.device)
        time.sleep(seconds)
        clean_until = time.time_ns()
        leaks = {}
        for leak in LEAKS:
            time.sleep(0.5)
            start = time.time_ns()
            net.client.run(sys.executable, "-m", "captures.lab.traffic", leak)
            time.sleep(0.3)  # The last packets of a connection come behind its program's end.
            leaks[leak] = (start, time.time_ns())
        use.stop()
        for recorder, name in ((early, "early"), (late, "late")):
            recorder.merge(scratch / f"{name}.pcapng")
    return Recordings(
        tunnel.device, kind.endpoint, scratch / "early.pcapng", scratch / "late.pcapng",
        clean_until, leaks,
    )  # fmt: skip


def _recorder(net: Network, folder: Path) -> Recorder:
    folder.mkdir()
    return Recorder(net.client, folder)
