"""The scenarios: what each shows, the policy it is judged by, and what must be found."""

from __future__ import annotations

from . import stories
from .network import CLIENT6, PUBLIC, WEB6
from .recording import Scenario
from .session import HTTP_PROXY, SOCKS_PROXY
from .tunnels import TUNNEL

_PROXY = {"proxy": SOCKS_PROXY}
_WIREGUARD = {"tunnel": "wg0", "vpn_endpoint": "198.51.100.40:51820"}
_CLEAN = {"leak": False, "exposed_addresses": []}
_LEAK = {"leak": True, "exposed_addresses": [PUBLIC], "mode": 2}


def _found(*findings: str) -> dict[str, list[str]]:
    return {"findings": list(findings)}


SCENARIOS = (
    Scenario(
        "direct",
        "no proxy and no tunnel: nothing to leak past",
        stories.direct,
        expect={"mode": 2},
    ),
    Scenario(
        "socks",
        "SOCKS5 proxy in the browser: WebRTC goes past it",
        stories.socks,
        _PROXY,
        {**_LEAK, **_found("PL101", "PL102", "PL301")},
    ),
    Scenario(
        "http-proxy",
        "HTTP proxy in the browser: WebRTC goes past it",
        stories.http_proxy,
        {"proxy": HTTP_PROXY},
        {**_LEAK, **_found("PL101", "PL102", "PL301")},
    ),
    Scenario(
        "stun-by-name",
        "behind SOCKS5 the page's name is resolved by the proxy, the STUN server's by the browser",
        stories.stun_by_name,
        _PROXY,
        {**_LEAK, **_found("PL101", "PL102", "PL203")},
    ),
    Scenario(
        "mode-3",
        "managed policy default_public_interface_only behind SOCKS5",
        stories.mode_3,
        _PROXY,
        {**_LEAK, "mode": 3, **_found("PL101", "PL102")},
    ),
    Scenario(
        "mode-4",
        "managed policy disable_non_proxied_udp behind SOCKS5: TURN over TCP inside the proxy",
        stories.mode_4,
        _PROXY,
        {**_CLEAN, "mode": 4},
    ),
    Scenario(
        "microphone",
        "microphone granted behind SOCKS5: raw addresses of both families",
        stories.microphone,
        _PROXY,
        {
            "leak": True,
            "exposed_addresses": [PUBLIC, CLIENT6],
            "mode": 1,
            **_found("PL101", "PL102"),
        },
    ),
    Scenario(
        "microphone-tunnel",
        "microphone granted inside a full tunnel: the LAN address is the source of packets in it",
        stories.microphone_tunnel,
        _WIREGUARD,
        {**_CLEAN, "mode": 1, **_found("PL207")},
    ),
    Scenario(
        "microphone-source-route",
        "microphone granted inside a full tunnel on a host that routes by source address",
        stories.microphone_source_route,
        _WIREGUARD,
        {**_LEAK, "mode": 1, **_found("PL101", "PL102", "PL103")},
    ),
    Scenario(
        "loop",
        "two connections on one host behind SOCKS5: checks, hairpin, ICMP quotes",
        stories.loop,
        _PROXY,
        {**_LEAK, **_found("PL101", "PL102")},
    ),
    Scenario(
        "frame",
        "the page inside a cross-origin frame behind SOCKS5",
        stories.frame,
        _PROXY,
        {**_LEAK, **_found("PL101", "PL102", "PL301")},
    ),
    Scenario(
        "lan-pair",
        "two hosts of a LAN resolve each other's names and connect",
        stories.lan_pair,
        expect={"mode": 2},
    ),
    Scenario(
        "data-channel",
        "a DataChannel to a peer on the internet, past SOCKS5",
        stories.data_channel,
        _PROXY,
        {**_LEAK, **_found("PL101", "PL102")},
    ),
    Scenario(
        "video-call",
        "camera granted and a video call to a peer on the internet, past SOCKS5",
        stories.video_call,
        _PROXY,
        {**_LEAK, "mode": 1, **_found("PL101", "PL102")},
        settle_s=2,
    ),
    Scenario(
        "turn-udp",
        "TURN over UDP past SOCKS5",
        lambda lab: stories.turn(lab, stories.TURN_UDP),
        _PROXY,
        {**_LEAK, **_found("PL101", "PL102")},
    ),
    Scenario(
        "turn-tcp",
        "TURN over TCP inside SOCKS5: the relay knows the proxy alone",
        lambda lab: stories.turn(lab, stories.TURN_TCP),
        _PROXY,
        {**_CLEAN},
    ),
    Scenario(
        "turn-tls",
        "TURN over TLS inside SOCKS5: nothing of it can be read",
        lambda lab: stories.turn(lab, stories.TURN_TLS, tls=True),
        _PROXY,
        {**_CLEAN},
    ),
    Scenario(
        "relay-only",
        "relay candidates only, over UDP past SOCKS5: the answer shows the address all the same",
        lambda lab: stories.turn(lab, stories.TURN_UDP, relay_only=True),
        _PROXY,
        {
            "leak": True,
            "exposed_addresses": [PUBLIC],
            "not_read": ["host", "srflx"],
            **_found("PL101", "PL102"),
        },
    ),
    Scenario(
        "signalling-clear",
        "cleartext WebSocket signalling beside connectivity checks, behind SOCKS5",
        lambda lab: stories.signalling(lab, tls=False),
        _PROXY,
        {**_LEAK, **_found("PL101", "PL102", "PL304")},
    ),
    Scenario(
        "signalling-tls",
        "the same signalling inside TLS, the keys in the capture",
        lambda lab: stories.signalling(lab, tls=True),
        _PROXY,
        {**_LEAK, **_found("PL101", "PL102")},
    ),
    Scenario(
        "full-tunnel",
        "all of IPv4 and DNS through WireGuard: no leak, but the LAN learns the tunnel's address",
        stories.full_tunnel,
        _WIREGUARD,
        {**_CLEAN, "mode": 2, **_found("PL302")},
    ),
    Scenario(
        "openvpn",
        "all of IPv4 and DNS through OpenVPN: no leak",
        stories.openvpn,
        {"tunnel": "tun0", "vpn_endpoint": "198.51.100.40:1194"},
        {**_CLEAN, "mode": 2, **_found("PL302")},
    ),
    Scenario(
        "dns-beside-tunnel",
        "all of IPv4 through WireGuard, but DNS asked of the LAN's router",
        stories.dns_beside_tunnel,
        _WIREGUARD,
        {"leak": True, "exposed_addresses": [], "mode": 2, **_found("PL203")},
    ),
    Scenario(
        "native-ipv6",
        "an IPv4-only tunnel on a dual-stack host, and a STUN server with both families",
        stories.native_ipv6,
        _WIREGUARD,
        {
            "leak": True,
            "exposed_addresses": [CLIENT6],
            "mode": 2,
            **_found("PL101", "PL102", "PL202"),
        },
    ),
    Scenario(
        "split-tunnel",
        "only the page through WireGuard: STUN goes beside it",
        stories.split_tunnel,
        _WIREGUARD,
        {**_LEAK, **_found("PL101", "PL102", "PL303")},
    ),
    Scenario(
        "split-tunnel-any",
        "the split tunnel recorded on Linux's any device",
        stories.split_tunnel_any,
        _WIREGUARD,
        {**_LEAK, **_found("PL101", "PL102")},
    ),
    Scenario(
        "tunnel-drop",
        "the tunnel's device is deleted in mid-session, then a new connection is made",
        stories.tunnel_drop,
        _WIREGUARD,
        {**_LEAK, **_found("PL101", "PL102", "PL104")},
    ),
    Scenario(
        "tunnel-restored",
        "the tunnel's device is deleted in mid-session and comes back",
        lambda lab: stories.tunnel_drop(lab, restore=True),
        _WIREGUARD,
        {**_LEAK, **_found("PL101", "PL102", "PL104", "PL205")},
    ),
    Scenario(
        "dhcp-route",
        "DHCP option 121 pulls the STUN server's network out of a full tunnel",
        stories.dhcp_route,
        _WIREGUARD,
        {**_LEAK, **_found("PL101", "PL102", "PL208")},
    ),
    Scenario(
        "quic",
        "HTTP/3 past SOCKS5 by a bypass list",
        stories.quic,
        _PROXY,
        {"leak": True, "exposed_addresses": [], **_found("PL201")},
        settle_s=1,
    ),
    Scenario(
        "v4-mapped",
        "built: a dual-stack peer reports an IPv4-mapped address in a connectivity check",
        stories.mapped,
        _PROXY,
        {
            "leak": True,
            "exposed_addresses": [PUBLIC],
            "not_read": ["host"],
            **_found("PL101", "PL102", "PL105"),
        },
        settle_s=1,
    ),
    Scenario(
        "cut",
        "the SOCKS5 leak, each packet cut after 80 bytes",
        stories.cut,
        _PROXY,
        {**_LEAK, "mode": None, "engine": "unknown", **_found("PL101", "PL102", "PL901")},
    ),
    Scenario(
        "firefox-direct",
        "Firefox without proxy or tunnel: names on the page, none on the network",
        stories.direct,
        expect={"mode": 2},
        browser="firefox",
    ),
    Scenario(
        "firefox-socks",
        "Firefox behind SOCKS5: no UDP at all",
        stories.socks,
        _PROXY,
        {**_CLEAN},
        browser="firefox",
    ),
    Scenario(
        "firefox-http-proxy",
        "Firefox behind an HTTP proxy: unlike behind SOCKS5, WebRTC goes past it",
        stories.http_proxy,
        {"proxy": HTTP_PROXY},
        {**_LEAK, **_found("PL101", "PL102")},
        browser="firefox",
    ),
    Scenario(
        "firefox-stun-by-name",
        "Firefox behind SOCKS5 with named servers: the proxy resolves them all",
        stories.stun_by_name,
        _PROXY,
        {**_CLEAN},
        browser="firefox",
    ),
    Scenario(
        "firefox-lan-pair",
        "Firefox and Chromium on two hosts of a LAN resolve each other's names and connect",
        stories.lan_pair,
        browser="firefox",
    ),
    Scenario(
        "firefox-full-tunnel",
        "Firefox with all of IPv4 and DNS through WireGuard",
        stories.full_tunnel,
        _WIREGUARD,
        {**_CLEAN},
        browser="firefox",
    ),
    Scenario(
        "firefox-native-ipv6",
        "Firefox, a page loaded over native IPv6 beside an IPv4-only tunnel",
        lambda lab: stories.native_ipv6(lab, f"http://[{WEB6}]/"),
        _WIREGUARD,
        {
            "leak": True,
            "exposed_addresses": [CLIENT6],
            **_found("PL101", "PL102", "PL202"),
        },
        browser="firefox",
    ),
    Scenario(
        "firefox-split-tunnel",
        "Firefox with only the page through WireGuard: the tunnel's address on the physical link",
        stories.split_tunnel,
        _WIREGUARD,
        {
            "leak": True,
            "exposed_addresses": [],
            "tunnel_address_on_physical": TUNNEL,
            **_found("PL102", "PL206"),
        },
        browser="firefox",
    ),
    Scenario(
        "firefox-tunnel-drop",
        "Firefox, the tunnel's device is deleted in mid-session, then a new connection is made",
        stories.tunnel_drop,
        _WIREGUARD,
        {**_LEAK, **_found("PL101", "PL102")},
        browser="firefox",
    ),
    Scenario(
        "firefox-turn-udp",
        "Firefox, TURN over UDP without proxy or tunnel",
        lambda lab: stories.turn(lab, stories.TURN_UDP, direct=True),
        browser="firefox",
    ),
)
