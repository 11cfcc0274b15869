"""What was not recorded lowers what may be said, and is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import variants
from builders import (
    ACK,
    CLIENT,
    ETH0,
    INNER,
    PUBLIC,
    VPN,
    WEB,
    WG0,
    Recording,
    behind_tunnel,
    judged,
    of,
    tcp_packet,
)
from msgspec.structs import replace

from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document

TUNNEL = {"tunnel": ["wg0"], "vpn_endpoint": [f"{VPN}:51820"]}


def filtered(recording: Recording, expression: str, tmp_path: Path) -> Path:
    read = variants.read(recording.write(tmp_path / "built.pcapng"))
    interfaces = tuple(replace(one, filter=expression) for one in read.interfaces)
    path = tmp_path / "filtered.pcapng"
    replace(read, interfaces=interfaces).write(path)
    return path


@pytest.mark.parametrize(
    ("expression", "result"),
    [("ip or ip6", "no-leak"), ("not arp", "no-leak"), ("tcp or udp", "inconclusive")],
)
def test_a_filter_that_loses_nothing_is_no_gap(
    tmp_path: Path, expression: str, result: str
) -> None:
    path = filtered(behind_tunnel(), expression, tmp_path)
    assert judged(path, Policy.from_options(**TUNNEL), tmp_path).verdict.result == result


def messages(document: Document) -> str:
    return " ".join(finding.message for finding in of(document, "PL901"))


def test_an_uplink_that_was_not_recorded_forbids_the_all_clear(tmp_path: Path) -> None:
    for name, result in (("eth0", "no-leak"), ("wwan0", "inconclusive")):
        policy = Policy.from_options(**TUNNEL, uplink=[name])
        document = judged(behind_tunnel(), policy, tmp_path)
        assert document.verdict.result == result
        assert ("wwan0" in messages(document)) == (result != "no-leak")


def test_private_networks_beyond_the_clients_own_are_told(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.tcp(500, ETH0, CLIENT, 50000, "192.168.50.9", 22, b"hello", b"hello")
    policy = Policy.from_options(**TUNNEL)
    assert "beyond" not in messages(judged(recording, policy, tmp_path))
    recording.tcp(600, ETH0, CLIENT, 50001, "10.20.30.40", 22, b"hello", b"hello")
    document = judged(recording, policy, tmp_path)
    assert "private networks beyond the client's own (10.20.30.0/24)" in messages(document)
    assert document.verdict.result == "no-leak"
    assert "10.20.30.0/24" in document.verdict.reason


def test_names_that_may_have_been_missed_are_told(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(500, ETH0, CLIENT, 50000, PUBLIC)
    document = judged(recording, Policy.from_options(**TUNNEL), tmp_path)
    assert "Not all multicast traffic of the client was recorded" in messages(document)


def test_a_tunnel_whose_way_out_was_not_recorded_is_no_all_clear(tmp_path: Path) -> None:
    recording = Recording()
    for i in range(40):
        recording.ip(10 * i, WG0, tcp_packet(INNER, 40000, WEB, 80, ACK, 1, bytes(60)))
        recording.ip(10 * i + 2, WG0, tcp_packet(WEB, 80, INNER, 40000, ACK, 1, bytes(60)))
    recording.tcp(500, ETH0, CLIENT, 50000, "192.168.50.9", 22, b"hello", b"hello")
    for options in ({}, {"client": [CLIENT]}, {"vpn_endpoint": [f"{VPN}:51820"]}):
        policy = Policy.from_options(tunnel=["wg0"], **options)
        verdict = judged(recording, policy, tmp_path).verdict
        assert verdict.result == "inconclusive" and "record it too" in verdict.reason


@pytest.mark.parametrize(("client", "confidence"), [([], "high"), ([CLIENT], "certain")])
def test_what_shares_alone_say_is_no_certain_finding(
    tmp_path: Path, client: list[str], confidence: str
) -> None:
    """Nobody knows whose packets these are but by who is in all of them."""
    recording = Recording(link_types=(101, 101, 1))
    for i in range(5):
        recording.tcp(100 * i, ETH0, CLIENT, 50000 + i, f"198.51.100.{60 + i}", 443, b"hi", b"ho")
    policy = Policy.from_options(tunnel=["wg9"], uplink=["eth0"], client=client)
    document = judged(recording, policy, tmp_path)
    assert document.verdict.result == "leak"
    assert {one.confidence for one in document.findings if one.id == "PL204"} == {confidence}
