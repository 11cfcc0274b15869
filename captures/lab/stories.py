"""The stories the scenarios tell, each a few lines on a fresh `Lab`."""

from __future__ import annotations

import time

from .firefox import DRIVING_FILTER
from .network import CLIENT6, FRAME, GATEWAY6, STUN, STUN6, WEB, WEB6, Host
from .session import (
    DUAL_STACK,
    NAMED_URL,
    STUN_ONLY,
    Lab,
    Page,
    call,
    connect,
    gather,
    ice,
    must_connect,
)

TURN_UDP = f"turn:{STUN}:3478?transport=udp"
TURN_TCP = f"turn:{STUN}:3478?transport=tcp"
TURN_TLS = f"turns:{STUN}:5349?transport=tcp"

MICROPHONE_FLAGS = (
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    f"--unsafely-treat-insecure-origin-as-secure=http://{WEB}",
)
MICROPHONE_PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.devices.insecure.enabled": True,
    "media.getusermedia.insecure.enabled": True,
}


def direct(lab: Lab) -> None:
    """Neither proxy nor tunnel."""
    lab.start()
    lab.record("eth0")
    gather(lab.open())


def ipv6_only(lab: Lab) -> None:
    """Neither proxy nor tunnel, and no IPv4 on the client."""
    lab.start()
    lab.net.client.links("addr flush dev eth0 scope global")
    lab.net.client.links(
        f"addr add {CLIENT6}/64 dev eth0 nodad", f"route replace default via {GATEWAY6}"
    )
    lab.record("eth0")
    gather(lab.open(url=f"http://[{WEB6}]/"), "a", ice(f"stun:[{STUN6}]:3478"))


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
    proxy = None if direct else _passed_proxy(lab)
    lab.record("eth0")
    page = lab.open(proxy=proxy, flags=lab.trust())
    gather(page, "a", ice(url, relay_only=relay_only))


def microphone(lab: Lab) -> None:
    """SOCKS5, and the microphone granted."""
    lab.start()
    proxy = lab.socks()
    lab.record("eth0")
    gather(with_microphone(lab, proxy), "a", DUAL_STACK)


def with_microphone(lab: Lab, proxy: str | None = None, host: Host | None = None) -> Page:
    """The page, with its microphone granted."""
    page = lab.open(
        proxy=proxy, flags=MICROPHONE_FLAGS, preferences=MICROPHONE_PREFERENCES, host=host
    )
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
    """The page in a frame of another origin, behind a proxy."""
    lab.start()
    proxy = _passed_proxy(lab)
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


def video_call(lab: Lab, *, audio: bool = False) -> None:
    """A camera granted, and a second of video to a peer on the internet, past the proxy."""
    lab.start()
    proxy = _passed_proxy(lab)
    lab.record("eth0")
    here = lab.open(proxy=proxy, flags=MICROPHONE_FLAGS, preferences=MICROPHONE_PREFERENCES)
    there = lab.open(host=lab.net.peer, browser="chromium")
    call(here, "media", {"audio": audio, "video": {"width": 64, "height": 48, "frameRate": 5}})
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
    there = with_microphone(lab, host=lab.net.neighbour)
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


def connections(lab: Lab) -> None:
    """Three connections of one page, one soon after the other."""
    lab.start()
    proxy = _passed_proxy(lab)
    lab.record("eth0")
    page = lab.open(proxy=proxy)
    for who in ("a", "c", "d"):
        gather(page, who)
        time.sleep(0.3)


def cut(lab: Lab) -> None:
    """The SOCKS5 story, each packet cut."""
    # Long enough for a STUN answer's first attribute, too short for a whole announcement.
    lab.editing = ("-s", "80")
    socks(lab)
