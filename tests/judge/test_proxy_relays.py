"""Where a SOCKS proxy relays UDP, in recordings that began after that was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import ACK, CLIENT, ETH0, PROXY, PSH, WEB, Recording, judged, tcp_packet

from pcapleak.policy.policy import Policy

POLICY = {"proxy": [f"socks5://{PROXY}:1080"]}
RELAY = f"{PROXY}:40404"


def joined_late(*, is_older: bool) -> Recording:
    """A connection to the proxy, and datagrams to another of its ports that nobody can read."""
    recording = Recording()
    recording.socks()
    if is_older:
        for at, packet in (
            (300, tcp_packet(CLIENT, 41500, PROXY, 1080, PSH | ACK, 5, b"x" * 20)),
            (301, tcp_packet(PROXY, 1080, CLIENT, 41500, ACK, 9, b"")),
        ):
            recording.ip(at, ETH0, packet)
    for at in range(400, 800, 100):
        relayed = b"\0\0\0\1" + bytes(map(int, WEB.split("."))) + b"\1\xbb" + b"\x7f" * 90
        recording.exchange(at, ETH0, CLIENT, 42000, PROXY, 40404, relayed, relayed)
    return recording


def test_what_may_be_a_proxys_relay_is_asked_about(tmp_path: Path) -> None:
    verdict = judged(joined_late(is_older=True), Policy.from_options(**POLICY), tmp_path).verdict
    assert verdict.result == "inconclusive"
    assert f"--allow {RELAY}/udp" in verdict.reason
    told = Policy.from_options(**POLICY, allow=[f"{RELAY}/udp"])
    assert judged(joined_late(is_older=True), told, tmp_path).verdict.result == "no-leak"


@pytest.mark.parametrize("scheme", ["socks5", "http"])
def test_without_an_older_connection_nothing_was_agreed_upon(tmp_path: Path, scheme: str) -> None:
    recording = joined_late(is_older=scheme == "http")
    policy = Policy.from_options(proxy=[f"{scheme}://{PROXY}:1080"])
    assert judged(recording, policy, tmp_path).verdict.result == "leak"
