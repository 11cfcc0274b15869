"""Behind a NAT64 nobody outside sees a client's IPv6 address."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
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
