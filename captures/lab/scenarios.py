"""The scenarios, each a few lines."""

from __future__ import annotations

import time

from .network import PUBLIC, WEB
from .session import Lab, Scenario

_SOCKS = {"proxy": "socks5://198.51.100.30:1080"}
_WIREGUARD = {"tunnel": "wg0", "vpn_endpoint": "198.51.100.40:51820"}
_CHROMIUM = {"engine": "chromium", "mode": 2}


def _direct(lab: Lab) -> None:
    lab.start_servers()
    lab.record("eth0")
    lab.gather(lab.chromium())


def _socks(lab: Lab) -> None:
    lab.start_servers()
    proxy = lab.socks()
    lab.record("eth0")
    lab.gather(lab.chromium(proxy))


def _full_tunnel(lab: Lab) -> None:
    lab.start_servers()
    tunnel = lab.wireguard()
    lab.record("eth0")
    tunnel.up()
    lab.record("wg0")
    tunnel.route_all()
    lab.gather(lab.chromium())


def _split_tunnel(lab: Lab) -> None:
    lab.start_servers()
    tunnel = lab.wireguard()
    lab.record("eth0")
    tunnel.up()
    lab.record("wg0")
    tunnel.route(f"{WEB}/32")
    lab.gather(lab.chromium())


def _tunnel_drop(lab: Lab) -> None:
    lab.start_servers()
    tunnel = lab.wireguard()
    lab.record("eth0")
    tunnel.up()
    lab.record("wg0")
    tunnel.route_all()
    page = lab.chromium()
    lab.gather(page, "a")
    tunnel.drop()
    # The browser repeats its request to the STUN server every ten seconds.
    time.sleep(11)
    lab.gather(page, "c")


SCENARIOS = (
    Scenario(
        "direct",
        "no proxy and no tunnel: nothing to leak past",
        _direct,
        expect={**_CHROMIUM},
    ),
    Scenario(
        "socks",
        "SOCKS5 proxy in the browser: WebRTC goes past it",
        _socks,
        policy=_SOCKS,
        expect={
            **_CHROMIUM,
            "leak": True,
            "exposed_addresses": [PUBLIC],
            "findings": ["PL101", "PL102", "PL301"],
        },
    ),
    Scenario(
        "full-tunnel",
        "all of IPv4 through WireGuard: no leak, but the tunnel's address is announced on the LAN",
        _full_tunnel,
        policy=_WIREGUARD,
        expect={
            **_CHROMIUM,
            "leak": False,
            "exposed_addresses": [],
            "findings": ["PL302"],
        },
    ),
    Scenario(
        "split-tunnel",
        "only the page through WireGuard: STUN goes beside it",
        _split_tunnel,
        policy=_WIREGUARD,
        expect={
            **_CHROMIUM,
            "leak": True,
            "exposed_addresses": [PUBLIC],
            "findings": ["PL101", "PL102", "PL303"],
        },
    ),
    Scenario(
        "tunnel-drop",
        "the tunnel's device is deleted in mid-session, then a new connection is made",
        _tunnel_drop,
        policy=_WIREGUARD,
        expect={
            **_CHROMIUM,
            "leak": True,
            "exposed_addresses": [PUBLIC],
            "findings": ["PL101", "PL102", "PL104"],
        },
    ),
)
