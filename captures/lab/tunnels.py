"""Tunnels between the client and the VPN server, whose end gives traffic its own address."""

from __future__ import annotations

import json
from pathlib import Path

from .network import VPN, Host, Network, masquerade
from .processes import LabError, Process
from .servers import Certificate

TUNNEL, TUNNEL_GATEWAY = "10.66.0.2", "10.66.0.1"
WIREGUARD_PORT, OPENVPN_PORT = 51820, 1194

# The control socket of wireguard-go lies in a folder of the whole machine: a private mount lets
# two labs, and the two ends of one tunnel, use the same name.
START_WIREGUARD = """
mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard
wireguard-go -f wg0 & child=$!
trap 'kill $child' TERM
until [ -S /run/wireguard/wg0.sock ]; do sleep 0.02; done
wg setconf wg0 "$1" && echo configured
wait $child; wait $child
"""


class Tunnel:
    """What both kinds have in common; a subclass starts the two ends."""

    device: str
    endpoint: str
    """What `--vpn-endpoint` is to name."""

    def __init__(self, net: Network, scratch: Path) -> None:
        self._net = net
        self._scratch = scratch
        self._client: Process | None = None
        self._server = self._start_server()
        masquerade(net.vpn, "eth0")

    def _start_server(self) -> Process:
        raise NotImplementedError

    def _start_client(self) -> Process:
        raise NotImplementedError

    def up(self) -> None:
        """Bring the client's end up, without routes."""
        # The tunnel's own packets must not be routed into it.
        default = json.loads(self._net.client.run("ip", "-j", "route", "show", "default"))
        self._carrier = f"{VPN} via {default[0]['gateway']}"
        self._net.client.links(f"route add {self._carrier}")
        self._client = self._start_client()

    def route(self, *destinations: str) -> None:
        """Send these destinations through the tunnel."""
        self._net.client.links(*(f"route replace {one} dev {self.device}" for one in destinations))

    def route_all(self) -> None:
        """Send all of IPv4 through the tunnel, as wg-quick and its like do."""
        self.route("0.0.0.0/1", "128.0.0.0/1")

    def drop(self) -> None:
        """Delete the client's device: its routes go with it."""
        if self._client is None:
            raise LabError("the tunnel is not up")
        self._net.client.links(f"link del {self.device}", f"route del {self._carrier}")
        self._client.stop()
        self._client = None

    def stop(self) -> None:
        """End both ends."""
        for process in (self._client, self._server):
            if process is not None:
                process.stop()


class WireGuard(Tunnel):
    """A WireGuard tunnel by wireguard-go."""

    device = "wg0"
    endpoint = f"{VPN}:{WIREGUARD_PORT}"
    peer = endpoint
    """Where the client sends its datagrams."""

    def _start_server(self) -> Process:
        net = self._net
        self._keys = {host.name: _key_pair(host) for host in (net.vpn, net.client)}
        process = self._end(
            net.vpn,
            f"ListenPort = {WIREGUARD_PORT}",
            net.client,
            f"AllowedIPs = {TUNNEL}/32",
        )
        net.vpn.links(f"addr add {TUNNEL_GATEWAY}/24 dev wg0", "link set wg0 up")
        return process

    def _start_client(self) -> Process:
        process = self._end(
            self._net.client,
            "",
            self._net.vpn,
            f"AllowedIPs = 0.0.0.0/0\nEndpoint = {self.peer}\nPersistentKeepalive = 5",
        )
        self._net.client.links(f"addr add {TUNNEL}/24 dev wg0", "link set wg0 mtu 1420 up")
        return process

    def _end(self, host: Host, own: str, other: Host, peer: str) -> Process:
        private, public = self._keys[host.name][0], self._keys[other.name][1]
        configuration = self._scratch / f"wireguard-{host.name}.conf"
        configuration.write_text(
            f"[Interface]\nPrivateKey = {private}\n{own}\n[Peer]\nPublicKey = {public}\n{peer}\n"
        )
        process = host.start("sh", "-c", START_WIREGUARD, "wireguard", str(configuration))
        process.wait_for("configured")
        return process


class OpenVpn(Tunnel):
    """An OpenVPN tunnel over UDP, each end knowing the other by its certificate."""

    device = "tun0"
    endpoint = f"{VPN}:{OPENVPN_PORT}"
    port = OPENVPN_PORT
    protocols = ("udp4", "udp4")
    """At the server's end, and at the client's."""

    def __init__(self, net: Network, scratch: Path, tls: Certificate) -> None:
        self._tls = tls
        super().__init__(net, scratch)

    def _start_server(self) -> Process:
        return self._end(
            self._net.vpn, "--tls-server", "--dh", "none", "--local", VPN,
            "--port", str(self.port), "--ifconfig", TUNNEL_GATEWAY, TUNNEL,
        )  # fmt: skip

    def _start_client(self) -> Process:
        process = self._end(
            self._net.client, "--tls-client", "--remote", VPN, str(self.port), "--nobind",
            "--ifconfig", TUNNEL, TUNNEL_GATEWAY,
        )  # fmt: skip
        process.wait_for("Initialization Sequence Completed")
        return process

    def _end(self, host: Host, *options: str) -> Process:
        protocol = self.protocols[host is self._net.client]
        return host.start(
            "openvpn", "--dev", self.device, "--dev-type", "tun", "--proto", protocol,
            "--cert", str(self._tls.certificate), "--key", str(self._tls.key),
            "--peer-fingerprint", self._tls.fingerprint(host), "--ping", "5", *options,
        )  # fmt: skip


def _key_pair(host: Host) -> tuple[str, str]:
    private = host.run("wg", "genkey").strip()
    return private, host.run("wg", "pubkey", stdin=private).strip()
