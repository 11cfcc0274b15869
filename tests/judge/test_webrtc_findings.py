"""PL101 to PL107: each raised by a recording that shows it, and not by its near-miss."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from builders import (
    ACK,
    CLIENT,
    CLIENT6,
    ETH0,
    INNER,
    NO_POLICY,
    PROXY_POLICY,
    PUBLIC,
    STUN,
    STUN6,
    TUNNEL_POLICY,
    VPN,
    WEB,
    WG0,
    Recording,
    behind_tunnel,
    binding_request,
    binding_success,
    ids,
    judged,
    of,
    tcp_packet,
    wireguard_initiation,
    wireguard_response,
)
from stun_encoder import attribute, check, message, xor_address

from pcapleak.policy.policy import Policy


def test_an_answer_outside_that_names_the_public_address_is_critical(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL101")
    assert finding.severity == "critical"
    assert finding.addresses == [PUBLIC]
    assert document.verdict.result == "leak"
    assert document.verdict.exposed_addresses == [PUBLIC]
    assert finding.display_filter.endswith(f"stun.att.ipv4 == {PUBLIC}")


def test_the_same_answer_inside_the_tunnel_is_no_leak(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, WG0, INNER, 50000, VPN)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert not ids(document) & {"PL101", "PL102"}
    assert document.verdict.result == "no-leak"


def test_without_a_policy_the_answer_is_information(tmp_path: Path) -> None:
    recording = Recording()
    recording.stun(0, ETH0, CLIENT, 50000, PUBLIC)
    document = judged(recording, NO_POLICY, tmp_path)
    (finding,) = of(document, "PL101")
    assert finding.severity == "info"
    assert document.verdict.result == "no-policy"


def test_an_answer_that_names_the_exit_exposes_nothing(tmp_path: Path) -> None:
    """A router that tunnels too: the request is outside, the address is the exit's."""
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, VPN)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL101" not in ids(document)
    assert document.verdict.exposed_addresses == []
    assert "PL102" in ids(document)


def test_an_answer_to_a_remote_client_is_the_remotes_address(tmp_path: Path) -> None:
    """This host answers somebody's check: the address in it is that peer's own."""
    recording = behind_tunnel()
    recording.exchange(
        50,
        ETH0,
        "198.51.100.99",
        6000,
        CLIENT,
        50000,
        check(),
        message(0x0101, attribute(0x0020, xor_address("198.51.100.99", 6000, b"t" * 12))),
    )
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL101" not in ids(document)
    assert "198.51.100.99" not in document.verdict.exposed_addresses


def test_a_stun_server_that_answers_strangers_asks_nothing_itself(tmp_path: Path) -> None:
    recording = behind_tunnel()
    ends = ETH0, "198.51.100.99", 40000, CLIENT, 3478
    recording.exchange(50, *ends, binding_request(), binding_success("198.51.100.99", 40000))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL102")] == ["info"]
    assert document.verdict.result == "no-leak"
    recording.exchange(60, ETH0, CLIENT, 3478, "198.51.100.99", 40000, binding_request(b"u" * 12))
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "leak"


def test_a_stranger_whose_checks_this_host_answers_is_no_client(tmp_path: Path) -> None:
    recording = behind_tunnel()
    ends = ETH0, "198.51.100.99", 40000, CLIENT, 45000
    recording.exchange(50, *ends, check(), binding_success("198.51.100.99", 40000))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "leak"
    assert all(not session.candidates for session in document.ice_sessions)


def test_a_check_that_nobody_here_answers_is_no_leak_of_ours(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.udp(50, ETH0, "198.51.100.99", 6000, CLIENT, 50000, check())
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL102" not in ids(document)
    assert document.verdict.result == "no-leak"


def test_an_unanswered_request_outside_is_a_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    for i in range(3):
        recording.udp(50 + i, ETH0, CLIENT, 50000, STUN, 3478, binding_request())
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL102")
    assert finding.severity == "high"
    assert finding.frame_count == 3
    assert len(finding.frames) == 3
    assert "never answered" in finding.message
    assert document.verdict.exposed_addresses == []


def test_webrtc_between_hosts_of_the_local_network_is_no_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(50, ETH0, CLIENT, 50000, "192.168.50.9", 50001, check(), check())
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL102" not in ids(document)


def test_an_allowed_stun_server_is_no_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC)
    policy = TUNNEL_POLICY.merged(Policy.from_options(allow=[f"{STUN}:3478/udp"]))
    document = judged(recording, policy, tmp_path)
    assert not ids(document) & {"PL101", "PL102"}


def test_turn_over_tcp_beside_a_proxy_is_a_bypass_though_tcp_is_not(tmp_path: Path) -> None:
    recording = Recording()
    recording.socks()
    allocate = message(0x0003, attribute(0x0019, b"\x11\0\0\0"))
    answer = message(
        0x0103,
        attribute(0x0016, xor_address(STUN, 50001, b"t" * 12))
        + attribute(0x0020, xor_address(PUBLIC, 45000, b"t" * 12)),
    )
    recording.tcp(100, ETH0, CLIENT, 45000, STUN, 80, allocate, answer)
    recording.tcp(
        200, ETH0, CLIENT, 45001, WEB, 80, b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 204\r\n\r\n"
    )
    document = judged(recording, PROXY_POLICY, tmp_path)
    (finding,) = of(document, "PL101")
    assert finding.addresses == [PUBLIC], "the relayed address is the server's, not the client's"
    assert [entry.severity for entry in of(document, "PL204")] == ["info"]
    assert document.verdict.exposed_addresses == [PUBLIC]


def test_sockets_on_both_interfaces_at_once_are_enumeration(tmp_path: Path) -> None:
    recording = behind_tunnel()
    one, other = check(tie_breaker=77), check(tie_breaker=77)
    recording.stun(50, WG0, INNER, 50000, VPN)
    recording.stun(51, ETH0, CLIENT, 50001, PUBLIC, transaction_id=b"u" * 12)
    recording.udp(60, WG0, INNER, 50000, "198.51.100.99", 6000, one)
    recording.udp(61, ETH0, CLIENT, 50001, "198.51.100.99", 6000, other)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL103")
    assert finding.confidence == "high"
    assert "Mode 1" in finding.message


def test_what_the_tunnels_own_socket_asks_is_no_enumeration(tmp_path: Path) -> None:
    """A mesh VPN looks for its address while a page gathers inside."""
    recording = behind_tunnel()
    handshake = wireguard_initiation(), wireguard_response()
    recording.exchange(0, ETH0, CLIENT, 51820, VPN, 51820, *handshake)
    recording.stun(110, ETH0, CLIENT, 51820, PUBLIC)
    recording.stun(100, WG0, INNER, 50000, VPN, transaction_id=b"i" * 12)
    document = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path)
    assert document.verdict.result == "no-leak", document.verdict.reason
    recording.stun(120, ETH0, CLIENT, 50001, PUBLIC, transaction_id=b"o" * 12)
    document = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path)
    assert "PL103" in ids(document)


def test_one_socket_that_the_routes_split_is_no_enumeration(tmp_path: Path) -> None:
    """A wildcard socket asks two servers, one of them routed beside the tunnel: Mode 2."""
    recording = behind_tunnel()
    recording.stun(50, WG0, INNER, 50000, VPN)
    recording.stun(51, ETH0, CLIENT, 50000, PUBLIC, "198.51.100.11", b"u" * 12)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL103" not in ids(document)
    assert "PL102" in ids(document)


def test_a_port_that_goes_on_outside_moved(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, WG0, INNER, 50000, VPN)
    recording.stun(10_050, ETH0, CLIENT, 50000, PUBLIC, transaction_id=b"u" * 12)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL104")
    assert finding.severity == "critical"
    assert len(finding.frames) == 2
    assert "50000" in finding.message


def test_another_port_outside_did_not_move(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, WG0, INNER, 50000, VPN)
    recording.stun(10_050, ETH0, CLIENT, 50002, PUBLIC, transaction_id=b"u" * 12)
    assert "PL104" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_a_port_that_was_outside_for_a_while_moved_and_came_back(tmp_path: Path) -> None:
    """The tunnel's device stays, only the route went another way."""
    recording = behind_tunnel()
    recording.stun(50, WG0, INNER, 50000, VPN)
    recording.stun(10_050, ETH0, CLIENT, 50000, PUBLIC, transaction_id=b"u" * 12)
    recording.stun(20_050, WG0, INNER, 50000, VPN, transaction_id=b"v" * 12)
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL104")
    assert "later returned to the tunnel" in finding.message


def test_one_port_on_both_sides_from_the_beginning_did_not_move(tmp_path: Path) -> None:
    """Some agents bind one port on every interface."""
    recording = behind_tunnel()
    for at, transaction in ((50, b"t"), (20_050, b"u")):
        recording.stun(at, WG0, INNER, 50000, VPN, transaction_id=transaction * 12)
        recording.stun(at + 1, ETH0, CLIENT, 50000, PUBLIC, transaction_id=transaction * 12)
    assert "PL104" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_a_port_that_comes_back_into_the_tunnel_did_not_leave_it(tmp_path: Path) -> None:
    """Outside first, inside afterwards: the tunnel came up, it did not fail."""
    recording = Recording()
    recording.stun(0, ETH0, CLIENT, 50000, PUBLIC)
    recording.tunnel(1000)
    recording.stun(2000, WG0, INNER, 50000, VPN, transaction_id=b"u" * 12)
    assert "PL104" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_a_v4_mapped_answer_is_named_and_its_ipv4_address_exposed(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT6, 50000, f"::ffff:{PUBLIC}", STUN6)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert of(document, "PL105")[0].subject.startswith(f"::ffff:{PUBLIC}")
    assert PUBLIC in document.verdict.exposed_addresses


def test_a_plain_ipv6_answer_is_not_v4_mapped(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT6, 50000, CLIENT6, STUN6)
    assert "PL105" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def permission(*peers: str) -> bytes:
    return message(
        0x0008,
        b"".join(attribute(0x0012, xor_address(peer, 6000, b"t" * 12)) for peer in peers),
    )


def test_a_session_that_a_relay_alone_shows_is_the_relays_clients(tmp_path: Path) -> None:
    """The allocation is older than the recording."""
    recording = Recording()
    tid = b"d" * 12
    body = attribute(0x0012, xor_address("198.51.100.77", 5000, tid)) + attribute(0x0013, check())
    recording.udp(0, ETH0, CLIENT, 50000, STUN, 3478, message(0x0016, body, tid))
    (session,) = judged(recording, NO_POLICY, tmp_path).ice_sessions
    assert session.client_addresses == [CLIENT]
    assert not session.candidates


def test_peers_named_to_a_turn_server_are_listed_private_ones_first(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.udp(50, WG0, INNER, 50000, STUN, 3478, permission("198.51.100.99", "192.168.7.7"))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL106")
    assert finding.message.index("192.168.7.7") < finding.message.index("198.51.100.99")
    assert document.verdict.exposed_addresses == [], "they are the peers' addresses, not ours"


def test_an_allocation_names_no_peer(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.udp(50, WG0, INNER, 50000, STUN, 3478, message(0x0003))
    assert "PL106" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def offer(line: str) -> bytes:
    body = f"v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na={line}\r\n".encode()
    head = "POST /offer HTTP/1.1\r\nHost: www.example.com\r\n"
    head += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_a_private_address_in_a_signalled_host_candidate_is_named(tmp_path: Path) -> None:
    line = "candidate:1 1 udp 2122260223 192.168.50.42 50000 typ host generation 0"
    recording = behind_tunnel()
    recording.tcp(50, WG0, INNER, 45000, WEB, 80, offer(line), b"HTTP/1.1 204 No Content\r\n\r\n")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL107")
    assert "192.168.50.42" in finding.message


def test_a_local_name_in_a_signalled_candidate_is_what_is_expected(tmp_path: Path) -> None:
    name = "1a2b3c4d-1111-4222-8333-444455556666.local"
    line = f"candidate:1 1 udp 2113937151 {name} 50000 typ host generation 0"
    recording = behind_tunnel()
    recording.tcp(50, WG0, INNER, 45000, WEB, 80, offer(line), b"HTTP/1.1 204 No Content\r\n\r\n")
    assert "PL107" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_an_icmp_error_that_quotes_a_request_is_no_request(tmp_path: Path) -> None:
    from builders import ip_packet, udp_packet

    recording = behind_tunnel()
    quoted = udp_packet(CLIENT, 50000, STUN, 3478, binding_request())
    recording.ip(50, ETH0, ip_packet(STUN, CLIENT, 1, struct.pack("!BBHI", 3, 3, 0, 0) + quoted))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert not ids(document) & {"PL101", "PL102", "PL201"}


def test_many_servers_are_bounded(tmp_path: Path) -> None:
    """A hundred servers asked: the worst are listed, the rest is one finding."""
    recording = behind_tunnel()
    for i in range(100):
        recording.udp(50 + i, ETH0, CLIENT, 50000, f"198.51.100.{i + 100}", 3478, binding_request())
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    found = of(document, "PL102")
    assert len(found) == 33
    assert sum(finding.frame_count for finding in found) == 100
    assert any("many endpoints" in finding.subject for finding in found)


@pytest.mark.parametrize(("ms", "result"), [(50, "inconclusive"), (5000, "no-leak")])
def test_an_answer_alone_is_no_leak_and_at_the_beginning_no_proof_of_none(
    tmp_path: Path, ms: int, result: str
) -> None:
    """Its request may be older than the recording; later, a stranger sent it."""
    recording = behind_tunnel()
    recording.udp(ms, ETH0, STUN, 3478, CLIENT, 50000, binding_success(PUBLIC, 50000))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert (document.verdict.result, document.verdict.exposed_addresses) == (result, [])
    assert any("arrived unsolicited" in one.message for one in of(document, "PL901"))


def test_an_answer_counts_where_its_socket_goes_on_asking(tmp_path: Path) -> None:
    """The recording began in the middle of a gathering."""
    recording = behind_tunnel()
    recording.udp(50, ETH0, STUN, 3478, CLIENT, 50000, binding_success(PUBLIC, 50000))
    recording.udp(900, ETH0, CLIENT, 50000, STUN, 3478, binding_request(b"u" * 12))
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL101")
    assert (finding.confidence, finding.addresses) == ("medium", [PUBLIC])
    assert any("began in between" in reason for reason in finding.reasons)


def test_an_answer_that_a_recorder_swapped_with_its_request_counts(tmp_path: Path) -> None:
    recording = behind_tunnel()
    answer = binding_success(PUBLIC, 50000, b"u" * 12)
    recording.udp(9000, ETH0, STUN, 3478, CLIENT, 50000, answer)
    recording.udp(9000.1, ETH0, CLIENT, 50000, STUN, 3478, binding_request(b"u" * 12))
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL101")
    assert finding.confidence == "certain"


def test_dtls_of_another_protocol_over_tcp_is_not_webrtc(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.ip(50, ETH0, tcp_packet(CLIENT, 45000, WEB, 443, ACK, 1, b"\x16\xfe\xfd" + bytes(30)))
    assert "PL102" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))
