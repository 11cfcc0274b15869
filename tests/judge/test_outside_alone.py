"""A carrier of which only the outside was recorded: what cannot be told apart is asked about."""

from __future__ import annotations

import base64
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    ROUTER,
    VPN,
    WEB,
    WG0,
    Recording,
    dns_answer,
    dns_query,
    ip_packet,
    judged,
    udp_packet,
)
from message_bytes import hello

from pcapleak import Policy

TUNNEL = Policy.from_options(tunnel=["wg9"])
PEER = "203.0.113.80"
INNER = "10.9.9.2"


def spread(recording: Recording, chosen: random.Random) -> None:
    """One server for every other exchange."""
    for i in range(60):
        server = (VPN, PEER)[i % 2]
        recording.exchange(
            100 * i, ETH0, CLIENT, 4000, server, 4443, chosen.randbytes(200), chosen.randbytes(900)
        )


def told_of_peers(recording: Recording, chosen: random.Random) -> None:
    """A server that is asked now and then, and a peer that carries."""
    for i in range(60):
        if i % 10 == 0:
            recording.exchange(
                100 * i, ETH0, CLIENT, 4000, VPN, 7654, chosen.randbytes(60), chosen.randbytes(90)
            )
        recording.exchange(
            100 * i + 9, ETH0, CLIENT, 4000, PEER, 51111,
            chosen.randbytes(200), chosen.randbytes(900),
        )  # fmt: skip


def in_dns(recording: Recording, chosen: random.Random, server: str = VPN) -> None:
    """Data in the names of queries below one domain."""
    for i in range(60):
        word = base64.b32encode(chosen.randbytes(35)).decode().lower()
        query = dns_query(f"{word}.t.example.net")
        answer = query[:2] + b"\x84" + query[3:] + chosen.randbytes(300)
        recording.exchange(100 * i, ETH0, CLIENT, 4000, server, 53, query, answer)


def on_dns_port(recording: Recording, chosen: random.Random) -> None:
    """What is no DNS at its port."""
    for i in range(60):
        recording.exchange(
            100 * i, ETH0, CLIENT, 4000, VPN, 53, chosen.randbytes(200), chosen.randbytes(900)
        )


def in_echoes(recording: Recording, chosen: random.Random) -> None:
    """Data in what ping sends, answered with other data."""
    for i in range(60):
        for kind, source, to, size in ((8, CLIENT, VPN, 200), (0, VPN, CLIENT, 900)):
            echo = struct.pack("!BBHHH", kind, 0, 0, 7, i) + chosen.randbytes(size)
            recording.ip(100 * i + 10 - kind, ETH0, ip_packet(source, to, 1, echo))


def asked(recording: Recording, server: str) -> None:
    recording.exchange(
        3000, ETH0, CLIENT, 50000, server, 53,
        dns_query("www.example.com"), dns_answer("www.example.com", WEB),
    )  # fmt: skip


CARRIERS: dict[str, tuple[Callable[[Recording, random.Random], None], tuple[str, ...]]] = {
    "two servers": (spread, (f"{VPN}:4443", f"{PEER}:4443")),
    "a server and a peer": (told_of_peers, (f"{PEER}:51111", f"{VPN}:7654")),
    "DNS's port": (on_dns_port, (f"{VPN}:53",)),
    "echoes": (in_echoes, (VPN,)),
    "queries": (in_dns, (f"{VPN}:53",)),
    "queries through the router": (
        lambda recording, chosen: in_dns(recording, chosen, ROUTER),
        (f"{ROUTER}:53",),
    ),
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_carrier_of_any_shape_is_asked_about(tmp_path: Path, carrier: str) -> None:
    play, endpoints = CARRIERS[carrier]
    recording = Recording()
    play(recording, random.Random(5))
    verdict = judged(recording, TUNNEL, tmp_path, (ETH0,)).verdict
    assert verdict.result == "inconclusive"
    for endpoint in endpoints:
        assert f"--vpn-endpoint {endpoint}" in verdict.reason
    told = Policy.from_options(vpn_endpoint=list(endpoints))
    assert judged(recording, told, tmp_path, (ETH0,)).verdict.result == "no-leak"
    asked(recording, ROUTER)
    for policy in (TUNNEL, told):
        assert judged(recording, policy, tmp_path, (ETH0,)).verdict.result == "leak"


def test_echoes_that_come_back_as_they_were_sent_are_no_carrier(tmp_path: Path) -> None:
    recording = Recording()
    for i in range(60):
        for kind, source, to in ((8, CLIENT, VPN), (0, VPN, CLIENT)):
            echo = struct.pack("!BBHHH", kind, 0, 0, 7, i) + bytes(200)
            recording.ip(100 * i + 10 - kind, ETH0, ip_packet(source, to, 1, echo))
    assert judged(recording, TUNNEL, tmp_path, (ETH0,)).verdict.result == "leak"


def test_visits_to_two_servers_are_no_carrier(tmp_path: Path) -> None:
    recording, chosen = Recording(), random.Random(5)
    for i, server in enumerate((VPN, PEER)):
        said = hello(b"site%d.example" % i), *(chosen.randbytes(900) for _ in range(60))
        recording.tcp(500 * i, ETH0, CLIENT, 50000 + i, server, 443, *said)
    assert judged(recording, TUNNEL, tmp_path, (ETH0,)).verdict.result == "leak"


def test_what_is_asked_beside_a_tunnel_in_dns_at_its_resolver_is_a_leak(tmp_path: Path) -> None:
    recording, chosen = Recording(), random.Random(6)
    in_dns(recording, chosen, ROUTER)
    for at, _, packet in list(recording.packets):
        up = packet[26:30] == bytes(map(int, CLIENT.split(".")))
        ends = (INNER, 4000, WEB, 443) if up else (WEB, 443, INNER, 4000)
        inner = udp_packet(*ends, chosen.randbytes(30 if up else 280))
        recording.packets.append((at, WG0, inner))
    recording.packets.sort()
    policy = Policy.from_options(tunnel=["wg0"])
    assert judged(recording, policy, tmp_path).verdict.result != "leak"
    asked(recording, ROUTER)
    assert judged(recording, policy, tmp_path).verdict.result == "leak"
