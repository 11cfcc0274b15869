"""The stories of tunnels: what goes inside, and what beside them."""

from __future__ import annotations

import time

from .firefox import DRIVING_FILTER
from .network import (
    CLIENT,
    GATEWAY,
    LOCAL_NET_CLIENT,
    LOCAL_NET_ROUTER,
    STUN,
    VPN,
    WEB,
)
from .session import DUAL_STACK, NAMED_URL, PAGE_URL, Lab, gather
from .stories import with_microphone
from .tunnels import Tunnel

# The option's list: network, router, network, router, ... (RFC 3442).
_TAKE_ROUTES = """#!/bin/sh
[ "$1" = bound ] || exit 0
set -- $staticroutes
while [ $# -ge 2 ]; do
  [ "$1" = 0.0.0.0/0 ] || ip route replace "$1" via "$2" dev "$interface"
  shift 2
done
"""
_TAKE_ADDRESS = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip -4 addr flush dev "$interface"
ip addr add "$ip/$mask" dev "$interface"
ip route replace default via "$router"
"""
# The browser repeats its request to the STUN server every ten seconds.
_KEEPALIVE_S = 11


def microphone_tunnel(lab: Lab) -> None:
    """A full tunnel, and the microphone granted."""
    lab.start()
    enter(lab, lab.wireguard())
    gather(with_microphone(lab))


def microphone_source_route(lab: Lab) -> None:
    """The same on a host that routes by source address."""
    lab.start()
    enter(lab, lab.wireguard())
    # What Windows and macOS do by themselves: a packet leaves by the interface of its source.
    lab.net.client.links(
        f"route add default via {GATEWAY} table 50", f"rule add from {CLIENT} table 50"
    )
    gather(with_microphone(lab))


def enter(lab: Lab, tunnel: Tunnel, *destinations: str) -> None:
    """Record, bring the tunnel up and route these destinations into it, by default all."""
    if not lab.recording:
        lab.record("eth0")
    tunnel.up()
    lab.record(tunnel.device)
    if destinations:
        tunnel.route(*destinations)
    else:
        tunnel.route_all()


def full_tunnel(lab: Lab) -> None:
    """All of IPv4 and DNS through WireGuard."""
    lab.start()
    enter(lab, lab.wireguard())
    lab.use_tunnel_resolver()
    gather(lab.open(url=NAMED_URL))


def dns_beside_tunnel(lab: Lab) -> None:
    """All of IPv4 through WireGuard, DNS asked of the LAN's router."""
    lab.start()
    enter(lab, lab.wireguard())
    gather(lab.open(url=NAMED_URL))


def native_ipv6(lab: Lab, url: str = PAGE_URL) -> None:
    """All of IPv4 through WireGuard, IPv6 beside it."""
    lab.start()
    enter(lab, lab.wireguard())
    gather(lab.open(url=url), "a", DUAL_STACK)


def split_tunnel(lab: Lab) -> None:
    """Only the page through WireGuard."""
    lab.start()
    enter(lab, lab.wireguard(), f"{WEB}/32")
    gather(lab.open())


def split_tunnel_any(lab: Lab) -> None:
    """The same, recorded on Linux's `any`."""
    lab.start()
    tunnel = lab.wireguard()
    tunnel.up()
    lab.record("any", options=("-y", "LINUX_SLL2", "-f", DRIVING_FILTER))
    tunnel.route(f"{WEB}/32")
    gather(lab.open())


def tunnel_drop(lab: Lab, *, restore: bool = False) -> None:
    """The tunnel vanishes between two gatherings; with ``restore`` it comes back first."""
    lab.start()
    _drop_between(lab, lab.wireguard(), restore=restore)


def _drop_between(lab: Lab, tunnel: Tunnel, *, restore: bool = False) -> None:
    enter(lab, tunnel)
    page = lab.open()
    gather(page, "a")
    # A recorder loses what it has not yet written when its interface vanishes.
    time.sleep(2)
    tunnel.drop()
    time.sleep(_KEEPALIVE_S)
    if restore:
        enter(lab, tunnel)
    gather(page, "c")


def kill_switch(lab: Lab) -> None:
    """The tunnel vanishes, and a firewall holds back what would go beside it."""
    lab.start()
    tunnel = lab.wireguard()
    lab.net.client.run("nft", "add table inet lab")
    lab.net.client.run(
        "nft", "add chain inet lab out { type filter hook output priority 0; policy drop; }"
    )
    for allowed in (
        "oifname { lo, wg0 }",
        f"ip daddr {{ {VPN}, 192.168.50.0/24, 224.0.0.0/4 }}",
        "ip6 daddr { fe80::/10, ff00::/8 }",
    ):
        lab.net.client.run("nft", f"add rule inet lab out {allowed} accept")
    _drop_between(lab, tunnel)


def openvpn(lab: Lab) -> None:
    """All of IPv4 and DNS through OpenVPN."""
    lab.start()
    enter(lab, lab.openvpn())
    lab.use_tunnel_resolver()
    gather(lab.open(url=NAMED_URL))


def dhcp_route(lab: Lab) -> None:
    """A full tunnel, and a lease that routes the STUN server's network past it."""
    lab.start()
    lab.dhcp(CLIENT, "121,198.51.100.8/29,192.168.50.1,0.0.0.0/0,192.168.50.1")
    enter(lab, lab.wireguard())
    lab.renew_lease(_TAKE_ROUTES)
    gather(lab.open())


def local_net(lab: Lab) -> None:
    """A full tunnel, on a LAN whose range is the STUN server's network."""
    lab.start()
    router = lab.net.router
    router.links(f"addr add {LOCAL_NET_ROUTER}/29 dev lan0", f"route add {STUN} via 203.0.113.1")
    # The router answers for the server's address and passes on what is sent to it.
    router.sysctl("net.ipv4.conf.lan0.proxy_arp=1")
    lab.dhcp(LOCAL_NET_CLIENT, f"3,{LOCAL_NET_ROUTER}")
    lab.record("eth0")
    lab.renew_lease(_TAKE_ADDRESS)
    enter(lab, lab.wireguard())
    gather(lab.open())


def network_recording(lab: Lab) -> None:
    """The router's LAN is recorded: one host in a full tunnel, and one without any."""
    lab.record_at(lab.net.router)
    lab.start()
    lab.record("lan0")
    tunnel = lab.wireguard()
    tunnel.up()
    tunnel.route_all()
    lab.use_tunnel_resolver()
    gather(lab.open(url=NAMED_URL))
    gather(lab.open(host=lab.net.neighbour))


def nat_probe(lab: Lab) -> None:
    """Not a browser: coturn's STUN client, which asks for answers from elsewhere too."""
    lab.start()
    enter(lab, lab.wireguard(), f"{WEB}/32")
    lab.net.client.run("busybox", "ping", "-c", "2", WEB)
    with lab.net.client.start("turnutils_stunclient", "-p", "3478", STUN) as probe:
        probe.wait_for("UDP reflexive addr")
        time.sleep(1)
