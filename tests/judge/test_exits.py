"""Where traffic comes out, and what a recording lacks."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    INNER,
    PROXY,
    PUBLIC,
    TUNNEL_POLICY,
    VPN,
    WG0,
    Recording,
    behind_tunnel,
    dns_answer,
    ip_packet,
    judged,
    udp_packet,
)

from pcapleak import Policy


def test_what_is_told_outside_too_is_no_exit(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(60, WG0, INNER, 50000, PUBLIC)
    recording.stun(70, ETH0, CLIENT, 50001, PUBLIC, transaction_id=b"u" * 12)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.exposed_addresses == [PUBLIC]
    assert PUBLIC not in document.policy.fields["exits"].value


def test_an_exit_that_is_given_is_the_only_one(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(60, WG0, INNER, 50000, "203.0.113.99")
    policy = Policy.from_options(
        tunnel=["wg0"], vpn_endpoint=[f"{VPN}:51820"], exit_ip=["198.51.100.41"]
    )
    assert judged(recording, policy, tmp_path).policy.fields["exits"].value == ["198.51.100.41/32"]


@pytest.mark.parametrize("echoed", [True, False])
def test_a_socks_answer_that_says_the_destination_again_tells_no_exit(
    tmp_path: Path, echoed: bool
) -> None:
    recording = Recording()
    asked = struct.pack("!BBH", 4, 1, 443) + ip_address("93.184.216.34").packed + b"\0"
    bound = ("93.184.216.34", 443) if echoed else ("198.51.100.77", 40123)
    granted = b"\0\x5a" + struct.pack("!H", bound[1]) + ip_address(bound[0]).packed
    recording.tcp(0, ETH0, CLIENT, 40000, PROXY, 1080, asked, granted, b"\x16\3\1" + bytes(90))
    policy = Policy.from_options(proxy=[f"socks4://{PROXY}:1080"])
    exits = judged(recording, policy, tmp_path).policy.fields["exits"].value
    assert (bound[0] in exits) is not echoed


@pytest.mark.parametrize("asked", [True, False])
def test_an_icmp_error_that_quotes_dns_tells_the_names_it_quotes(
    tmp_path: Path, asked: bool
) -> None:
    """But for an answer that a stranger sent to be told so."""
    answer = udp_packet("9.9.9.9", 53, CLIENT, 50000, dns_answer("secret.example", "192.0.2.1"))
    recording = behind_tunnel()
    if not asked:
        recording.ip(60, ETH0, answer)
    error = ip_packet(CLIENT, "9.9.9.9", 1, b"\3\3" + bytes(6) + answer)
    recording.ip(61, ETH0, error)
    result = judged(recording, TUNNEL_POLICY, tmp_path).verdict.result
    assert result == ("leak" if asked else "no-leak")
