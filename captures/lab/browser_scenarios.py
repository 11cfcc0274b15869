"""The scenarios of what browsers are told and where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from . import browser_stories as stories
from .expected import LEAK, found
from .network import CLIENT6, PUBLIC, STUN
from .recording import Scenario
from .session import STUN_ONLY, ice
from .stories import TURN_UDP

EXPECTED = {"vpn_endpoint": "198.51.100.40:51820"}
"""A VPN that was expected and never came up."""
_FOUND = found("PL101", "PL102")

_CHROMIUM = (
    Scenario(
        "reload-1s",
        "a page is loaded again after a second, six times",
        lambda lab: stories.reloads(lab, 1, 6),
        expect={"mode": 2},
        settle_s=20,
    ),
    Scenario(
        "reload-2s",
        "a page is loaded again after two seconds, five times",
        lambda lab: stories.reloads(lab, 2, 5),
        expect={"mode": 2},
        settle_s=20,
    ),
    Scenario(
        "reload-4s",
        "a page is loaded again after four seconds, four times",
        lambda lab: stories.reloads(lab, 4, 4),
        expect={"mode": 2},
    ),
    Scenario(
        "two-profiles",
        "two profiles of Chromium gather, the second 50 ms later",
        lambda lab: stories.two_profiles(lab, 0.05),
        expect={"mode": 2},
    ),
    Scenario(
        "profiles-at-once",
        "two profiles of Chromium gather in one instant",
        lambda lab: stories.two_profiles(lab, 0.0),
        expect={"mode": 2},
    ),
    Scenario(
        "two-browsers",
        "Chromium and Firefox gather on one host, 0.3 s apart",
        lambda lab: stories.two_browsers(lab, 0.3),
        expect={"engine": ["chromium", "firefox"]},
    ),
    Scenario(
        "private-interfaces",
        "managed policy default_public_and_private_interfaces: the page reads raw addresses",
        lambda lab: stories.told(lab, WebRtcIPHandling="default_public_and_private_interfaces"),
        EXPECTED,
        {**LEAK, "mode": 2, **_FOUND},
    ),
    Scenario(
        "url-policy",
        "managed policy WebRtcIPHandlingUrl: for this page default_public_interface_only",
        lambda lab: stories.told(
            lab,
            WebRtcIPHandlingUrl=[
                {"url": "http://198.51.100.20", "handling": "default_public_interface_only"}
            ],
        ),
        EXPECTED,
        {**LEAK, "mode": 3, **_FOUND},
    ),
    Scenario(
        "allowed-url",
        "managed policy WebRtcLocalIpsAllowedUrls: the page reads raw addresses",
        lambda lab: stories.told(lab, WebRtcLocalIpsAllowedUrls=["http://198.51.100.20"]),
        EXPECTED,
        {**LEAK, "mode": 2, **_FOUND},
    ),
    Scenario(
        "no-mdns",
        "Chromium without names for addresses: the page reads raw addresses",
        lambda lab: stories.told(lab, flags=("--disable-features=WebRtcHideLocalIpsWithMdns",)),
        EXPECTED,
        {**LEAK, "mode": None, **_FOUND},
    ),
    Scenario(
        "mid-call",
        "a call to a peer on the internet, recorded from its middle",
        stories.mid_call,
        EXPECTED,
        {"leak": True, "exposed_addresses": [PUBLIC], **_FOUND},
        settle_s=13,
    ),
    Scenario(
        "snap-96",
        "a call to a peer on the internet, each packet cut after 96 bytes",
        lambda lab: stories.cut(lab, 96),
        EXPECTED,
        {"leak": True, "exposed_addresses": [PUBLIC], **found("PL101", "PL102", "PL901")},
    ),
    Scenario(
        "snap-128",
        "a call to a peer on the internet, each packet cut after 128 bytes",
        lambda lab: stories.cut(lab, 128),
        EXPECTED,
        {"leak": True, "exposed_addresses": [PUBLIC], **found("PL101", "PL102")},
    ),
    Scenario(
        "both-sides",
        "a call to a peer on the internet, recorded on both sides of the router's NAT",
        stories.both_sides,
        EXPECTED,
        {**LEAK, "mode": 2, **_FOUND},
    ),
    Scenario(
        "symmetric-nat",
        "a NAT that gives each conversation a port of its own, and two servers",
        stories.symmetric_nat,
        EXPECTED,
        {**LEAK, **_FOUND},
    ),
    Scenario(
        "shared-address",
        "a client with an address of a carrier's NAT",
        stories.shared_address,
        EXPECTED,
        {**LEAK, **_FOUND},
    ),
    Scenario(
        "nat64",
        "a client without IPv4 behind a NAT64, which alone sees the IPv6 address",
        stories.nat64,
        EXPECTED,
        {**LEAK, **_FOUND},
    ),
    Scenario(
        "two-uplinks",
        "microphone granted on a host with two networks: answers come in by the other one",
        stories.two_uplinks,
        EXPECTED,
        {**LEAK, "mode": 1, **_FOUND},
    ),
    Scenario(
        "restart",
        "a call to a peer on the internet, and an ICE restart in its middle",
        stories.restart,
        EXPECTED,
        {**LEAK, **_FOUND},
    ),
    Scenario(
        "named-servers",
        "three STUN servers, two of them by name, one of which answers nobody",
        lambda lab: stories.told(lab, stories.NAMED_SERVERS),
        EXPECTED,
        {**LEAK, **_FOUND},
    ),
    Scenario(
        "two-relays",
        "two TURN servers: the first of the page's list has the higher rank",
        lambda lab: stories.told(lab, stories.TWO_RELAYS),
        EXPECTED,
        {**LEAK, "mode": 2, **_FOUND},
    ),
    Scenario(
        "unicast-only",
        "servers of both families, recorded without multicast",
        stories.unicast_only,
        EXPECTED,
        {
            "leak": True,
            "exposed_addresses": [PUBLIC, CLIENT6],
            "mode": None,
            "engine": "chromium",
            **_FOUND,
        },
    ),
    Scenario(
        "stuns",
        "a STUN server over TLS: Chromium asks its port by UDP",
        lambda lab: stories.told(lab, ice(f"stuns:{STUN}:5349", f"stun:{STUN}:3478")),
        EXPECTED,
        {**LEAK, **_FOUND},
    ),
)


def _preference(
    name: str,
    said: str,
    preference: str,
    value: bool,
    servers: dict[str, Any] = STUN_ONLY,
    expect: Mapping[str, Any] = MappingProxyType({**LEAK, **_FOUND}),
) -> Scenario:
    return Scenario(
        name,
        f"Firefox with {preference} {str(value).lower()}: {said}",
        lambda lab: stories.told(
            lab, servers, preferences={f"media.peerconnection.ice.{preference}": value}
        ),
        EXPECTED,
        dict(expect),
    )


_FIREFOX = (
    _preference(
        "firefox-no-host",
        "the page reads no host candidate",
        "no_host",
        True,
        expect={**LEAK, "mode": 3, **_FOUND},
    ),
    _preference(
        "firefox-default-address",
        "the page reads what the default route's address gathers",
        "default_address_only",
        True,
    ),
    _preference(
        "firefox-raw-host",
        "the page reads raw addresses",
        "obfuscate_host_addresses",
        False,
    ),
    _preference(
        "firefox-proxy-only",
        "without a proxy no server is asked",
        "proxy_only",
        True,
        expect={"leak": True, "exposed_addresses": [], **found("PL204")},
    ),
    _preference(
        "firefox-relay",
        "the page reads relay candidates alone",
        "relay_only",
        True,
        ice(TURN_UDP),
        {**LEAK, "not_read": ["host", "srflx"], **_FOUND},
    ),
    Scenario(
        "firefox-mid-call",
        "Firefox, a call to a peer on the internet, recorded from its middle",
        stories.mid_call,
        EXPECTED,
        {"leak": True, "exposed_addresses": [PUBLIC], **_FOUND},
        settle_s=13,
    ),
    Scenario(
        "firefox-restart",
        "Firefox, a call to a peer on the internet, and an ICE restart in its middle",
        stories.restart,
        EXPECTED,
        {**LEAK, **_FOUND},
    ),
    Scenario(
        "firefox-reload-1s",
        "Firefox, a page is loaded again after a second, four times",
        lambda lab: stories.reloads(lab, 1, 4),
        expect={"mode": 2},
    ),
    Scenario(
        "firefox-symmetric-nat",
        "Firefox, a NAT that gives each conversation a port of its own, and two servers",
        stories.symmetric_nat,
        EXPECTED,
        {**LEAK, **_FOUND},
    ),
    Scenario(
        "firefox-nat64",
        "Firefox without IPv4 behind a NAT64, which alone sees the IPv6 address",
        stories.nat64,
        EXPECTED,
        {**LEAK, **_FOUND},
    ),
)

TOLD = (*_CHROMIUM, *(replace(scenario, browser="firefox") for scenario in _FIREFOX))
