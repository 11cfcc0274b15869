"""A proxy that is spoken to through a tunnel, judged by the proxy alone: what carries the tunnel
carries its traffic, and what goes past it is outside, in the tunnel too."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    INNER,
    PUBLIC,
    RESOLVER,
    VPN,
    WEB,
    WG0,
    Recording,
    dns_answer,
    dns_query,
    judged,
    wireguard_data,
    wireguard_initiation,
    wireguard_response,
)

from pcapleak.policy.policy import Policy

PROXY = "10.64.0.1"
POLICY = Policy.from_options(proxy=[f"socks5://{PROXY}:1080"])


def through_the_tunnel(*, handshake: bool = True) -> Recording:
    recording = Recording()
    if handshake:
        recording.exchange(
            0, ETH0, CLIENT, 51820, VPN, 51820, wireguard_initiation(), wireguard_response()
        )
    ask = b"\5\1\0\1" + ip_address(WEB).packed + b"\1\xbb"
    for i in range(20):
        at = 100.0 + 50 * i
        page = (b"q" * 300, b"a" * 1100)
        granted = (b"\5\1\0", b"\5\0", ask, b"\5\0\0\1" + bytes(6))
        recording.tcp(at, WG0, INNER, 41000 + i, PROXY, 1080, *granted, *page)
        for j, size in enumerate((40, 40, 43, 42, 50, 50, 340, 1140)):
            ends = (VPN, 51820, CLIENT, 51820) if j % 2 else (CLIENT, 51820, VPN, 51820)
            recording.udp(at + j, ETH0, *ends, wireguard_data(size + 16, counter=20 * i + j))
    return recording


@pytest.mark.parametrize("handshake", [True, False])
def test_what_carries_the_tunnel_is_no_leak(handshake: bool, tmp_path: Path) -> None:
    document = judged(through_the_tunnel(handshake=handshake), POLICY, tmp_path)
    wanted = ("no-leak",) if handshake else ("no-leak", "inconclusive")
    assert document.verdict.result in wanted, document.verdict.reason
    assert {"tunnel-transport", "proxy"} <= set(document.statistics.paths)


@pytest.mark.parametrize(("interface", "source"), [(ETH0, CLIENT), (WG0, INNER)])
@pytest.mark.parametrize("leak", ["stun", "dns"])
def test_what_goes_past_the_proxy_is_one_on_either_side(
    leak: str, interface: int, source: str, tmp_path: Path
) -> None:
    recording = through_the_tunnel()
    if leak == "stun":
        recording.stun(1500, interface, source, 50000, PUBLIC)
    else:
        answer = dns_answer("www.example.com", WEB)
        recording.exchange(1500, interface, source, 50000, RESOLVER, 53, dns_query(), answer)
    assert judged(recording, POLICY, tmp_path).verdict.result == "leak"
