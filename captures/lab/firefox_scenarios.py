"""The scenarios with Firefox on the recorded host."""

from __future__ import annotations

from dataclasses import replace

from . import page_stories, stories, tunnel_stories
from .expected import CLEAN, LEAK, PROXY, WIREGUARD, found
from .network import CLIENT6, WEB6
from .recording import Scenario
from .session import HTTP_PROXY
from .tunnels import TUNNEL

_STORIES = (
    Scenario(
        "firefox-direct",
        "Firefox without proxy or tunnel: names on the page, none on the network",
        stories.direct,
        expect={"mode": 2},
    ),
    Scenario(
        "firefox-socks",
        "Firefox behind SOCKS5: no UDP at all",
        stories.socks,
        PROXY,
        {**CLEAN},
    ),
    Scenario(
        "firefox-http-proxy",
        "Firefox behind an HTTP proxy: unlike behind SOCKS5, WebRTC goes past it",
        stories.http_proxy,
        {"proxy": HTTP_PROXY},
        {**LEAK, **found("PL101", "PL102")},
    ),
    Scenario(
        "firefox-loop",
        "Firefox, two connections on one host behind an HTTP proxy",
        stories.loop,
        {"proxy": HTTP_PROXY},
        {**LEAK, **found("PL101", "PL102")},
    ),
    Scenario(
        "firefox-data-channel",
        "Firefox, a DataChannel to a peer on the internet, past an HTTP proxy",
        stories.data_channel,
        {"proxy": HTTP_PROXY},
        {**LEAK, **found("PL101", "PL102")},
    ),
    Scenario(
        "firefox-stun-by-name",
        "Firefox behind SOCKS5 with named servers: the proxy resolves them all",
        stories.stun_by_name,
        PROXY,
        {**CLEAN},
    ),
    Scenario(
        "firefox-lan-pair",
        "Firefox and Chromium on two hosts of a LAN resolve each other's names and connect",
        stories.lan_pair,
    ),
    Scenario(
        "firefox-full-tunnel",
        "Firefox with all of IPv4 and DNS through WireGuard",
        tunnel_stories.full_tunnel,
        WIREGUARD,
        {**CLEAN},
    ),
    Scenario(
        "firefox-native-ipv6",
        "Firefox, a page loaded over native IPv6 beside an IPv4-only tunnel",
        lambda lab: tunnel_stories.native_ipv6(lab, f"http://[{WEB6}]/"),
        WIREGUARD,
        {
            "leak": True,
            "exposed_addresses": [CLIENT6],
            **found("PL101", "PL102", "PL202"),
        },
    ),
    Scenario(
        "firefox-split-tunnel",
        "Firefox with only the page through WireGuard: the tunnel's address on the physical link",
        tunnel_stories.split_tunnel,
        WIREGUARD,
        {
            "leak": True,
            "exposed_addresses": [],
            "tunnel_address_on_physical": TUNNEL,
            **found("PL102", "PL206"),
        },
    ),
    Scenario(
        "firefox-tunnel-drop",
        "Firefox, the tunnel's device is deleted in mid-session, then a new connection is made",
        tunnel_stories.tunnel_drop,
        WIREGUARD,
        {**LEAK, **found("PL101", "PL102")},
    ),
    Scenario(
        "firefox-turn-udp",
        "Firefox, TURN over UDP without proxy or tunnel",
        lambda lab: stories.turn(lab, stories.TURN_UDP, direct=True),
    ),
    Scenario(
        "firefox-frame",
        "Firefox, the page inside a cross-origin frame behind an HTTP proxy",
        stories.frame,
        {"proxy": HTTP_PROXY},
        {**LEAK, **found("PL101", "PL102")},
    ),
    Scenario(
        "firefox-video-call",
        "Firefox, microphone and camera granted and a call to a peer, past an HTTP proxy",
        lambda lab: stories.video_call(lab, audio=True),
        {"proxy": HTTP_PROXY},
        {**LEAK, **found("PL101", "PL102")},
    ),
    Scenario(
        "firefox-relay-only",
        "Firefox, relay candidates only, over UDP past an HTTP proxy: the answer shows the address",
        lambda lab: stories.turn(lab, stories.TURN_UDP, relay_only=True),
        {"proxy": HTTP_PROXY},
        {**LEAK, "not_read": ["host", "srflx"], **found("PL101", "PL102")},
    ),
    Scenario(
        "firefox-turn-tcp",
        "Firefox, TURN over TCP inside an HTTP proxy: nothing tells which mode",
        lambda lab: stories.turn(lab, stories.TURN_TCP),
        {"proxy": HTTP_PROXY},
        {**CLEAN, "mode": None},
    ),
    Scenario(
        "firefox-tunnel-restored",
        "Firefox, the tunnel's device is deleted in mid-session and comes back: nothing leaves",
        lambda lab: tunnel_stories.tunnel_drop(lab, restore=True),
        WIREGUARD,
        {**CLEAN, "mode": 2},
    ),
    Scenario(
        "firefox-microphone-tunnel",
        "Firefox, microphone granted inside a full tunnel: no LAN address enters it",
        tunnel_stories.microphone_tunnel,
        WIREGUARD,
        {**CLEAN},
    ),
    Scenario(
        "firefox-loopback-channel",
        "Firefox, a page hands a cookie to a program on its host, in every way it is let",
        page_stories.loopback_channel,
        expect={"engine": None, **found("PL501")},
        settle_s=1,
    ),
    Scenario(
        "firefox-lan-scan",
        "Firefox, a page looks for hosts and services on the LAN",
        page_stories.lan_scan,
        expect=found("PL502"),
        settle_s=1,
    ),
    Scenario(
        "firefox-stun-data",
        "Firefox, a page sends data to a server on the internet in usernames",
        page_stories.stun_data,
        expect=found("PL503"),
        settle_s=1,
    ),
    Scenario(
        "firefox-two-tabs",
        "Firefox, two tabs connect: no channel to a local program",
        page_stories.two_tabs,
    ),
)

FIREFOX = tuple(replace(scenario, browser="firefox") for scenario in _STORIES)
