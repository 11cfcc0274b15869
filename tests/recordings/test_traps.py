"""The traps that other tools fell into, one test each."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    CLIENT6,
    ETH0,
    INNER,
    MS,
    NO_POLICY,
    PUBLIC,
    ROUTER,
    START_NS,
    STUN,
    TUNNEL_POLICY,
    VPN,
    WEB,
    WG0,
    Recording,
    behind_tunnel,
    binding_request,
    binding_success,
    dns_query,
    ids,
    judged,
    mdns_announcement,
    of,
    wireguard_data,
    wireguard_initiation,
    wireguard_response,
)
from stun_encoder import attribute, check, message, xor_address

from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document


@pytest.mark.parametrize("port", [80, 443, 33478])
def test_turn_over_tcp_is_found_by_structure_not_by_port(tmp_path: Path, port: int) -> None:
    recording = behind_tunnel()
    relayed = attribute(0x0016, xor_address(WEB, 50001, b"t" * 12))
    mapped = attribute(0x0020, xor_address(PUBLIC, 45000, b"t" * 12))
    answer = message(0x0103, relayed + mapped)
    recording.tcp(50, ETH0, CLIENT, 45000, WEB, port, message(0x0003), answer)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.exposed_addresses == [PUBLIC]


def test_media_shaped_like_wireguard_beside_others_is_no_carrier(corpus: Path) -> None:
    name = "ndpi__zoom.pcap"
    document = judged(corpus / "public" / name, Policy.from_options(tunnel=["wg0"]), corpus)
    assert "tunnel-transport" not in document.statistics.paths
    assert document.policy.fields["vpn_endpoints"].value == []
    assert document.verdict.result == "leak"


def test_media_that_is_all_there_is_may_be_a_carrier_and_proves_nothing(corpus: Path) -> None:
    name = "ndpi__zoom2.pcap"
    document = judged(corpus / "public" / name, Policy.from_options(tunnel=["wg0"]), corpus)
    assert document.verdict.result == "inconclusive"
    assert "--vpn-endpoint 144.195.73.154" in document.verdict.reason


def test_data_shaped_like_wireguard_beside_the_carrier_is_a_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    for i in range(40):
        recording.udp(50 + i, ETH0, CLIENT, 50000, WEB, 8801, wireguard_data(1000))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL201")] == ["high"]


@pytest.mark.parametrize("fingerprint", [b"", attribute(0x8028, b"\xde\xad\xbe\xef")])
def test_answers_without_or_with_a_wrong_fingerprint_count(
    tmp_path: Path, fingerprint: bytes
) -> None:
    mapped = attribute(0x0020, xor_address(PUBLIC, 50000, b"t" * 12))
    recording = behind_tunnel()
    recording.exchange(
        50,
        ETH0,
        CLIENT,
        50000,
        STUN,
        3478,
        binding_request(),
        message(0x0101, mapped + fingerprint),
    )
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.exposed_addresses == [PUBLIC]


def test_an_rfc3489_answer_counts(tmp_path: Path) -> None:
    from stun_encoder import classic, plain_address

    recording = behind_tunnel()
    answer = classic(0x0101, attribute(0x0001, plain_address(PUBLIC, 50000)))
    recording.exchange(50, ETH0, CLIENT, 50000, STUN, 3478, classic(0x0001), answer)
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.exposed_addresses == [PUBLIC]


def test_several_messages_in_one_segment_are_all_read(tmp_path: Path) -> None:
    one = message(0x0103, attribute(0x0020, xor_address(VPN, 45000, b"t" * 12)))
    other = binding_success(PUBLIC, 45000)
    recording = behind_tunnel()
    recording.tcp(
        50, ETH0, CLIENT, 45000, STUN, 3478, message(0x0003) + binding_request(), one + other
    )
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.statistics.protocols["stun"] == 4
    assert document.verdict.exposed_addresses == [PUBLIC]


def test_a_hostile_attribute_length_ends_no_run(tmp_path: Path) -> None:
    recording = behind_tunnel()
    broken = message(0x0001, struct.pack("!HH", 0x8022, 0xFFFF) + bytes(8))
    for i in range(2):
        recording.udp(50 + i, ETH0, CLIENT, 50000, STUN, 3478, broken)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL102" in ids(document), "malformed or not, it went outside"


@pytest.mark.parametrize("side", ["client", "server"])
def test_one_direction_alone_is_judged(tmp_path: Path, side: str) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC)
    kept = recording.packets.pop(-1 if side == "client" else -2)
    assert kept[1] == ETH0
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    # An answer that nobody is seen to ask for may be a stranger's.
    assert document.verdict.result == ("leak" if side == "client" else "inconclusive")
    assert document.verdict.exposed_addresses == []


@pytest.mark.parametrize("type_", [0x0200, 0x0800, 0x0802])
def test_methods_of_other_makers_are_traffic_outside_all_the_same(
    tmp_path: Path, type_: int
) -> None:
    recording = behind_tunnel()
    recording.exchange(50, ETH0, CLIENT, 50000, STUN, 3478, message(type_), message(type_ | 0x0100))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert ids(document) & {"PL102", "PL201"}
    assert document.verdict.result == "leak"


def test_relayed_and_peer_addresses_are_nobodys_leak(tmp_path: Path) -> None:
    relayed = attribute(0x0016, xor_address("198.51.100.99", 50001, b"t" * 12))
    peer = attribute(0x0012, xor_address("203.0.113.200", 6000, b"t" * 12))
    recording = behind_tunnel()
    recording.exchange(
        50, ETH0, CLIENT, 50000, STUN, 3478, message(0x0003), message(0x0103, relayed + peer)
    )
    recording.udp(60, ETH0, CLIENT, 50000, STUN, 3478, message(0x0008, peer))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL101" not in ids(document)
    assert document.verdict.exposed_addresses == []


def test_a_remotes_network_cost_says_nothing_of_this_hosts_mode(tmp_path: Path) -> None:
    cellular = check("Mine:Theirs", tie_breaker=9).replace(
        struct.pack("!HHHH", 0xC057, 4, 0, 999), struct.pack("!HHHH", 0xC057, 4, 3, 900)
    )
    recording = Recording()
    recording.stun(0, ETH0, CLIENT, 50000, PUBLIC)
    mine = check("Theirs:Mine", tie_breaker=7)
    recording.exchange(10, ETH0, CLIENT, 50000, "198.51.100.99", 6000, mine, cellular)
    document = judged(recording, NO_POLICY, tmp_path)
    session = next(one for one in document.ice_sessions if CLIENT in one.client_addresses)
    assert session.ip_handling_mode.mode != 1


def stun_beside_tunnel(port: int, tmp_path: Path) -> Document:
    """A tunnel's client asks a STUN server from `port`, outside the tunnel."""
    recording = behind_tunnel()
    software = attribute(0x8022, b"tailnode")
    ask = message(0x0001, software, fingerprint=True)
    recording.exchange(50, ETH0, CLIENT, port, STUN, 3478, ask, binding_success(PUBLIC, port))
    return judged(recording, TUNNEL_POLICY, tmp_path)


def test_what_the_carriers_own_socket_asks_is_information(tmp_path: Path) -> None:
    document = stun_beside_tunnel(51820, tmp_path)
    assert [finding.severity for finding in of(document, "PL102")] == ["info"]
    assert document.verdict.result == "no-leak"
    assert document.verdict.exposed_addresses == []


def test_the_name_of_a_vpn_in_a_message_excuses_nothing(tmp_path: Path) -> None:
    document = stun_beside_tunnel(41641, tmp_path)
    assert document.verdict.result == "leak"
    assert document.verdict.exposed_addresses == [PUBLIC]


def test_shared_address_space_is_no_proof_of_a_tunnel(tmp_path: Path) -> None:
    """100.64.0.0/10 is Tailscale's and every large provider's."""
    recording = Recording()
    recording.stun(0, ETH0, "100.64.3.4", 50000, PUBLIC)
    document = judged(recording, Policy(), tmp_path)
    assert document.captures[0].interfaces[ETH0].role == "physical"
    assert document.verdict.result == "no-policy"


def test_multicast_dns_counts_in_the_tunnel_and_not_on_the_lan(tmp_path: Path) -> None:
    name = "1a2b3c4d-1111-4222-8333-444455556666.local"
    recording = behind_tunnel()
    recording.udp(50, ETH0, CLIENT, 5353, "224.0.0.251", 5353, mdns_announcement(name, CLIENT))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert {f.severity for f in document.findings if f.id.startswith("PL3")} == {"low"}
    recording.udp(60, WG0, INNER, 5353, "224.0.0.251", 5353, mdns_announcement(name, CLIENT))
    assert "PL303" in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_a_resolver_on_the_local_network_leaks_names(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.udp(50, ETH0, CLIENT, 40001, ROUTER, 53, dns_query())
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "leak"


def test_a_pool_of_exits_is_judged_by_path_not_by_address(tmp_path: Path) -> None:
    """Inside the tunnel STUN shows another address of the pool than the one that was given."""
    policy = TUNNEL_POLICY.merged(Policy.from_options(exit_ip=["198.51.100.40"]))
    recording = behind_tunnel()
    recording.stun(50, WG0, INNER, 50000, "198.51.100.47")
    document = judged(recording, policy, tmp_path)
    assert document.verdict.result == "no-leak"
    assert document.verdict.exposed_addresses == []


def test_a_tunnel_that_reconnects_to_another_server_stays_the_tunnel(tmp_path: Path) -> None:
    recording = Recording()
    for ms, server in ((0, VPN), (60_000, "198.51.100.41")):
        recording.exchange(
            ms, ETH0, CLIENT, 51820, server, 51820, wireguard_initiation(), wireguard_response()
        )
        recording.exchange(
            ms + 100, ETH0, CLIENT, 51820, server, 51820, wireguard_data(), wireguard_data()
        )
    policy = Policy.from_options(tunnel=["wg0"])
    document = judged(recording, policy, tmp_path)
    assert document.policy.fields["vpn_endpoints"].value == [
        f"{VPN}:51820/udp",
        "198.51.100.41:51820/udp",
    ]
    assert document.verdict.result == "no-leak"
    stale = judged(recording, TUNNEL_POLICY, tmp_path)
    assert stale.verdict.result == "no-leak", "a completed handshake proves the other server too"


@pytest.mark.parametrize("at", [1, 39, 41, 200])
def test_no_leeway_hides_what_leaks_around_a_transition(tmp_path: Path, at: int) -> None:
    recording = behind_tunnel()
    recording.exchange(at, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL201")
    assert finding.first_time == START_NS + at * MS
    assert any(event.time == finding.first_time for event in document.timeline)


def test_no_stimulus_is_no_pass(tmp_path: Path) -> None:
    policy = TUNNEL_POLICY.merged(Policy.from_options(require=["stun"]))
    assert judged(behind_tunnel(), policy, tmp_path).verdict.result == "inconclusive"


def test_names_and_ipv6_in_candidates_are_read(tmp_path: Path) -> None:
    lines = (
        "candidate:1 1 udp 2113937151 1a2b3c4d-1111-4222-8333-444455556666.local 50000 typ host",
        f"candidate:2 1 udp 2113939711 {CLIENT6} 50001 typ host",
        "candidate:3 1 udp 2113939711 fd00::42 50002 typ host",
        "candidate:4 1 udp 2113939711 example.invalid 50003 typ host",
    )
    body = "".join(f"a={line}\r\n" for line in lines).encode()
    head = (
        "POST /offer HTTP/1.1\r\nHost: www.example.com\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    recording = behind_tunnel()
    recording.tcp(50, WG0, INNER, 45000, WEB, 80, head.encode() + body, b"HTTP/1.1 204 No\r\n\r\n")
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL107")
    assert finding.addresses == ["fd00::42"]


def test_ordinary_captures_without_a_policy_raise_no_alarm(corpus: Path) -> None:
    """All public captures, by inference alone: nothing of severity high."""
    from pcapleak.errors import CaptureError

    alarms = {}
    for path in sorted((corpus / "public").iterdir()):
        try:
            document = judged(path, Policy(), corpus)
        except CaptureError:
            continue
        found = [f.message for f in document.findings if f.severity in ("critical", "high")]
        if found:
            alarms[path.name] = found
    assert alarms == {}
