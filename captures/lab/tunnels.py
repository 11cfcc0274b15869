"""Tunnels between the client and the VPN server."""

from __future__ import annotations

from pathlib import Path

from .network import GATEWAY, VPN, Host, Network, masquerade
from .processes import LabError, Process, wait_until

TUNNEL, TUNNEL_GATEWAY = "10.66.0.2", "10.66.0.1"
WIREGUARD_PORT = 51820

# The control socket of wireguard-go lies in a folder of the whole machine: a private mount lets
# two labs, and the two ends of one tunnel, use the same name.
_START = (
    "mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard && "
    "wireguard-go -f {device} & child=$!; "
    "trap 'kill $child' TERM; "
    "until [ -S /run/wireguard/{device}.sock ]; do sleep 0.02; done; "
    "wg setconf {device} {configuration} && echo configured; wait $child; wait $child"
)


class WireGuard:
    """A WireGuard tunnel by wireguard-go; the server's end gives traffic its own address."""

    def __init__(self, net: Network, scratch: Path) -> None:
        self._net = net
        self._scratch = scratch
        self._keys = {host.name: _key_pair(host) for host in (net.vpn, net.client)}
        self._server = self._end(
            net.vpn,
            f"ListenPort = {WIREGUARD_PORT}",
            net.client,
            f"AllowedIPs = {TUNNEL}/32",
        )
        net.vpn.links(f"addr add {TUNNEL_GATEWAY}/24 dev wg0", "link set wg0 up")
        masquerade(net.vpn, "eth0")
        self._client: Process | None = None

    def up(self) -> None:
        """Bring the client's end up, without routes."""
        self._client = self._end(
            self._net.client,
            "",
            self._net.vpn,
            f"AllowedIPs = 0.0.0.0/0\nEndpoint = {VPN}:{WIREGUARD_PORT}\nPersistentKeepalive = 5",
        )
        self._net.client.links(
            f"addr add {TUNNEL}/24 dev wg0",
            "link set wg0 mtu 1420 up",
            f"route add {VPN} via {GATEWAY}",
        )

    def route(self, *destinations: str) -> None:
        """Send these destinations through the tunnel."""
        self._net.client.links(*(f"route replace {one} dev wg0" for one in destinations))

    def route_all(self) -> None:
        """Send all of IPv4 through the tunnel, as wg-quick and its like do."""
        self.route("0.0.0.0/1", "128.0.0.0/1")

    def drop(self) -> None:
        """Delete the client's device: its routes go with it."""
        if self._client is None:
            raise LabError("the tunnel is not up")
        self._net.client.links("link del wg0", f"route del {VPN} via {GATEWAY}")
        self._client.stop()
        self._client = None

    def stop(self) -> None:
        """End both ends."""
        for process in (self._client, self._server):
            if process is not None:
                process.stop()

    def _end(self, host: Host, own: str, other: Host, peer: str) -> Process:
        private = self._keys[host.name][0]
        public = self._keys[other.name][1]
        configuration = self._scratch / f"wireguard-{host.name}.conf"
        configuration.write_text(
            f"[Interface]\nPrivateKey = {private}\n{own}\n[Peer]\nPublicKey = {public}\n{peer}\n"
        )
        process = host.start(
            "sh", "-c", _START.format(device="wg0", configuration=configuration)
        )
        process.wait_for("configured")
        return process


def _key_pair(host: Host) -> tuple[str, str]:
    private = host.run("wg", "genkey").strip()
    return private, host.run("wg", "pubkey", stdin=private).strip()


__all__ = ["TUNNEL", "TUNNEL_GATEWAY", "WIREGUARD_PORT", "WireGuard", "wait_until"]
