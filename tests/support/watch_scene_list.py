"""The scenes a watch is tried with."""

from __future__ import annotations

import time
from typing import Any

from live_support import VPN_SERVER
from netns import Host
from watch_scenes import (
    INNER_VPN,
    LEAKED_TO,
    LEAKED_TO_6,
    OTHER_VPN,
    ROUTER,
    USE_SOCKS,
    VPN,
    WEB,
    Scene,
    WireGuard,
    World,
)

from captures.lab.proxies import ssh_commands

KILL_SWITCH = """
table inet kill {
  chain out {
    type filter hook output priority 0; policy drop;
    oifname { "lo", "wg0" } accept
    ip daddr 198.51.100.40 udp dport 51820 accept
    ip daddr 192.168.50.1 udp dport 53 accept
  }
}
"""


def tunnel(world: World) -> WireGuard:
    """An ordinary tunnel, up."""
    one = world.wireguard()
    one.up()
    return one


def nothing(world: World, prepared: Any) -> None:
    """Nothing changes."""
    time.sleep(0.5)


def by_eth0(world: World, prepared: Any) -> None:
    """A program that is bound to eth0."""
    world.leak()


def _tunnel_and_ipv6(world: World) -> WireGuard:
    world.ipv6()
    return tunnel(world)


def _advertised(world: World, prepared: Any) -> None:
    """A router advertises itself and a prefix: the machine has a global address then."""
    world.server.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    world.server.run("ip", "addr", "add", "2001:db8:50::1/64", "dev", "eth0", "nodad")
    world.server.start(
        "dnsmasq", "-k", "-p", "0", "--conf-file=/dev/null", "--pid-file=", "--interface=eth0",
        "--bind-interfaces", "--enable-ra", "--dhcp-range=2001:db8:50::,ra-only,64,600",
        "--ra-param=eth0,4,600", "--dhcp-leasefile=/dev/null",
    )  # fmt: skip
    _await_address(world, "2001:db8:50:")


def _await_address(world: World, start: str) -> None:
    end = time.monotonic() + 10
    while f" {start}" not in world.client.run("ip", "-br", "addr", "show", "eth0"):
        assert time.monotonic() < end, f"no address {start}"
        time.sleep(0.1)
    time.sleep(0.5)


def _over_ipv6(world: World, prepared: Any) -> None:
    world.leak("eth0", LEAKED_TO_6)


def _new_prefix_before(world: World) -> WireGuard:
    one = _tunnel_and_ipv6(world)
    world.server.run("ip", "addr", "add", "2001:db8:50::1/64", "dev", "eth0", "nodad")
    world.server.run("ip", "addr", "add", "2001:db8:51::1/64", "dev", "eth0", "nodad")
    world.ip("addr add 2001:db8:50::42/64 dev eth0 nodad")
    world.ip("route add default via 2001:db8:50::1 dev eth0")
    return one


def _new_prefix(world: World, prepared: Any) -> None:
    """The provider gives another prefix of 64 bits."""
    world.ip("addr add 2001:db8:51::42/64 dev eth0 nodad")
    world.ip("addr del 2001:db8:50::42/64 dev eth0")
    world.ip("route replace default via 2001:db8:51::1 dev eth0")
    time.sleep(0.5)


def _renumbered(world: World, prepared: Any) -> None:
    """The network gives its hosts other addresses."""
    world.server.run("ip", "addr", "add", "192.168.77.1/24", "dev", "eth0")
    world.ip("addr add 192.168.77.5/24 dev eth0")
    world.ip("addr del 192.168.50.42/24 dev eth0")
    world.ip("route replace default via 192.168.77.1")
    world.ip(f"route replace {VPN} via 192.168.77.1")
    time.sleep(0.8)


def _second_address(world: World, prepared: Any) -> None:
    world.ip("addr add 192.168.50.99/24 dev eth0")
    time.sleep(0.3)


def _from_second(world: World, prepared: Any) -> None:
    world.leak(source="192.168.50.99")


UDHCPC = """#!/bin/sh
case "$1" in
  bound|renew)
    ip addr flush dev eth0 scope global
    ip addr add "$ip/24" dev eth0
    ip route add default via "$router"
    ip route replace 198.51.100.40 via "$router"
    ;;
esac
"""


def _roamed(world: World, prepared: Any) -> None:
    """The machine joins another network, which leases it an address."""
    # Without a route of its own the carrier would go into its own tunnel.
    world.ip("route add blackhole", VPN, "metric 5000")
    world.ip("link set eth0 down")
    world.server.run("ip", "addr", "flush", "dev", "eth0")
    world.server.run("ip", "addr", "add", "10.9.8.1/24", "dev", "eth0")
    world.server.start(
        "dnsmasq", "-k", "-p", "0", "--conf-file=/dev/null", "--pid-file=", "--interface=eth0",
        "--bind-interfaces", "--dhcp-range=10.9.8.50,10.9.8.60", "--dhcp-leasefile=/dev/null",
        "--dhcp-authoritative", "--no-ping",
    )  # fmt: skip
    script = world.folder / "udhcpc"
    script.write_text(UDHCPC)
    script.chmod(0o755)
    world.ip("link set eth0 up")
    time.sleep(0.3)
    world.client.run("udhcpc", "-i", "eth0", "-n", "-q", "-s", str(script))
    time.sleep(0.5)


def _two_servers(world: World) -> tuple[WireGuard, WireGuard]:
    one = tunnel(world)
    other = world.wireguard("wg0b", OTHER_VPN, "10.66.0.3", 51821)
    return one, other


def _switched(world: World, prepared: tuple[WireGuard, WireGuard]) -> None:
    """The same device, another server's key and endpoint."""
    one, other = prepared
    world.ip(f"route replace {OTHER_VPN} via {ROUTER}")
    key = world.folder / "other.key"
    key.write_text(other.keys[0])
    one.set("peer", one.peer, "remove")
    one.set("private-key", str(key), "peer", other.peer, "endpoint",
            f"{OTHER_VPN}:51821", "allowed-ips", "0.0.0.0/0")  # fmt: skip
    world.ip("addr add 10.66.0.3/32 dev wg0")
    world.ip("addr del 10.66.0.2/32 dev wg0")
    time.sleep(1)


def _kill_switched(world: World) -> WireGuard:
    one = tunnel(world)
    rules = world.folder / "kill.nft"
    rules.write_text(KILL_SWITCH)
    world.client.run("nft", "-f", str(rules))
    return one


def _reconnected(world: World, one: WireGuard) -> None:
    """The tunnel's device goes and comes; nothing gets out in between."""
    one.down()
    time.sleep(1)
    one.up()
    time.sleep(1)


def _switch_opened(world: World, one: WireGuard) -> None:
    world.ip("route add blackhole", WEB)
    world.client.run("nft", "flush", "ruleset")
    one.down()
    time.sleep(0.3)
    world.leak("")
    one.up()
    time.sleep(0.5)


def _other_device_before(world: World) -> tuple[WireGuard, WireGuard]:
    one = tunnel(world)
    return one, world.wireguard("wg9", OTHER_VPN, "10.66.9.2", 51829)


def _other_device(world: World, prepared: tuple[WireGuard, WireGuard]) -> None:
    """A client that makes a device for each server: the next one is up before the first goes."""
    one, other = prepared
    other.up(default=False)
    world.ip("route replace 0.0.0.0/1 dev wg9")
    world.ip("route replace 128.0.0.0/1 dev wg9")
    one.down()
    time.sleep(1.5)


def _gone_and_back(world: World, one: WireGuard) -> None:
    """The device is deleted and made again; programs rest meanwhile."""
    world.client.run("nft", "add", "table", "inet", "rest")
    world.client.run("nft", "add", "chain", "inet", "rest", "out",
                     "{ type filter hook output priority 0; policy drop; }")  # fmt: skip
    one.down()
    time.sleep(1)
    one.up()
    world.client.run("nft", "flush", "ruleset")
    time.sleep(1)


def _while_gone(world: World, one: WireGuard) -> None:
    world.ip("route add blackhole", WEB)
    one.down()
    time.sleep(0.3)
    world.leak("")
    one.up()
    time.sleep(0.5)


def _idle(world: World, prepared: Any) -> None:
    """Nothing is said for a while."""
    world.client.processes[-2].kill()
    time.sleep(4)


def _uplink(world: World, prepared: Any) -> None:
    """wlan0 appears and takes the default route of eth0; the tunnel goes on."""
    from netns import join

    join(world.client, "wlan0", "172.20.0.5/24", world.server, "wlan0", "172.20.0.1/24")
    world.ip("route replace default via 172.20.0.1 dev wlan0")
    world.ip(f"route replace {VPN} via 172.20.0.1 dev wlan0")
    time.sleep(0.8)


def _by_wlan0(world: World, prepared: Any) -> None:
    world.leak("wlan0")


def _bridged(world: World) -> WireGuard:
    world.ip("link add br0 type bridge")
    world.ip("addr flush dev eth0")
    world.ip("link set eth0 master br0")
    world.ip("addr add 192.168.50.42/24 dev br0")
    world.ip("link set br0 up")
    world.ip(f"route add default via {ROUTER}")
    return tunnel(world)


def _by_bridge(world: World, prepared: Any) -> None:
    world.leak("br0")


def _macvlan(world: World) -> WireGuard:
    world.ip("link add mv0 link eth0 type macvlan mode bridge")
    world.ip("addr flush dev eth0")
    world.ip("addr add 192.168.50.42/24 dev mv0")
    world.ip("link set mv0 up")
    world.ip(f"route add default via {ROUTER}")
    return tunnel(world)


def _by_macvlan(world: World, prepared: Any) -> None:
    world.leak("mv0")


def _multihop(world: World) -> WireGuard:
    outer = world.wireguard()
    outer.up(default=False)
    world.ip(f"route replace {INNER_VPN} dev wg0")
    inner = world.wireguard("wg1", INNER_VPN, "10.77.0.2", 51830, via="dev wg0")
    inner.up()
    return inner


def _program(world: World, look: str, *direct: str) -> None:
    """A VPN program on a tun device, whose carrier is shaped like something else."""
    client, server = world.client, world.server
    files = str(world.folder / "cert.pem"), str(world.folder / "key.pem")
    server.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=x",
               "-keyout", files[1], "-out", files[0])  # fmt: skip
    program = "-m", "captures.lab.userland", look
    far = server.python(*program, "serve", "tun0", f"{VPN}:443", *files)
    assert far.stdout is not None and far.stdout.readline() == "ready\n"
    near = client.python(*program, "connect", "tun0", f"{VPN}:443", *direct)
    assert near.stdout is not None and near.stdout.readline() == "ready\n"
    time.sleep(0.5)
    for host, address in ((server, "10.66.0.1/24"), (client, "10.66.0.2/24")):
        host.run("ip", "addr", "add", address, "dev", "tun0")
        host.run("ip", "link", "set", "tun0", "mtu", "1300", "up")
    world.ip(f"route replace {VPN_SERVER} via {ROUTER}")
    world.ip("route replace 0.0.0.0/1 dev tun0")
    world.ip("route replace 128.0.0.0/1 dev tun0")


def _quic_program(world: World) -> None:
    _program(world, "quic")


def _tls_program(world: World) -> None:
    _program(world, "tls")


def _tun_proxy(world: World) -> None:
    _program(world, "tls4", LEAKED_TO, "eth0")


def _to_what_is_direct(world: World, prepared: Any) -> None:
    """A rule of the program itself lets this address out."""
    world.leak("")


def _other_server(world: World, prepared: tuple[WireGuard, WireGuard]) -> None:
    """The peer's server moves to another port: nothing of it is seen before the next packets."""
    one, _ = prepared
    world.ip(f"route replace {OTHER_VPN} via {ROUTER}")
    one.set("peer", one.peer, "endpoint", f"{OTHER_VPN}:51820")
    time.sleep(1)


def _ssh(world: World) -> None:
    """`ssh -D`: a proxy on this host."""
    serve, connect = ssh_commands(world.folder, VPN, 1080)
    world.server.start(*serve)
    _await_listener(world.server, f"{VPN}:22")
    world.client.start(*connect)
    _await_listener(world.client, "127.0.0.1:1080")


def _await_listener(host: Host, socket: str) -> None:
    end = time.monotonic() + 10
    while socket not in host.run("ss", "-Hltn"):
        assert time.monotonic() < end, f"nobody listens on {socket}"
        time.sleep(0.1)


SCENES = [
    Scene("tunnel", tunnel, nothing, by_eth0),
    Scene("advertised", _tunnel_and_ipv6, _advertised, _over_ipv6),
    Scene("renumbered", tunnel, _renumbered, by_eth0),
    Scene("second-address", tunnel, _second_address, _from_second),
    Scene("new-prefix", _new_prefix_before, _new_prefix, _over_ipv6),
    Scene("roamed", tunnel, _roamed, by_eth0),
    Scene("server-switch", _two_servers, _switched, by_eth0),
    Scene("other-device", _other_device_before, _other_device, by_eth0),
    Scene("kill-switch", _kill_switched, _reconnected, _switch_opened),
    Scene("gone-and-back", tunnel, _gone_and_back, _while_gone),
    Scene("idle", tunnel, _idle, by_eth0),
    Scene("uplink", tunnel, _uplink, _by_wlan0),
    Scene("bridge", _bridged, nothing, _by_bridge),
    Scene("macvlan", _macvlan, nothing, _by_macvlan),
    Scene("multihop", _multihop, nothing, by_eth0),
    Scene("program-quic", _quic_program, nothing, by_eth0),
    Scene("program-tls", _tls_program, nothing, by_eth0),
    Scene("tun-proxy", _tun_proxy, nothing, _to_what_is_direct),
    Scene("other-server", _two_servers, _other_server, by_eth0),
    Scene("ssh", _ssh, nothing, by_eth0, ("--proxy", "socks5://127.0.0.1:1080"), USE_SOCKS),
]
