"""The stories the scenarios tell, each a few lines on a fresh `Lab`."""

from __future__ import annotations

import time

from .firefox import DRIVING_FILTER
from .network import (
    CLIENT,
    FRAME,
    GATEWAY,
    LOCAL_NET_CLIENT,
    LOCAL_NET_ROUTER,
    STUN,
    VPN,
    WEB,
    Host,
)
from .session import (
    DUAL_STACK,
    NAMED_URL,
    PAGE_URL,
    STUN_ONLY,
    Lab,
    Page,
    call,
    connect,
    gather,
    ice,
    must_connect,
)
from .tunnels import Tunnel

TURN_UDP = f"turn:{STUN}:3478?transport=udp"
TURN_TCP = f"turn:{STUN}:3478?transport=tcp"
TURN_TLS = f"turns:{STUN}:5349?transport=tcp"

_MICROPHONE_FLAGS = (
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    f"--unsafely-treat-insecure-origin-as-secure=http://{WEB}",
)
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


def direct(lab: Lab) -> None:
    """Neither proxy nor tunnel."""
    lab.start()
    lab.record("eth0")
    gather(lab.open())


def socks(lab: Lab) -> None:
    """A SOCKS5 proxy in the browser."""
    lab.start()
    proxy = lab.socks()
    lab.record("eth0")
    gather(lab.open(proxy=proxy))


def http_proxy(lab: Lab) -> None:
    """An HTTP proxy in the browser."""
    lab.start()
    proxy = lab.http_proxy()
    lab.record("eth0")
    gather(lab.open(proxy=proxy))


def stun_by_name(lab: Lab) -> None:
    """A SOCKS5 proxy, and names for the page and the STUN server."""
    lab.start()
    proxy = lab.socks()
    lab.record("eth0")
    gather(lab.open(proxy=proxy, url=NAMED_URL), "a", ice("stun:stun.example:3478"))


def mode_3(lab: Lab) -> None:
    """SOCKS5, and host candidates forbidden by managed policy."""
    lab.net.client.use_chromium_policy(WebRtcIPHandling="default_public_interface_only")
    socks(lab)


def mode_4(lab: Lab) -> None:
    """SOCKS5, UDP outside the proxy forbidden by managed policy, TURN over TCP."""
    lab.net.client.use_chromium_policy(WebRtcIPHandling="disable_non_proxied_udp")
    turn(lab, TURN_TCP)


def turn(
    lab: Lab,
    url: str,
    *,
    relay_only: bool = False,
    tls: bool = False,
    direct: bool = False,
) -> None:
    """A TURN server at ``url``, behind SOCKS5 unless ``direct``."""
    lab.start(tls=tls)
    proxy = None if direct else lab.socks()
    lab.record("eth0")
    page = lab.open(proxy=proxy, flags=lab.trust())
    gather(page, "a", ice(url, relay_only=relay_only))


def microphone(lab: Lab) -> None:
    """SOCKS5, and the microphone granted."""
    lab.start()
    proxy = lab.socks()
    lab.record("eth0")
    gather(_with_microphone(lab, proxy), "a", DUAL_STACK)


def microphone_tunnel(lab: Lab) -> None:
    """A full tunnel, and the microphone granted."""
    lab.start()
    _enter(lab, lab.wireguard())
    gather(_with_microphone(lab))


def microphone_source_route(lab: Lab) -> None:
    """The same on a host that routes by source address."""
    lab.start()
    _enter(lab, lab.wireguard())
    # What Windows and macOS do by themselves: a packet leaves by the interface of its source.
    lab.net.client.links(
        f"route add default via {GATEWAY} table 50", f"rule add from {CLIENT} table 50"
    )
    gather(_with_microphone(lab))


def _with_microphone(lab: Lab, proxy: str | None = None, host: Host | None = None) -> Page:
    page = lab.open(proxy=proxy, flags=_MICROPHONE_FLAGS, host=host)
    call(page, "media", {"audio": True})
    return page


def loop(lab: Lab) -> None:
    """Two connections of one page, behind a proxy, the loopback recorded too."""
    lab.start()
    proxy = _passed_proxy(lab)
    lab.record("eth0")
    lab.record("lo", options=("-f", DRIVING_FILTER))
    must_connect(call(lab.open(proxy=proxy), "loop", STUN_ONLY))


def _passed_proxy(lab: Lab) -> str:
    """A proxy that the browser's WebRTC goes past: Firefox stays behind SOCKS5."""
    return lab.http_proxy() if lab.browser == "firefox" else lab.socks()


def frame(lab: Lab) -> None:
    """The page in a frame of another origin, behind SOCKS5."""
    lab.start()
    proxy = lab.socks()
    lab.record("eth0")
    page = lab.open(proxy=proxy)
    call(page, "enter", f"http://{FRAME}/")
    gather(page)


def lan_pair(lab: Lab) -> None:
    """Two hosts of the LAN that resolve each other's names."""
    lab.start()
    lab.record("eth0")
    here = lab.open()
    there = lab.open(host=lab.net.neighbour, browser="chromium")
    connect(here, there)


def video_call(lab: Lab) -> None:
    """A camera granted, and a second of video to a peer on the internet, past SOCKS5."""
    lab.start()
    proxy = lab.socks()
    lab.record("eth0")
    here = lab.open(proxy=proxy, flags=_MICROPHONE_FLAGS)
    there = lab.open(host=lab.net.peer, browser="chromium")
    call(here, "media", {"video": {"width": 64, "height": 48, "frameRate": 5}})
    here.run("window.sending = true")
    connect(here, there)
    time.sleep(1)
    here.run("stream.getTracks().forEach(track => track.stop())")


def data_channel(lab: Lab) -> None:
    """A DataChannel to a peer on the internet, past the proxy."""
    lab.start()
    proxy = _passed_proxy(lab)
    lab.record("eth0")
    here = lab.open(proxy=proxy)
    connect(here, lab.open(host=lab.net.peer, browser="chromium"))


def turn_call(lab: Lab) -> None:
    """A DataChannel through a relay to a peer that shows its private address."""
    lab.start()
    proxy = lab.socks()
    lab.record("eth0")
    here = lab.open(proxy=proxy)
    there = _with_microphone(lab, host=lab.net.neighbour)
    connect(here, there, ice(TURN_UDP, relay_only=True), STUN_ONLY)


def signalling(lab: Lab, *, tls: bool) -> None:
    """The loop, with everything said over a WebSocket too."""
    if tls:
        lab.key_log = lab.scratch / "keys.log"
    lab.start(tls=tls)
    proxy = lab.socks()
    lab.record("eth0")
    lab.record("lo", options=("-f", DRIVING_FILTER))
    page = lab.open(proxy=proxy, flags=lab.trust())
    url = f"{'wss' if tls else 'ws'}://{WEB}/signal"
    must_connect(call(page, "signal", url, STUN_ONLY))


def _enter(lab: Lab, tunnel: Tunnel, *destinations: str) -> None:
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
    _enter(lab, lab.wireguard())
    lab.use_tunnel_resolver()
    gather(lab.open(url=NAMED_URL))


def dns_beside_tunnel(lab: Lab) -> None:
    """All of IPv4 through WireGuard, DNS asked of the LAN's router."""
    lab.start()
    _enter(lab, lab.wireguard())
    gather(lab.open(url=NAMED_URL))


def native_ipv6(lab: Lab, url: str = PAGE_URL) -> None:
    """All of IPv4 through WireGuard, IPv6 beside it."""
    lab.start()
    _enter(lab, lab.wireguard())
    gather(lab.open(url=url), "a", DUAL_STACK)


def split_tunnel(lab: Lab) -> None:
    """Only the page through WireGuard."""
    lab.start()
    _enter(lab, lab.wireguard(), f"{WEB}/32")
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
    _enter(lab, tunnel)
    page = lab.open()
    gather(page, "a")
    # A recorder loses what it has not yet written when its interface vanishes.
    time.sleep(2)
    tunnel.drop()
    time.sleep(_KEEPALIVE_S)
    if restore:
        _enter(lab, tunnel)
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
    _enter(lab, lab.openvpn())
    lab.use_tunnel_resolver()
    gather(lab.open(url=NAMED_URL))


def dhcp_route(lab: Lab) -> None:
    """A full tunnel, and a lease that routes the STUN server's network past it."""
    lab.start()
    lab.dhcp(CLIENT, "121,198.51.100.8/29,192.168.50.1,0.0.0.0/0,192.168.50.1")
    _enter(lab, lab.wireguard())
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
    _enter(lab, lab.wireguard())
    gather(lab.open())


def quic(lab: Lab) -> None:
    """SOCKS5, and HTTP/3 to a host on the bypass list."""
    lab.start(tls=True)
    lab.quic()
    proxy = lab.socks()
    lab.record("eth0")
    page = lab.open(
        proxy=proxy,
        flags=(
            f"--proxy-bypass-list={FRAME}",
            f"--origin-to-force-quic-on={FRAME}:443",
            *lab.trust(),
        ),
    )
    page.run(f"fetch('https://{FRAME}/', {{mode: 'no-cors'}}).then(() => true)")


def mapped(lab: Lab) -> None:
    """SOCKS5, and a check answered with an IPv4-mapped address."""
    lab.start()
    proxy = lab.socks()
    lab.record("eth0")
    lab.open(proxy=proxy)
    with lab.net.peer.python("v4mapped", "answer") as peer:
        peer.wait_for("ready")
        with lab.net.client.python("v4mapped", "check") as check:
            check.wait_for("mapped ::ffff:")


def cut(lab: Lab) -> None:
    """The SOCKS5 story, each packet cut."""
    # Long enough for a STUN answer's first attribute, too short for a whole announcement.
    lab.editing = ("-s", "80")
    socks(lab)
