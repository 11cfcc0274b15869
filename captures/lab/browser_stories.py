"""Stories of what browsers are told and where they stand: reloads, profiles, policies,
preferences, NATs and uplinks. In most a VPN was expected and never came up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Any

from . import stories
from .network import (
    CLIENT,
    CLIENT6,
    FRAME,
    GATEWAY6,
    SECOND_CLIENT,
    SHARED_CLIENT,
    STUN,
    WEB,
    masquerade,
)
from .session import DUAL_STACK, STUN_ONLY, Lab, begin, call, connect, gather, ice, must_connect

TWO_SERVERS = ice(f"stun:{STUN}:3478", f"stun:{FRAME}:3478")
TWO_RELAYS = ice(stories.TURN_UDP, f"turn:{FRAME}:3478?transport=udp")
NAMED_SERVERS = ice("stun:stun.example:3478", "stun:stun2.example:3478", f"stun:{STUN}:3479")
MAPPED_WEB = str(IPv6Address("2001:db8:64::") + int(IPv4Address(WEB)))
MAPPED_STUN = str(IPv6Address("2001:db8:64::") + int(IPv4Address(STUN)))
_POOL, _NAT64 = "192.168.255.0/24", "nat64"


def told(
    lab: Lab,
    configuration: dict[str, Any] = STUN_ONLY,
    *,
    flags: tuple[str, ...] = (),
    preferences: Mapping[str, bool] = MappingProxyType({}),
    **policy: object,
) -> None:
    """The leak page in a browser that is told something: a policy, flags or preferences."""
    if policy:
        lab.net.client.use_chromium_policy(**policy)
    lab.start()
    lab.record("eth0")
    gather(lab.open(flags=flags, preferences=preferences), "a", configuration)


def unicast_only(lab: Lab) -> None:
    """The leak page, the recorder told to leave multicast out."""
    lab.start()
    lab.record("eth0", options=("-f", "not multicast"))
    gather(lab.open(), "a", DUAL_STACK)


def reloads(lab: Lab, seconds: float, times: int) -> None:
    """A page that gathers and is loaded again so many seconds later."""
    lab.start()
    lab.record("eth0")
    page = lab.open()
    due = time.monotonic()
    for _ in range(times):
        gather(page)
        due += seconds
        time.sleep(max(0.0, due - time.monotonic()))
        lab.reload(page)
    gather(page)


def two_profiles(lab: Lab, apart_s: float) -> None:
    """Two profiles of one browser gather, the second a little later."""
    lab.start()
    lab.record("eth0")
    one, other = lab.open(), lab.open()
    begin(one, "gather", "a", STUN_ONLY)
    time.sleep(apart_s)
    begin(other, "gather", "a", STUN_ONLY)


def two_browsers(lab: Lab, apart_s: float) -> None:
    """Two browsers gather on one host, the second a little later."""
    lab.start()
    lab.record("eth0")
    one, other = lab.open(), lab.open(browser="firefox")
    begin(one, "gather", "a", STUN_ONLY)
    time.sleep(apart_s)
    begin(other, "gather", "a", STUN_ONLY)


def mid_call(lab: Lab) -> None:
    """A call to a peer on the internet, recorded from its middle."""
    lab.start()
    here = lab.open()
    connect(here, lab.open(host=lab.net.peer, browser="chromium"))
    time.sleep(6)
    lab.record("eth0")


def cut(lab: Lab, length: int) -> None:
    """A call, of whose packets the recorder kept the beginning."""
    lab.start()
    lab.record("eth0", options=("-s", str(length)))
    here = lab.open()
    connect(here, lab.open(host=lab.net.peer, browser="chromium"))


def both_sides(lab: Lab) -> None:
    """A call, recorded on both sides of the router's NAT."""
    lab.start()
    lab.record_at(lab.net.router)
    lab.record("lan0", "wan0")
    here = lab.open()
    connect(here, lab.open(host=lab.net.peer, browser="chromium"))


def symmetric_nat(lab: Lab) -> None:
    """A NAT that gives each conversation a port of its own, and two servers."""
    masquerade(lab.net.router, "wan0", "fully-random")
    told(lab, TWO_SERVERS)


def shared_address(lab: Lab) -> None:
    """A client with an address of a carrier's NAT (RFC 6598)."""
    lab.net.router.links("addr add 100.64.50.1/24 dev lan0")
    lab.net.client.links(
        f"addr del {CLIENT}/24 dev eth0",
        f"addr add {SHARED_CLIENT}/24 dev eth0",
        "route add default via 100.64.50.1",
    )
    told(lab)


def nat64(lab: Lab) -> None:
    """A client without IPv4 behind a NAT64 (RFC 6146)."""
    router = lab.net.router
    settings = lab.scratch / "tayga.conf"
    settings.write_text(
        f"tun-device {_NAT64}\nipv4-addr 192.168.255.1\nipv6-addr 2001:db8:50::64\n"
        f"prefix 2001:db8:64::/96\n"
        f"dynamic-pool {_POOL}\ndata-dir {lab.scratch}\n"
    )
    router.run("tayga", "--mktun", "-c", str(settings))
    router.links(
        f"link set {_NAT64} up",
        f"route add {_POOL} dev {_NAT64}",
        f"route add 2001:db8:64::/96 dev {_NAT64}",
    )
    lab.enter(router.start("tayga", "--nodetach", "-c", str(settings)))
    lab.net.client.links(
        "addr flush dev eth0 scope global",
        f"addr add {CLIENT6}/64 dev eth0 nodad",
        f"route replace default via {GATEWAY6}",
    )
    lab.start()
    lab.record("eth0")
    gather(lab.open(url=f"http://[{MAPPED_WEB}]/"), "a", ice(f"stun:[{MAPPED_STUN}]:3478"))


def two_uplinks(lab: Lab) -> None:
    """Two networks to one router: what leaves by the first is answered by the second."""
    lab.net.client.links(
        "link add eth1 address 02:00:5e:00:3c:42 type veth peer name second netns "
        f"{lab.net.router.namespace}",
        f"addr add {SECOND_CLIENT}/24 dev eth1",
        "link set eth1 up",
    )
    lab.net.router.links("addr add 192.168.60.1/24 dev second", "link set second up")
    lab.start()
    lab.record("eth0", "eth1")
    page = stories.with_microphone(lab)
    gather(page)


def restart(lab: Lab) -> None:
    """A call to a peer on the internet, and an ICE restart in its middle."""
    lab.start()
    lab.record("eth0")
    here = lab.open()
    there = lab.open(host=lab.net.peer, browser="chromium")
    connect(here, there)
    time.sleep(2)
    call(here, "accept", "a", call(there, "follow", "b", call(here, "restart", "a")))
    must_connect(call(here, "connected", "a"))
