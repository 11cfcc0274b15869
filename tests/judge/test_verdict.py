"""The verdict, the coverage ledger, PL901 and the observers."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import (
    CLIENT,
    CLIENT6,
    ETH0,
    INNER,
    PROXY_POLICY,
    PUBLIC,
    START_NS,
    STUN,
    TUNNEL_POLICY,
    WEB,
    WEB6,
    WG0,
    Recording,
    behind_tunnel,
    binding_request,
    ids,
    judged,
    mdns_announcement,
    of,
)
from capture_files import Pcapng

from pcapleak.policy.policy import Policy


def test_a_tunnels_recording_alone_is_inconclusive(tmp_path: Path) -> None:
    document = judged(behind_tunnel(), TUNNEL_POLICY, tmp_path, (WG0,))
    assert document.verdict.result == "inconclusive"
    assert "physical interface was not recorded" in document.verdict.reason
    assert "PL901" in ids(document)


def test_a_physical_interface_without_a_packet_was_recorded_all_the_same(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.packets = [packet for packet in recording.packets if packet[1] == WG0]
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "inconclusive"
    assert document.verdict.reason.startswith("No packet was seen on eth0, so traffic outside")


@pytest.mark.parametrize("policy", [TUNNEL_POLICY, PROXY_POLICY])
def test_a_tunnel_or_proxy_that_carried_nothing_is_inconclusive(
    tmp_path: Path, policy: Policy
) -> None:
    recording = Recording()
    recording.udp(0, ETH0, CLIENT, 5353, "224.0.0.251", 5353, mdns_announcement("a.local", CLIENT))
    document = judged(recording, policy, tmp_path)
    assert document.verdict.result == "inconclusive"
    assert "No traffic was seen in" in document.verdict.reason


def test_a_client_of_whom_nothing_was_recorded_is_no_all_clear(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC)
    policy = TUNNEL_POLICY.merged(Policy.from_options(client=["192.168.50.43"]))
    document = judged(recording, policy, tmp_path)
    assert document.verdict.result == "inconclusive"
    assert "192.168.50.43" in document.verdict.reason
    assert "--client" in document.verdict.reason


def test_among_many_hosts_nobody_knows_whose_traffic_to_judge(tmp_path: Path) -> None:
    recording = Recording()
    for i in range(20):
        recording.exchange(i, ETH0, f"192.168.50.{i + 100}", 50000, f"198.51.100.{i + 60}", 9999,
                           b"there", b"back")  # fmt: skip
    recording.exchange(50, WG0, INNER, 40000, WEB, 9999, b"there", b"back")
    policy = Policy.from_options(tunnel=["wg0"])
    document = judged(recording, policy, tmp_path)
    assert document.verdict.result == "inconclusive"
    assert "name the client" in document.verdict.reason


def test_a_local_proxy_needs_the_loopback_interface(tmp_path: Path) -> None:
    recording = Recording()
    recording.tcp(0, ETH0, CLIENT, 52000, WEB, 9001, b"\x16\3\1" + bytes(90), bytes(90))
    policy = Policy.from_options(proxy=["socks5://127.0.0.1:9050"])
    document = judged(recording, policy, tmp_path, (ETH0,))
    assert document.verdict.result == "inconclusive"
    assert "loopback" in document.verdict.reason


def test_a_capture_without_packets_says_so(tmp_path: Path) -> None:
    assert "no IP packet" in judged(Recording(), Policy(), tmp_path).verdict.reason


def test_a_carrier_that_nobody_answers_carries_nothing(tmp_path: Path) -> None:
    from builders import VPN, wireguard_initiation

    recording = Recording()
    recording.udp(0, ETH0, CLIENT, 51820, VPN, 51820, wireguard_initiation())
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "inconclusive"


def test_a_leak_is_a_leak_though_the_tunnel_carried_nothing(tmp_path: Path) -> None:
    recording = Recording()
    recording.stun(0, ETH0, CLIENT, 50000, PUBLIC)
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "leak"


@pytest.mark.parametrize(("kind", "result"), [("tcp", "no-leak"), ("stun", "inconclusive")])
def test_required_kinds_must_have_been_seen(tmp_path: Path, kind: str, result: str) -> None:
    policy = TUNNEL_POLICY.merged(Policy.from_options(require=[kind]))
    document = judged(behind_tunnel(), policy, tmp_path)
    assert document.verdict.result == result
    if result == "inconclusive":
        assert kind in document.verdict.reason


def test_the_ledger_says_what_was_seen_and_where_it_went(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, WG0, INNER, 50000, "198.51.100.40")
    recording.udp(60, ETH0, CLIENT, 50001, STUN, 3478, binding_request())
    ledger = {entry.kind: entry for entry in judged(recording, TUNNEL_POLICY, tmp_path).coverage}
    assert ledger["stun"].paths == {"tunnel": 2, "bypass": 1}
    assert not ledger["quic"].seen


def test_a_tunnel_alone_tells_of_nothing_seen(tmp_path: Path) -> None:
    recording = Recording()
    for moment in range(20):
        recording.udp(moment, ETH0, CLIENT, 40000, "198.51.100.9", 51820, b"\4\0\0\0" + bytes(92))
        recording.udp(moment, ETH0, "198.51.100.9", 51820, CLIENT, 40000, b"\4\0\0\0" + bytes(92))
    policy = Policy.from_options(vpn_endpoint=["198.51.100.9:51820"])
    document = judged(recording, policy, tmp_path, (ETH0,))
    assert document.verdict.result == "no-leak"
    assert document.verdict.reason == (
        "Nothing was tested: the capture holds no traffic that could leak. "
        "No traffic bypassed 198.51.100.9:51820."
    )
    (udp,) = (entry for entry in document.coverage if entry.kind == "udp")
    assert udp.note == "seen only as what carries the tunnel, so not tested"


def test_what_other_hosts_did_puts_nothing_to_the_test(tmp_path: Path) -> None:
    """A network's recording: the neighbour's STUN is neither judged nor a proof of anything."""
    recording = behind_tunnel()
    recording.stun(50, ETH0, "192.168.50.43", 50000, PUBLIC)
    policy = TUNNEL_POLICY.merged(Policy.from_options(client=[CLIENT]))
    document = judged(recording, policy, tmp_path)
    assert document.verdict.result == "no-leak"
    assert "Not tested (none in the capture): STUN" in document.verdict.reason
    assert document.verdict.reason.endswith("Other hosts (192.168.50.43) are not judged.")
    assert any("192.168.50.43" in finding.message for finding in of(document, "PL901"))
    stun = next(entry for entry in document.coverage if entry.kind == "stun")
    assert (stun.seen, stun.paths) == (False, {"unassessed": 2})
    assert "only from other hosts" in stun.note
    required = policy.merged(Policy.from_options(require=["stun"]))
    assert judged(recording, required, tmp_path).verdict.result == "inconclusive"
    both = TUNNEL_POLICY.merged(Policy.from_options(client=[CLIENT, "192.168.50.43"]))
    assert judged(recording, both, tmp_path).verdict.result == "leak"


def test_without_a_policy_each_host_of_a_network_is_told_of(tmp_path: Path) -> None:
    recording = Recording()
    recording.stun(0, ETH0, CLIENT, 50000, PUBLIC)
    recording.stun(50, ETH0, "192.168.77.42", 50000, "203.0.113.99")
    document = judged(recording, Policy(), tmp_path)
    assert document.verdict.result == "no-policy"
    assert document.verdict.exposed_addresses == [PUBLIC, "203.0.113.99"]


def test_a_servers_own_recording_exposes_no_client_of_it(tmp_path: Path) -> None:
    recording = Recording()
    for i in range(20):
        recording.exchange(i, ETH0, f"203.0.113.{i + 100}", 50000, STUN, 9999, b"there", b"back")
    recording.stun(50, ETH0, "203.0.113.9", 50000, "203.0.113.9")
    document = judged(recording, Policy(), tmp_path)
    assert document.verdict.exposed_addresses == []


def test_a_proxy_that_is_not_inferred_is_named_as_what_may_be_meant(tmp_path: Path) -> None:
    """One that only fetched a page in clear: not surely the way for everything."""
    recording = Recording()
    recording.tcp(0, ETH0, CLIENT, 50000, "198.51.100.30", 8080,
                  b"GET http://www.example/ HTTP/1.1\r\nHost: www.example\r\n\r\n",
                  b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # fmt: skip
    verdict = judged(recording, Policy(), tmp_path).verdict
    assert verdict.result == "no-policy"
    assert verdict.reason.endswith("--proxy http://198.51.100.30:8080")


def test_a_tunnel_declared_without_packets_is_not_recorded(tmp_path: Path) -> None:
    recording = Recording()
    recording.stun(0, ETH0, CLIENT, 50000, PUBLIC)
    limits = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL901")
    assert any(limit.message.startswith("Traffic inside wg0 is unknown") for limit in limits)


def test_an_announced_name_shows_that_candidates_were_gathered(tmp_path: Path) -> None:
    recording = behind_tunnel()
    name = "1a2b3c4d-1111-4222-8333-444455556666.local"
    recording.udp(50, ETH0, CLIENT, 5353, "224.0.0.251", 5353, mdns_announcement(name, CLIENT))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (entry,) = (entry for entry in document.coverage if entry.kind == "stun")
    assert not entry.seen
    assert "did gather candidates" in entry.note


def with_drops(recording: Recording, path: Path, drops: int) -> Path:
    import struct

    recording.write(path)
    statistics = struct.pack("<III", 0, 0, 0) + Pcapng().options((5, struct.pack("<Q", drops)))
    path.write_bytes(path.read_bytes() + Pcapng().block(5, statistics))
    return path


@pytest.mark.parametrize(("drops", "result"), [(0, "no-leak"), (7, "inconclusive")])
def test_dropped_packets_forbid_the_all_clear(tmp_path: Path, drops: int, result: str) -> None:
    path = with_drops(behind_tunnel(), tmp_path / "drops.pcapng", drops)
    document = judged(path, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == result
    assert ("PL901" in ids(document)) == bool(drops)


def test_a_cut_file_is_said_to_be_one(tmp_path: Path) -> None:
    path = behind_tunnel().write(tmp_path / "cut.pcapng")
    path.write_bytes(path.read_bytes()[:-5])
    document = judged(path, TUNNEL_POLICY, tmp_path)
    assert any("truncated" in finding.message for finding in of(document, "PL901"))


def test_observers_tell_who_learned_an_address_and_how(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (entry,) = (entry for entry in document.observers if entry.fact.startswith(PUBLIC))
    assert entry.fact == f"{PUBLIC} (real public IPv4)"
    assert "the page" in entry.learned_by
    assert entry.through == ["STUN or TURN answer"]
    assert entry.frames == of(document, "PL101")[0].frames


def test_findings_come_worst_first_and_times_are_the_packets(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    order = ["critical", "high", "medium", "low", "info"]
    ranks = [order.index(finding.severity) for finding in document.findings]
    assert ranks == sorted(ranks)
    assert of(document, "PL102")[0].first_time == START_NS + 50_000_000


def test_display_filters_show_the_evidence(tmp_path: Path, tshark: str) -> None:
    """Each filter is Wireshark's own language and finds the frames it is given for."""
    import subprocess

    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC)
    recording.udp(60, ETH0, INNER, 50001, "198.51.100.77", 9999, b"x" * 30)
    recording.udp(70, ETH0, CLIENT, 5353, "224.0.0.251", 5353, mdns_announcement(NAME, INNER))
    path = recording.write(tmp_path / "built.pcapng")
    document = judged(path, TUNNEL_POLICY, tmp_path)
    assert {"PL101", "PL102", "PL201", "PL206", "PL301", "PL302"} <= ids(document)
    for finding in document.findings:
        if not finding.frames:
            continue
        shown = subprocess.run(
            [
                tshark,
                "-r",
                str(path),
                "-Y",
                finding.display_filter,
                "-T",
                "fields",
                "-e",
                "frame.number",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert set(finding.frames) <= {int(number) for number in shown}, finding.display_filter


NAME = "1a2b3c4d-1111-4222-8333-444455556666.local"


@pytest.mark.parametrize(("kept", "result"), [(42, "inconclusive"), (54, "leak")])
def test_packets_cut_within_their_addresses_prove_no_silence(
    tmp_path: Path, kept: int, result: str
) -> None:
    recording = behind_tunnel()
    recording.udp(50, ETH0, CLIENT6, 40000, WEB6, 9999, b"hello")
    file = Pcapng()
    blocks = [
        file.section(),
        file.interface(1, kept, (9, b"\x09"), (2, b"eth0")),
        file.interface(101, kept, (9, b"\x09"), (2, b"wg0")),
    ]
    for ns, interface, data in recording.packets:
        blocks.append(file.packet(data[:kept], ns, interface, original=len(data)))
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(b"".join(blocks))
    assert judged(cut, TUNNEL_POLICY, tmp_path).verdict.result == result


def test_packets_cut_by_the_snap_length_are_counted(tmp_path: Path) -> None:
    recording = behind_tunnel()
    path = recording.write(tmp_path / "whole.pcapng")
    assert "PL901" not in ids(judged(path, TUNNEL_POLICY, tmp_path))
    file = Pcapng()
    blocks = [file.section(), file.interface(1, 0, (9, b"\x09"), (2, b"eth0"))]
    for ns, interface, data in recording.packets:
        if interface == ETH0:
            blocks.append(file.packet(data[:60], ns, original=len(data)))
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(b"".join(blocks))
    found = of(judged(cut, TUNNEL_POLICY, tmp_path), "PL901")
    assert any("8 of 8" in finding.message for finding in found)
