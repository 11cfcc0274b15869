"""What carries a tunnel: by bytes and times that agree, whatever it looks like."""

from __future__ import annotations

import random
import struct
from itertools import pairwise
from pathlib import Path

import pytest
from builders import (
    ACK,
    CLIENT,
    ETH0,
    INNER,
    LO,
    PUBLIC,
    VPN,
    WEB,
    WG0,
    Recording,
    dns_answer,
    dns_query,
    ike,
    judged,
    tcp_packet,
    udp_packet,
    wireguard_data,
    wireguard_initiation,
    wireguard_response,
)

from pcapleak import Policy

OTHER = "203.0.113.90"
QUIC = b"\x40"
DTLS = b"\x17\xfe\xfd\0\1\0\0\0\0\0\1"
RTP = b"\x80\x60"
NOISE = b"\x99"
SHAPES = {"quic": QUIC, "dtls": DTLS, "rtp": RTP, "noise": NOISE}

TUNNEL = Policy.from_options(tunnel=["wg0"])


def carried(
    shape: bytes = NOISE, exchanges: int = 60, ports: int = 1, servers: tuple[str, ...] = (VPN,),
    overhead: int = 60, down: int = 1100, late: float = 0.0,
) -> Recording:  # fmt: skip
    """A tunnel whose inside and outside were recorded: one question and answer after the other,
    each in an outer packet of `shape` to one of the servers and ports."""
    recording, chosen = Recording(), random.Random(1)
    for i in range(exchanges):
        at = 100 * i + late
        up, size = chosen.randrange(60, 300), chosen.randrange(down // 2, down)
        server, port = servers[i % len(servers)], 443 + i % ports
        for ms, inner, outer, length in (
            (at, (INNER, 40000, WEB, 443), (CLIENT, 4000, server, port), up),
            (at + 30, (WEB, 443, INNER, 40000), (server, port, CLIENT, 4000), size),
        ):
            recording.ip(ms, WG0, udp_packet(*inner, bytes((7,)) + chosen.randbytes(length)))
            padding = chosen.randbytes(length + 29 + overhead - len(shape))
            recording.ip(ms + 1, ETH0, udp_packet(*outer, shape + padding))
    return recording


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ports", [1, 3, 9])
def test_what_is_conserved_is_a_carrier_whatever_it_looks_like(
    tmp_path: Path, shape: str, ports: int
) -> None:
    recording = carried(SHAPES[shape], ports=ports)
    for policy in (TUNNEL, Policy()):
        document = judged(recording, policy, tmp_path)
        assert document.verdict.result == "no-leak", document.verdict.reason
        assert any(
            "inner bytes match" in r for r in document.policy.fields["vpn_endpoints"].reasons
        )


def test_two_servers_may_carry_one_tunnel_and_prove_less(tmp_path: Path) -> None:
    document = judged(carried(servers=(VPN, "198.51.100.41")), TUNNEL, tmp_path)
    assert document.verdict.result == "inconclusive"
    assert f"--vpn-endpoint {VPN}:443 --vpn-endpoint 198.51.100.41:443" in document.verdict.reason


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("exchanges", [6, 60])
def test_what_is_beside_a_conserved_carrier_is_a_leak(
    tmp_path: Path, shape: str, exchanges: int
) -> None:
    """Joined late, one question by DNS, one to a STUN server, one by IPv6."""
    for leak in range(3):
        recording = carried(SHAPES[shape], exchanges)
        if leak == 0:
            recording.exchange(
                300, ETH0, CLIENT, 50000, "9.9.9.9", 53, dns_query("secret.example"), b"\0" * 30
            )
        elif leak == 1:
            recording.stun(300, ETH0, CLIENT, 50000, PUBLIC)
        else:
            recording.ip(300, ETH0, udp_packet("2a00::1", 50000, "2a01::2", 443, QUIC + bytes(80)))
            recording.ip(320, ETH0, udp_packet("2a01::2", 443, "2a00::1", 50000, QUIC + bytes(80)))
        for policy in (TUNNEL, Policy()):
            assert judged(recording, policy, tmp_path).verdict.result == "leak"


@pytest.mark.parametrize("options", [{}, {"tunnel": ["tun1", "wg0"]}], ids=["", "tunnels"])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_of_two_tunnels_has_its_own_carrier(
    tmp_path: Path, shape: str, options: dict[str, list[str]]
) -> None:
    """The other one's handshake is all that is known of either."""
    policy = Policy.from_options(**options)
    for exchanges, result in ((60, "no-leak"), (20, "inconclusive")):
        recording = carried(SHAPES[shape], exchanges)
        recording.names = ("eth0", "wg0", "tun1")
        recording.link_types = (1, 101, 101)
        handshake = wireguard_initiation(), wireguard_response()
        recording.exchange(5, ETH0, CLIENT, 51820, OTHER, 51820, *handshake)
        for i in range(10):
            for ends, outer in (
                (("10.77.0.2", 5000, WEB, 443), (CLIENT, 51820, OTHER, 51820)),
                ((WEB, 443, "10.77.0.2", 5000), (OTHER, 51820, CLIENT, 51820)),
            ):
                recording.ip(100 + 50 * i, 2, udp_packet(*ends, bytes((7,)) + bytes(200)))
                recording.ip(101 + 50 * i, ETH0, udp_packet(*outer, wireguard_data(240)))
        verdict = judged(recording, policy, tmp_path).verdict
        assert verdict.result == result, verdict.reason
        # What is beside both is a leak as ever.
        recording.ip(300, ETH0, udp_packet(CLIENT, 50000, WEB, 443, QUIC + bytes(300)))
        recording.ip(320, ETH0, udp_packet(WEB, 443, CLIENT, 50000, QUIC + bytes(300)))
        assert judged(recording, policy, tmp_path).verdict.result == "leak"


@pytest.mark.parametrize("options", [{}, {"tunnel": ["wg0"]}], ids=["", "tunnel"])
@pytest.mark.parametrize("shape", SHAPES)
def test_another_server_that_carries_what_goes_inside_is_asked_about(
    tmp_path: Path, shape: str, options: dict[str, list[str]]
) -> None:
    """A mistyped one is told: the right one is no leak past it, but what is beside it is."""
    policy = Policy.from_options(vpn_endpoint=["198.51.100.99:443"], **options)
    verdict = judged(carried(SHAPES[shape]), policy, tmp_path).verdict
    assert verdict.result == "inconclusive", verdict.reason
    assert verdict.reason.endswith(f"--vpn-endpoint {VPN}:443")
    beside, read, spoken = (carried(SHAPES[shape]) for _ in range(3))
    beside.stun(300, ETH0, CLIENT, 50000, PUBLIC)
    read.exchange(300, ETH0, CLIENT, 50000, VPN, 53, dns_query("secret.example"), b"\0" * 30)
    spoken.udp(300, ETH0, CLIENT, 4001, "198.51.100.99", 443, NOISE + bytes(80))
    for recording in (beside, read, spoken):
        assert judged(recording, policy, tmp_path).verdict.result == "leak"


@pytest.mark.parametrize("port", [53, 3478])
@pytest.mark.parametrize(
    "endpoint", [[], [f"{VPN}:443"], [VPN], [f"{VPN}:443/udp"]], ids=["", "port", "host", "udp"]
)
def test_what_can_be_read_at_the_carriers_address_is_beside_it(
    tmp_path: Path, port: int, endpoint: list[str]
) -> None:
    recording = carried()
    if port == 53:
        recording.exchange(
            300, ETH0, CLIENT, 50000, VPN, 53, dns_query("secret.example"), dns_query("x.example")
        )
    else:
        recording.stun(300, ETH0, CLIENT, 50000, PUBLIC, server=VPN)
    policy = Policy.from_options(tunnel=["wg0"], vpn_endpoint=endpoint)
    assert judged(recording, policy, tmp_path).verdict.result == "leak"


@pytest.mark.parametrize("port", [500, 4500])
def test_an_endpoint_at_one_port_of_ipsec_has_the_other_too(tmp_path: Path, port: int) -> None:
    """RFC 7296 section 2.23: it begins at 500 and moves to 4500."""
    recording = Recording()
    first = ike(34, response=False, opening=True), ike(34, response=True)
    recording.exchange(0, ETH0, CLIENT, 500, VPN, 500, *first)
    marker, auth = bytes(4), {"message_id": 1}
    then = ike(35, response=False, **auth), ike(35, response=True, **auth)
    recording.exchange(50, ETH0, CLIENT, 4500, VPN, 4500, *(marker + one for one in then))
    for i in range(20):
        esp = b"\1\2\3\4" + bytes(200)
        recording.exchange(100 + 50 * i, ETH0, CLIENT, 4500, VPN, 4500, esp, esp)
    policy = Policy.from_options(vpn_endpoint=[f"{VPN}:{port}"])
    verdict = judged(recording, policy, tmp_path).verdict
    assert verdict.result == "no-leak", verdict.reason
    recording.tcp(500, ETH0, CLIENT, 50000, VPN, 80, b"GET / HTTP/1.1\r\n\r\n", bytes(99))
    assert judged(recording, policy, tmp_path).verdict.result == "leak"


def test_many_more_packets_than_went_inside_are_no_carrier(tmp_path: Path) -> None:
    recording = carried(exchanges=10)
    for i in range(400):
        recording.ip(2.5 * i, ETH0, udp_packet(CLIENT, 5000, WEB, 9000, bytes(900)))
        recording.ip(2.5 * i + 1, ETH0, udp_packet(WEB, 9000, CLIENT, 5000, bytes(900)))
    document = judged(recording, TUNNEL, tmp_path)
    assert document.verdict.result == "leak" and "PL201" in {f.id for f in document.findings}


def test_hints_for_a_guessed_carrier_settle_it(tmp_path: Path) -> None:
    recording = carried(exchanges=3)
    document = judged(recording, TUNNEL, tmp_path)
    assert document.verdict.result == "inconclusive"
    endpoint = document.verdict.reason.split("--vpn-endpoint ")[1]
    told = Policy.from_options(tunnel=["wg0"], vpn_endpoint=[endpoint])
    assert judged(recording, told, tmp_path).verdict.result == "no-leak"


@pytest.mark.parametrize("shape", SHAPES)
def test_with_the_outside_alone_the_one_server_is_named(tmp_path: Path, shape: str) -> None:
    recording = carried(SHAPES[shape])
    recording.packets = [one for one in recording.packets if one[1] == ETH0]
    document = judged(recording, TUNNEL, tmp_path)
    assert document.verdict.result == "inconclusive"
    assert f"--vpn-endpoint {VPN}:443" in document.verdict.reason
    assert f"--vpn-endpoint {VPN}:443" in judged(recording, Policy(), tmp_path).verdict.reason


def local_proxy(way_out: str, exchanges: int = 60) -> Recording:
    """Clients of a proxy on this host, and what goes out of it."""
    recording, chosen = Recording(), random.Random(2)
    seq = [1000, 1000]
    for i in range(exchanges):
        for ms, local, outer, length in (
            (100 * i, (50000, 1080), (CLIENT, 4000, VPN, 443), chosen.randrange(60, 300)),
            (100 * i + 30, (1080, 50000), (VPN, 443, CLIENT, 4000), chosen.randrange(500, 1100)),
        ):
            way = local[0] == 1080
            recording.ip(ms, LO, tcp_packet("127.0.0.1", local[0], "127.0.0.1", local[1],
                                            ACK, seq[way], chosen.randbytes(length)))  # fmt: skip
            seq[way] += length
            data = chosen.randbytes(length + 40)
            packet = (
                udp_packet(*outer, NOISE + data)
                if way_out == "udp"
                else tcp_packet(*outer, ACK, seq[way] + 41 * i, NOISE + data)
            )
            recording.ip(ms + 1, ETH0, packet)
    return recording


@pytest.mark.parametrize("way_out", ["udp", "tcp"])
def test_the_way_out_of_a_proxy_on_this_host_is_what_its_clients_bytes_are_in(
    tmp_path: Path, way_out: str
) -> None:
    policy = Policy.from_options(proxy=["socks5://127.0.0.1:1080"], strict=True)
    recording = local_proxy(way_out)
    assert judged(recording, policy, tmp_path).verdict.result == "no-leak"
    recording.stun(500, ETH0, CLIENT, 50000, PUBLIC)
    assert judged(recording, policy, tmp_path).verdict.result == "leak"


def options_of(reason: str) -> dict[str, list[str]]:
    """The options that a verdict's reason names, as `Policy.from_options` takes them."""
    found: dict[str, list[str]] = {}
    words = reason.replace(";", " ").split()
    for option, value in pairwise(words):
        if option.startswith("--") and value not in ("or", "and"):
            found.setdefault(option[2:].replace("-", "_"), []).append(value.rstrip(".,"))
    return found


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("exchanges", [2, 12, 60])
@pytest.mark.parametrize("servers", [(VPN,), (VPN, "198.51.100.41")])
@pytest.mark.parametrize("ports", [1, 2, 8])
@pytest.mark.parametrize("named", [True, False])
def test_a_hint_that_is_followed_makes_no_leak_of_a_clean_recording(
    tmp_path: Path, inside: bool, exchanges: int, servers: tuple[str, ...], ports: int, named: bool
) -> None:
    recording = carried(exchanges=exchanges, servers=servers, ports=ports)
    if not inside:
        recording.packets = [one for one in recording.packets if one[1] == ETH0]
    options = {"tunnel": ["wg0"]} if named else {}
    document = judged(recording, Policy.from_options(**options), tmp_path)
    if len(servers) == 1 or (inside and exchanges > 2):
        assert document.verdict.result != "leak", document.verdict.reason
    told = options_of(document.verdict.reason)
    if told and document.verdict.result != "leak":
        followed = judged(recording, Policy.from_options(**{**options, **told}), tmp_path)
        assert followed.verdict.result != "leak", (told, followed.verdict.reason)


def test_a_hint_for_a_proxy_on_this_host_makes_no_leak(tmp_path: Path) -> None:
    for way_out in ("udp", "tcp"):
        for exchanges in (2, 60):
            recording = local_proxy(way_out, exchanges)
            options = {"proxy": ["socks5://127.0.0.1:1080"]}
            document = judged(recording, Policy.from_options(**options), tmp_path)
            assert document.verdict.result != "leak"
            told = options_of(document.verdict.reason)
            followed = judged(recording, Policy.from_options(**{**options, **told}), tmp_path)
            assert followed.verdict.result == "no-leak", followed.verdict.reason


def client_hello(name: str) -> bytes:
    """A TLS record with a hello that names its server."""
    host = name.encode()
    listed = struct.pack("!HBH", len(host) + 3, 0, len(host)) + host
    extensions = struct.pack("!HH", 0, len(listed)) + listed
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\x01" + b"\1\0"
    body += struct.pack("!H", len(extensions)) + extensions
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + struct.pack("!H", len(message)) + message


@pytest.mark.parametrize(("address", "result"), [(WEB, "leak"), (VPN, "no-leak")])
def test_tls_for_a_name_of_another_server_is_beside_the_carrier(
    tmp_path: Path, address: str, result: str
) -> None:
    """The name was looked up inside; at the VPN's own server it may be its service's."""
    recording = carried(exchanges=100)
    lookup = dns_query("shop.example"), dns_answer("shop.example", address)
    recording.exchange(50, WG0, INNER, 41000, "10.66.0.1", 53, *lookup)
    recording.tcp(3000, ETH0, CLIENT, 52000, VPN, 443, client_hello("shop.example"), bytes(200))
    assert judged(recording, TUNNEL, tmp_path).verdict.result == result
