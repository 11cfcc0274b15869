"""Behind a NAT64 nobody outside sees a client's IPv6 address."""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    CLIENT6,
    ETH0,
    INNER,
    VPN,
    WEB,
    WEB6,
    WG0,
    Recording,
    judged,
    udp_packet,
)
from lab_truth import CAPTURES, policy_of, read_truth

from pcapleak import Policy, analyze
from pcapleak.judge.nat64 import PREFIXES, embedded

PUBLIC, SIX = "203.0.113.7", "2001:db8:50::42"


@pytest.mark.parametrize("name", ["nat64", "firefox-nat64"])
def test_a_server_that_sees_ipv4_does_not_see_the_ipv6_address(name: str) -> None:
    policy = policy_of(read_truth(CAPTURES / f"{name}.json"))
    verdict = analyze(CAPTURES / f"{name}.pcapng", policy).document.verdict
    assert verdict.result == "leak"
    assert verdict.exposed_addresses == [PUBLIC]


def test_a_server_that_sees_ipv6_does() -> None:
    policy = Policy.from_options(vpn_endpoint=["198.51.100.40:51820"])
    for name in ("ipv6-only", "native-ipv6"):
        exposed = analyze(CAPTURES / f"{name}.pcapng", policy).document.verdict.exposed_addresses
        assert SIX in exposed


def test_addresses_stand_in_prefixes_of_six_lengths() -> None:
    """The table of RFC 6052 section 2.4."""
    four = ip_address("192.0.2.33")
    for text, length in (
        ("2001:db8:c000:221::", 32),
        ("2001:db8:1c0:2:21::", 40),
        ("2001:db8:122:c000:2:2100::", 48),
        ("2001:db8:122:3c0:0:221::", 56),
        ("2001:db8:122:344:c0:2:2100::", 64),
        ("2001:db8:122:344::192.0.2.33", 96),
    ):
        assert embedded(ip_address(text), length) == four
    assert ip_network("64:ff9b::/96") in PREFIXES


OWN = {
    32: "2001:db8:c633:6428::",
    40: "2001:db8:1c6:3364:28::",
    48: "2001:db8:122:c633:64:2800::",
    56: "2001:db8:122:3c6:33:6428::",
    64: "2001:db8:122:344:c6:3364:2800::",
    96: "2001:db8:122:344::c633:6428",
}
"""The VPN server's address in prefixes of a network's own (RFC 6052 section 2.4)."""


def behind(server: str, exchanges: int) -> Recording:
    """An IPv4 tunnel whose carrier looks like nothing, to a server known by its IPv4 address."""
    recording, chosen = Recording(), random.Random(1)
    for i in range(exchanges):
        for at, inner, outer, size in (
            (100 * i, (INNER, 40000, WEB, 443), (CLIENT6, 4000, server, 443), 300),
            (100 * i + 30, (WEB, 443, INNER, 40000), (server, 443, CLIENT6, 4000), 900),
        ):
            recording.ip(at, WG0, udp_packet(*inner, bytes((7,)) + chosen.randbytes(size)))
            recording.ip(at + 1, ETH0, udp_packet(*outer, chosen.randbytes(size + 60)))
    return recording


@pytest.mark.parametrize("length", OWN)
def test_an_endpoint_is_found_in_a_networks_own_prefix(length: int, tmp_path: Path) -> None:
    options = {"tunnel": ["wg0"], "vpn_endpoint": [f"{VPN}:443"]}
    recording = behind(OWN[length], 100)
    policy = Policy.from_options(**options)
    verdict = judged(recording, policy, tmp_path).verdict
    assert verdict.result == "no-leak", verdict.reason
    recording.ip(500, ETH0, udp_packet(CLIENT6, 5000, WEB6, 443, bytes(99)))
    recording.ip(520, ETH0, udp_packet(WEB6, 443, CLIENT6, 5000, bytes(99)))
    assert judged(recording, policy, tmp_path).verdict.result == "leak"


@pytest.mark.parametrize("kept", [(ETH0,), (ETH0, WG0)])
def test_an_address_that_only_holds_the_endpoints_is_asked_about(
    kept: tuple[int, ...], tmp_path: Path
) -> None:
    """Anybody may choose an address."""
    options = {"vpn_endpoint": [f"{VPN}:443"]}
    recording = behind(OWN[48], 10)
    verdict = judged(recording, Policy.from_options(**options), tmp_path, kept).verdict
    assert verdict.result == "inconclusive", verdict.reason
    assert f"--vpn-endpoint [{ip_address(OWN[48])}]:443" in verdict.reason
    recording.exchange(0, ETH0, CLIENT, 4001, VPN, 443, bytes(300), bytes(300))
    verdict = judged(recording, Policy.from_options(**options), tmp_path, kept).verdict
    assert verdict.result == "leak", "the endpoint itself was spoken to"
