"""What left before the tunnel came up, and between its times."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    INNER,
    PUBLIC,
    ROUTER,
    VPN,
    WEB,
    WG0,
    Recording,
    dns_answer,
    dns_query,
    judged,
    udp_packet,
    wireguard_initiation,
    wireguard_response,
)

from pcapleak import Policy

BEFORE = {
    "dns": lambda r, at: r.exchange(at, ETH0, CLIENT, 50000, ROUTER, 53, dns_query("a.example")),
    "stun": lambda r, at: r.stun(at, ETH0, CLIENT, 50001, PUBLIC),
    "ipv6": lambda r, at: r.ip(at, ETH0, udp_packet("2a00::1", 5000, "2a01::2", 443, bytes(99))),
    "udp": lambda r, at: r.udp(at, ETH0, CLIENT, 50002, WEB, 9999, bytes(100)),
    "tcp": lambda r, at: r.tcp(
        at, ETH0, CLIENT, 50003, WEB, 443, b"\x16\3\1" + bytes(90), bytes(9)
    ),
}


def come_up(recording: Recording, at: float, *, inside: bool = True) -> None:
    """The tunnel's handshake, and what it carries."""
    handshake = wireguard_initiation(), wireguard_response()
    recording.exchange(at, ETH0, CLIENT, 51820, VPN, 51820, *handshake)
    recording.tunnel(at + 100, inside=inside)


@pytest.mark.parametrize("kind", BEFORE)
@pytest.mark.parametrize("inside", [True, False])
def test_what_left_before_the_tunnel_is_information_of_every_kind(
    tmp_path: Path, kind: str, inside: bool
) -> None:
    recording = Recording()
    BEFORE[kind](recording, 0)
    come_up(recording, 2000, inside=inside)
    options = {"tunnel": ["wg0"]} if inside else {"vpn_endpoint": [f"{VPN}:51820"]}
    document = judged(recording, Policy.from_options(**options), tmp_path)
    assert document.verdict.result == "no-leak", document.verdict.reason
    assert "Before the tunnel came up, 1 flow" in document.verdict.reason
    always = Policy.from_options(**options, always_on=True)
    assert judged(recording, always, tmp_path).verdict.result == "leak"


@pytest.mark.parametrize("kind", BEFORE)
def test_what_goes_on_after_the_tunnel_came_up_is_no_longer_before_it(
    tmp_path: Path, kind: str
) -> None:
    recording = Recording()
    BEFORE[kind](recording, 0)
    come_up(recording, 2000)
    BEFORE[kind](recording, 5000)
    assert judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path).verdict.result == "leak"


def test_a_tunnel_over_tcp_begins_with_its_connection(tmp_path: Path) -> None:
    """The handshake comes only when that is open."""
    client, server, none = b"c" * 8, b"s" * 8, bytes(4)
    reset = b"\x38" + client + b"\0" + none
    answer = b"\x40" + server + b"\1" + none + client + none
    recording = Recording()
    BEFORE["dns"](recording, 0)
    packets = [reset, answer, *(b"\x48\0\0\1" + bytes(200) for _ in range(20))]
    framed = [struct.pack("!H", len(one)) + one for one in packets]
    recording.tcp(2000, ETH0, CLIENT, 45000, VPN, 443, *framed)
    policy = Policy.from_options(vpn_endpoint=[f"{VPN}:443"])
    verdict = judged(recording, policy, tmp_path).verdict
    assert verdict.result == "no-leak", verdict.reason
    assert "Before the tunnel came up, 1 flow" in verdict.reason
    up = Recording()
    BEFORE["dns"](up, 0)
    up.tcp(1000, ETH0, CLIENT, 45000, VPN, 443, *framed[2:], *framed)
    del up.packets[1:3]  # the connection is older than the recording
    assert judged(up, policy, tmp_path).verdict.result == "leak"


def test_a_tunnel_that_was_up_already_has_no_before(tmp_path: Path) -> None:
    recording = Recording()
    BEFORE["dns"](recording, 0)
    recording.tunnel(2000)
    assert judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path).verdict.result == "leak"


def test_looking_up_the_servers_name_is_information_at_any_time(tmp_path: Path) -> None:
    for always in (False, True):
        recording = Recording()
        lookup = dns_query("vpn.example"), dns_answer("vpn.example", VPN)
        recording.exchange(0, ETH0, CLIENT, 50000, ROUTER, 53, *lookup)
        come_up(recording, 1000)
        recording.exchange(9000, ETH0, CLIENT, 50001, ROUTER, 53, *lookup)
        come_up(recording, 10_000)
        policy = Policy.from_options(tunnel=["wg0"], always_on=always)
        assert judged(recording, policy, tmp_path).verdict.result == "no-leak"
        recording.exchange(9100, ETH0, CLIENT, 50002, ROUTER, 53, dns_query("secret.example"))
        assert judged(recording, policy, tmp_path).verdict.result == "leak"


def test_a_tunnel_that_never_came_up_has_no_before(tmp_path: Path) -> None:
    recording = Recording()
    for i in range(5):
        recording.udp(5000 * i, ETH0, CLIENT, 51820, VPN, 51820, wireguard_initiation(i + 1))
    BEFORE["tcp"](recording, 3000)
    policy = Policy.from_options(vpn_endpoint=[f"{VPN}:51820"])
    assert judged(recording, policy, tmp_path).verdict.result == "leak"
    document = judged(recording, Policy(), tmp_path)
    assert document.verdict.result == "inconclusive"
    assert f"--vpn-endpoint {VPN}:51820" in document.verdict.reason


@pytest.mark.parametrize("kind", BEFORE)
def test_a_carrier_that_nobody_can_read_may_have_been_up_and_silent(
    tmp_path: Path, kind: str
) -> None:
    recording = Recording()
    BEFORE[kind](recording, 0)
    chosen = random.Random(1)
    for i in range(100):
        up, down = chosen.randbytes(300), chosen.randbytes(900)
        recording.exchange(4000 + 60 * i, ETH0, CLIENT, 4000, VPN, 7777, up, down)
        if i:
            recording.exchange(4000 + 60 * i, WG0, INNER, 40000, WEB, 443, up[:240], down[:840])
    options = {"tunnel": ["wg0"], "vpn_endpoint": [f"{VPN}:7777"]}
    verdict = judged(recording, Policy.from_options(**options), tmp_path).verdict
    assert verdict.result == "inconclusive" and "--always-on judges" in verdict.reason
    always = Policy.from_options(**options, always_on=True)
    assert judged(recording, always, tmp_path).verdict.result == "leak"
    BEFORE[kind](recording, 7000)
    assert judged(recording, Policy.from_options(**options), tmp_path).verdict.result == "leak"
