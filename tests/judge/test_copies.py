"""A packet that leaves by a bridge's port, or a bond's member, is one leak."""

from __future__ import annotations

from pathlib import Path

from builders import (
    CLIENT,
    INNER,
    RESOLVER,
    TUNNEL_POLICY,
    VPN,
    WEB,
    WG0,
    Recording,
    dns_answer,
    dns_query,
    judged,
    of,
    wireguard_initiation,
    wireguard_response,
)

ETH0, BR0 = 0, 2


def behind() -> Recording:
    recording = Recording(names=("eth0", "wg0", "br0"))
    for interface, ms in ((BR0, 0.0), (ETH0, 0.02)):
        recording.exchange(
            ms, interface, CLIENT, 40000, VPN, 51820, wireguard_initiation(), wireguard_response()
        )
    recording.tcp(100, WG0, INNER, 41000, WEB, 443, b"q", b"a")
    return recording


def ask(recording: Recording, ms: float, interface: int) -> None:
    answer = dns_answer("www.example.com", WEB)
    recording.exchange(ms, interface, CLIENT, 5000, RESOLVER, 53, dns_query(), answer)


def test_a_packet_on_bridge_and_port_is_one_finding(tmp_path: Path) -> None:
    recording = behind()
    ask(recording, 500, BR0)
    ask(recording, 500.02, ETH0)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "leak"
    (finding,) = of(document, "PL203")
    assert finding.interface == "br0"
    assert finding.frame_count == 1


def test_what_leaves_by_two_devices_at_two_times_is_two_findings(tmp_path: Path) -> None:
    """Near miss: the host roamed, and asked again from the same port."""
    recording = behind()
    ask(recording, 500, BR0)
    ask(recording, 3000, ETH0)
    assert len(of(judged(recording, TUNNEL_POLICY, tmp_path), "PL203")) == 2


def test_a_leak_on_one_of_them_alone_is_told(tmp_path: Path) -> None:
    for interface in (BR0, ETH0):
        recording = behind()
        ask(recording, 500, interface)
        assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "leak"
