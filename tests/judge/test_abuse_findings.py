"""PL501 to PL504: what a page can do with STUN, each with what looks like it and is none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    NO_POLICY,
    STUN,
    SYN,
    TUNNEL_POLICY,
    Recording,
    behind_tunnel,
    binding_request,
    ids,
    ip_packet,
    judged,
    of,
    tcp_packet,
    udp_packet,
)
from stun_encoder import attribute, check, message, xor_address

from pcapleak.report.document import Document

LO = 2
LOCALHOST = "127.0.0.1"
COOKIE_VALUE = "fb.1.1749026000123.859734652718451023:Ab3d"
TURN = "203.0.113.90"
_ids = count(1)


def request(username: str, *, extra: bytes = b"", controlling: bool = True) -> bytes:
    """A check of its own transaction."""
    data = check(username, extra=extra, controlling=controlling)
    return data[:8] + next(_ids).to_bytes(12, "big") + data[20:]


def success(asked: bytes, address: str, port: int, extra: bytes = b"") -> bytes:
    """An agent's answer: signed, as only who knows the password makes it."""
    body = attribute(0x0020, xor_address(address, port, asked[8:20])) + extra
    return message(0x0101, body, asked[8:20], key=b"password", fingerprint=True)


def both_check(
    recording: Recording, ms: float, interface: int, one: tuple[str, int], other: tuple[str, int]
) -> None:
    """Two agents that check each other."""
    for source, to, name in ((one, other, "Recv:Send"), (other, one, "Send:Recv")):
        asked = request(name, controlling=source is one)
        recording.exchange(ms, interface, *source, *to, asked, success(asked, *source))
        ms += 2


def report(recording: Recording, tmp_path: Path) -> Document:
    return judged(recording, NO_POLICY, tmp_path)


# PL501


@pytest.mark.parametrize("address", [LOCALHOST, "127.8.8.8", "::1"])
def test_checks_to_loopback_that_carry_a_cookie_are_a_channel(address: str, tmp_path: Path) -> None:
    recording = behind_tunnel()
    source = "::1" if ":" in address else LOCALHOST
    for i in range(6):
        recording.udp(50 + i, LO, source, 40000 + i, address, 12580 + i, request(COOKIE_VALUE))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL501")
    assert (finding.severity, finding.confidence) == ("high", "certain")
    assert COOKIE_VALUE in finding.message
    assert ", ".join(str(12580 + i) for i in range(6)) in finding.message
    assert document.verdict.result == "no-leak"


def test_a_local_program_that_answers_as_ice_is_told_where_the_name_holds_data(
    tmp_path: Path,
) -> None:
    recording = Recording()
    asked = request(COOKIE_VALUE)
    answer = success(asked, LOCALHOST, 40000)
    recording.exchange(0, LO, LOCALHOST, 40000, LOCALHOST, 12580, asked, answer)
    (finding,) = of(report(recording, tmp_path), "PL501")
    assert finding.severity == "high"


def test_plain_stun_that_no_program_answers_is_a_channel_too(tmp_path: Path) -> None:
    recording = Recording()
    recording.udp(0, LO, LOCALHOST, 40000, LOCALHOST, 12580, binding_request())
    (finding,) = of(report(recording, tmp_path), "PL501")
    assert finding.severity == "high"


def test_an_allocate_request_over_tcp_to_loopback_is_a_channel(tmp_path: Path) -> None:
    recording = Recording()
    allocate = message(0x0003, attribute(0x0019, b"\x11\0\0\0") + attribute(0x0006, b"user=7;s=x"))
    recording.tcp(0, LO, LOCALHOST, 40000, LOCALHOST, 12387, allocate)
    (finding,) = of(report(recording, tmp_path), "PL501")
    assert "user=7;s=x" in finding.message


def test_what_was_carried_is_shown_escaped_and_cut_short(tmp_path: Path) -> None:
    recording = Recording()
    recording.udp(0, LO, LOCALHOST, 4000, LOCALHOST, 1258, request(f"\x1b[31m{'x' * 200}:Ab3d"))
    (finding,) = of(report(recording, tmp_path), "PL501")
    assert "\x1b" not in finding.message
    assert "\\x1b[31mxxx" in finding.message
    assert len(finding.message) < 400


def test_a_call_between_two_local_programs_is_no_channel(tmp_path: Path) -> None:
    recording = Recording()
    both_check(recording, 0, LO, (LOCALHOST, 40000), (LOCALHOST, 40001))
    both_check(recording, 20, LO, (CLIENT, 40000), (CLIENT, 40001))
    assert not ids(report(recording, tmp_path)) & {"PL501", "PL502", "PL503"}


def test_a_local_stun_server_is_information(tmp_path: Path) -> None:
    recording = Recording()
    recording.stun(0, LO, LOCALHOST, 40000, LOCALHOST, server=LOCALHOST)
    (finding,) = of(report(recording, tmp_path), "PL501")
    assert finding.severity == "info"


def test_a_local_program_that_cannot_sign_is_no_agent(tmp_path: Path) -> None:
    """It hears the request, but does not know the password, which only signalling tells."""
    recording = Recording()
    for i in range(3):
        asked = request("AbCd:EfGh")
        mapped = attribute(0x0020, xor_address(LOCALHOST, 40000, asked[8:20]))
        answer = message(0x0101, mapped, asked[8:20])
        recording.exchange(10 * i, LO, LOCALHOST, 40000, LOCALHOST, 12580, asked, answer)
    (finding,) = of(report(recording, tmp_path), "PL501")
    assert finding.severity == "high"


# PL502


def scan(recording: Recording, hosts: int, ports: int = 1, *, answered: bool = False) -> None:
    for host in range(2, 2 + hosts):
        for port in range(ports):
            asked = request("AbCd:EfGh")
            to = f"192.168.1.{100 + host}"
            answer = (success(asked, CLIENT, 50000),) if answered else ()
            at = 50 * host + port
            recording.exchange(at, ETH0, CLIENT, 50000, to, 8000 + port, asked, *answer)


@pytest.mark.parametrize(("hosts", "ports"), [(40, 1), (1, 40), (8, 1)])
def test_checks_to_many_silent_hosts_or_ports_are_a_scan(
    hosts: int, ports: int, tmp_path: Path
) -> None:
    recording = Recording()
    scan(recording, hosts, ports)
    (finding,) = of(report(recording, tmp_path), "PL502")
    assert finding.severity == "medium"
    assert f"{hosts} host" in finding.message


def test_servers_that_a_page_made_up_are_a_scan_too(tmp_path: Path) -> None:
    recording = Recording()
    for host in range(20):
        at = f"192.168.1.{100 + host}"
        recording.udp(host, ETH0, CLIENT, 50000 + host, at, 3478, binding_request())
        recording.tcp(host, ETH0, CLIENT, 51000 + host, at, 80, message(0x0003))
    (finding,) = of(report(recording, tmp_path), "PL502")
    assert "20 hosts" in finding.message
    assert "40 addresses and ports" in finding.message


def test_tcp_ports_that_are_closed_count_beside_one_that_is_open(tmp_path: Path) -> None:
    recording = Recording()
    recording.tcp(0, ETH0, CLIENT, 51000, "192.168.1.100", 80, message(0x0003))
    for host in range(20):
        ends = CLIENT, 51001 + host, f"192.168.1.{101 + host}", 80
        recording.ip(10 * host, ETH0, tcp_packet(*ends, SYN, 1000))
    (finding,) = of(report(recording, tmp_path), "PL502")
    assert "21 hosts" in finding.message


def test_a_scan_over_tcp_without_stun_is_none_of_webrtc(tmp_path: Path) -> None:
    recording = Recording()
    for host in range(20):
        ends = CLIENT, 51001 + host, f"192.168.1.{101 + host}", 80
        recording.ip(10 * host, ETH0, tcp_packet(*ends, SYN, 1000))
    assert "PL502" not in ids(report(recording, tmp_path))


def test_a_conference_of_thirty_members_on_the_lan_is_no_scan(tmp_path: Path) -> None:
    recording = Recording()
    for member in range(30):
        one = CLIENT, 50000 + member
        both_check(recording, 10 * member, ETH0, one, (f"192.168.1.{100 + member}", 40000))
    assert not ids(report(recording, tmp_path)) & {"PL502", "PL503"}


def reached(recording: Recording) -> None:
    """A peer on the internet that answers to the scan's username."""
    asked = request("AbCd:EfGh")
    answer = success(asked, CLIENT, 50000)
    recording.exchange(3000, ETH0, CLIENT, 50000, "198.51.100.77", 6000, asked, answer)


@pytest.mark.parametrize("spoken", [False, True])
def test_a_conference_of_which_one_direction_was_recorded_is_no_scan(
    spoken: bool, tmp_path: Path
) -> None:
    """Encrypted media goes to who answered; without it, nothing tells it from a scan."""
    recording = Recording()
    record = b"\x16\xfe\xfd" + bytes(8) + b"\0\x0c\1" + bytes(11)
    for member in range(30):
        ends = CLIENT, 50000 + member, f"192.168.1.{100 + member}", 40000
        recording.udp(10 * member, ETH0, *ends, request(f"Re{member:02}:Se{member:02}"))
        if spoken:
            recording.udp(10 * member + 5, ETH0, *ends, record)
    assert ("PL502" in ids(report(recording, tmp_path))) is not spoken


def test_a_peer_with_many_addresses_that_one_answers_for_is_no_scan(tmp_path: Path) -> None:
    """Each network of its containers has one."""
    recording = Recording()
    reached(recording)
    for network in range(20):
        to = f"172.{16 + network // 4}.{network}.1"
        recording.udp(20 * network, ETH0, CLIENT, 50000, to, 40000, request("AbCd:EfGh"))
    for name in range(10):
        to = f"fd00::{name:x}"
        recording.udp(20 * name, ETH0, "fd00::42", 50000, to, 40000, request("AbCd:EfGh"))
    assert "PL502" not in ids(report(recording, tmp_path))


@pytest.mark.parametrize("of_networks", [1, 40])
def test_a_session_that_lives_hides_no_scan_behind_it(of_networks: int, tmp_path: Path) -> None:
    """Its peer may be the page itself, or a server of its own."""
    recording = Recording()
    reached(recording)
    for host in range(40):
        to = f"10.0.{host % of_networks}.{100 + host}"
        recording.udp(20 * host, ETH0, CLIENT, 50000, to, 8080, request("AbCd:EfGh"))
    (finding,) = of(report(recording, tmp_path), "PL502")
    assert "40 hosts" in finding.message


def test_a_few_silent_candidates_are_no_scan(tmp_path: Path) -> None:
    recording = Recording()
    scan(recording, 7, 2)
    assert "PL502" not in ids(report(recording, tmp_path))


# PL503


def pieces(size: int = 40) -> Iterator[str]:
    for i in range(10):
        yield (f"{i}c2Vzc2lvbj1hYmNkZWY" * 12)[:size]


def test_usernames_that_change_and_are_none_of_ice_carry_data(tmp_path: Path) -> None:
    recording = Recording()
    for i, piece in enumerate(pieces()):
        recording.udp(i, ETH0, CLIENT, 50000 + i, STUN, 3478, request(f"{piece}:Ab3d"))
    (finding,) = of(report(recording, tmp_path), "PL503")
    assert finding.severity == "medium"
    assert "10 different values of USERNAME" in finding.message


def test_short_usernames_that_change_from_message_to_message_carry_data(tmp_path: Path) -> None:
    recording = Recording()
    for i, piece in enumerate(pieces(8)):
        recording.udp(i, ETH0, CLIENT, 50000, STUN, 3478, request(f"{piece}:Ab3d"))
    (finding,) = of(report(recording, tmp_path), "PL503")
    assert finding.confidence == "medium"


def test_turn_usernames_that_change_all_the_time_carry_data(tmp_path: Path) -> None:
    recording = Recording()
    for i, piece in enumerate(pieces()):
        body = attribute(0x0019, b"\x11\0\0\0") + attribute(0x0006, piece.encode())
        recording.udp(i, ETH0, CLIENT, 50000 + i, TURN, 3478, message(0x0003, body))
    (finding,) = of(report(recording, tmp_path), "PL503")
    assert "USERNAME (TURN)" in finding.message


@pytest.mark.parametrize(
    ("type_", "name"), [(0x8022, "SOFTWARE"), (0x0014, "REALM"), (0xC0DE, "0xC0DE")]
)
def test_answers_that_say_something_new_each_time_carry_data(
    type_: int, name: str, tmp_path: Path
) -> None:
    recording = Recording()
    for i, piece in enumerate(pieces()):
        asked = request("Recv:Send")
        answer = success(asked, CLIENT, 50000, attribute(type_, piece.encode()))
        recording.exchange(10 * i, ETH0, CLIENT, 50000, STUN, 3478, asked, answer)
    (finding,) = of(report(recording, tmp_path), "PL503")
    assert f"values of {name} to {CLIENT}" in finding.message


NAMES = [(0x8022, "SOFTWARE"), (0x0014, "REALM"), (0x0015, "NONCE")]


@pytest.mark.parametrize(("type_", "name"), NAMES)
@pytest.mark.parametrize("words", ["", "cut in words "], ids=["one word", "words"])
def test_answers_to_sockets_that_each_ask_once_carry_data(
    type_: int, name: str, words: str, tmp_path: Path
) -> None:
    recording = Recording()
    for i, piece in enumerate(pieces()):
        asked = message(0x0003, attribute(0x0019, b"\x11\0\0\0"), next(_ids).to_bytes(12, "big"))
        body = attribute(0x0009, b"\0\0\4\1Unauthorized") + attribute(
            type_, (words + piece).encode()
        )
        error = message(0x0113, body, asked[8:20])
        recording.exchange(10 * i, ETH0, CLIENT, 50000 + i, TURN, 3478, asked, error)
    found = of(report(recording, tmp_path), "PL503")
    # A server has another NONCE each time.
    assert len(found) == (name != "NONCE" or bool(words))
    assert all(f"values of {name} to {CLIENT}" in finding.message for finding in found)


def test_a_servers_name_at_each_of_its_machines_is_no_data(tmp_path: Path) -> None:
    recording = Recording()
    for i in range(20):
        asked = request("Recv:Send")
        named = attribute(0x8022, f"TurnServer-machine-{i % 5}".encode())
        answer = success(asked, CLIENT, 50000 + i, named)
        recording.exchange(10 * i, ETH0, CLIENT, 50000 + i, STUN, 3478, asked, answer)
    assert "PL503" not in ids(report(recording, tmp_path))


@pytest.mark.parametrize(("networks", "sockets"), [(12, 1), (12, 12), (3, 12)])
def test_addresses_that_a_server_makes_up_carry_data(
    networks: int, sockets: int, tmp_path: Path
) -> None:
    """A provider's NAT has a few."""
    recording = Recording()
    for i in range(12):
        asked, port = binding_request(next(_ids).to_bytes(12, "big")), 50000 + i % sockets
        address = f"203.{i % networks}.113.{i % 2}"
        mapped = attribute(0x0020, xor_address(address, port, asked[8:20]))
        answer = message(0x0101, mapped, asked[8:20])
        recording.exchange(10 * i, ETH0, CLIENT, port, STUN, 3478, asked, answer)
    found = of(report(recording, tmp_path), "PL503")
    assert len(found) == (networks > 3)
    assert all("XOR-MAPPED-ADDRESS" in finding.message for finding in found)


@pytest.mark.parametrize(
    ("calls", "granted", "relaying", "found"),
    [(9, True, False, 0), (12, True, True, 0), (12, True, False, 1), (9, False, False, 1)],
)
def test_credentials_that_a_relay_grants_for_each_call_are_no_data(
    calls: int, granted: bool, relaying: bool, found: int, tmp_path: Path
) -> None:
    """As Twilio, Teams and WhatsApp make them; a server that takes any name is none of those."""
    recording = Recording()
    for i, piece in enumerate((list(pieces(64)) * 2)[:calls]):
        tid, port = next(_ids).to_bytes(12, "big"), 50000 + i
        body = attribute(0x0019, b"\x11\0\0\0") + attribute(0x0006, f"{i}-{piece}".encode())
        relayed = attribute(0x0016, xor_address(TURN, 60000 + i, tid))
        answer = message(0x0103, relayed, tid)
        if not granted:
            answer = message(0x0113, attribute(0x0009, b"\0\0\4\1Unauthorized"), tid)
        ends = CLIENT, port, TURN, 3478
        recording.exchange(100 * i, ETH0, *ends, message(0x0003, body, tid), answer)
        if relaying:
            recording.exchange(100 * i + 5, ETH0, *ends, *permission("198.51.100.9", 16947))
    assert len(of(report(recording, tmp_path), "PL503")) == found


@pytest.mark.parametrize("relaying", [False, True])
def test_credentials_of_which_one_direction_was_recorded_are_told_by_what_follows(
    relaying: bool, tmp_path: Path
) -> None:
    recording = Recording()
    for i, piece in enumerate(pieces(64)):
        body = attribute(0x0019, b"\x11\0\0\0") + attribute(0x0006, piece.encode())
        asked = message(0x0003, body, next(_ids).to_bytes(12, "big"))
        recording.udp(100 * i, ETH0, CLIENT, 50000 + i, TURN, 3478, asked)
        if relaying:
            asked, _ = permission("198.51.100.9", 16947)
            recording.udp(100 * i + 5, ETH0, CLIENT, 50000 + i, TURN, 3478, asked)
    assert ("PL503" in ids(report(recording, tmp_path))) is not relaying


def test_usernames_of_requests_that_are_no_checks_carry_data(tmp_path: Path) -> None:
    recording = Recording()
    for i, piece in enumerate(pieces()):
        asked = message(0x0001, attribute(0x0006, piece.encode()), next(_ids).to_bytes(12, "big"))
        recording.udp(100 * i, ETH0, CLIENT, 50000 + i, STUN, 3478, asked)
    assert "PL503" in ids(report(recording, tmp_path))


def test_what_the_world_sends_unasked_is_no_data_of_the_hosts(tmp_path: Path) -> None:
    recording = behind_tunnel()
    for i, piece in enumerate(pieces()):
        recording.udp(i, ETH0, STUN, 3478, CLIENT, 50000 + i, request(f"{piece}:Ab3d"))
    assert "PL503" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_error_texts_that_change_carry_data_to_the_page(tmp_path: Path) -> None:
    recording = Recording()
    for i, piece in enumerate(pieces(30)):
        transaction = next(_ids).to_bytes(12, "big")
        error = message(0x0111, attribute(0x0009, b"\0\0\4\1" + piece.encode()), transaction)
        asked = binding_request(transaction)
        recording.exchange(10 * i, ETH0, CLIENT, 50000, STUN, 3478, asked, error)
    (finding,) = of(report(recording, tmp_path), "PL503")
    assert "ERROR-CODE" in finding.message


def test_long_names_that_stay_the_same_are_no_data(tmp_path: Path) -> None:
    """As Teams, Zoom and WhatsApp have them, and relays whose credentials say when they expire."""
    recording = Recording()
    zoom = "E04D943F-C271-C96A-C27D-DCBD09778680:2040F7EC-3FBF-61F7-1AC2-AAD5D4610A8E"
    long = f"{'Qm9yaW5nQnV0TG9uZw' * 6}:{'dG9rZW4' * 8}"
    for i in range(8):
        recording.udp(i, ETH0, CLIENT, 50000, STUN, 8801, request(zoom))
        recording.udp(i, ETH0, CLIENT, 50001, STUN, 3479, request(long))
        name = f"{1749026000 + i}:a-user-with-a-long-name@example.com".encode()
        body = attribute(0x0019, b"\x11\0\0\0") + attribute(0x0006, name)
        recording.udp(i, ETH0, CLIENT, 51000 + i, TURN, 3478, message(0x0003, body))
    assert "PL503" not in ids(report(recording, tmp_path))


def test_counters_in_attributes_of_a_vendor_are_no_data(tmp_path: Path) -> None:
    recording = Recording()
    for i in range(10):
        extra = attribute(0xC0DE, i.to_bytes(8, "big"))
        recording.udp(i, ETH0, CLIENT, 50000, STUN, 3478, request("Recv:Send", extra=extra))
    assert "PL503" not in ids(report(recording, tmp_path))


def test_usernames_that_end_as_base64_does_are_no_data(tmp_path: Path) -> None:
    """As Microsoft's ICE made them."""
    recording = Recording()
    for i in range(5):
        name = f"Wqv2tKFJL9FX8xcf0bx{i}U8CqUcJEHvMg==:{i}"
        asked = request(name)
        answer = success(asked, CLIENT, 50000 + i)
        recording.exchange(5 * i, ETH0, CLIENT, 50000 + i, STUN, 3478, asked, answer)
    assert "PL503" not in ids(report(recording, tmp_path))


def test_an_ice_restart_or_two_carry_no_data(tmp_path: Path) -> None:
    recording = Recording()
    for i, name in enumerate(("AbCd:EfGh", "IjKl:MnOp", "QrSt:UvWx") * 4):
        recording.udp(i, ETH0, CLIENT, 50000, STUN, 3478, request(name))
    assert "PL503" not in ids(report(recording, tmp_path))


# PL504


def permission(address: str, port: int = 80, type_: int = 0x0008) -> tuple[bytes, bytes]:
    transaction = next(_ids).to_bytes(12, "big")
    body = attribute(0x0012, xor_address(address, port, transaction))
    return message(type_, body, transaction), message(type_ | 0x100, b"", transaction)


def allocated(recording: Recording, relayed: str = TURN) -> None:
    transaction = next(_ids).to_bytes(12, "big")
    body = attribute(0x0016, xor_address(relayed, 60000, transaction))
    body += attribute(0x0020, xor_address("198.51.100.77", 50001, transaction))
    asked = message(0x0003, attribute(0x0019, b"\x11\0\0\0"), transaction)
    answer = message(0x0103, body, transaction)
    recording.exchange(0, ETH0, CLIENT, 50001, TURN, 3478, asked, answer)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "fd00:ec2::254",
     "168.63.129.16", "fe80::1", "64:ff9b::7f00:1", "2002:a9fe:a9fe::", "::127.0.0.1",
     "255.255.255.255", "224.0.0.251", "ff02::1"],
)  # fmt: skip
@pytest.mark.parametrize("type_", [0x0008, 0x0009, 0x000A])
def test_a_relay_asked_for_itself_or_its_cloud_is_a_pivot(
    address: str, type_: int, tmp_path: Path
) -> None:
    recording = Recording()
    allocated(recording)
    recording.exchange(10, ETH0, CLIENT, 50001, TURN, 3478, *permission(address, type_=type_))
    document = report(recording, tmp_path)
    (finding,) = of(document, "PL504")
    assert finding.severity == "medium"
    assert document.verdict.result == "no-policy"


def test_the_relays_own_private_network_is_a_pivot(tmp_path: Path) -> None:
    recording = Recording()
    allocated(recording, "10.20.30.40")
    recording.exchange(10, ETH0, CLIENT, 50001, TURN, 3478, *permission("10.20.30.1"))
    assert "PL504" in ids(report(recording, tmp_path))


def test_a_tcp_connection_to_a_private_address_is_a_pivot(tmp_path: Path) -> None:
    recording = Recording()
    allocated(recording)
    recording.exchange(10, ETH0, CLIENT, 50001, TURN, 3478, *permission("10.0.0.1", type_=0x000A))
    assert "PL504" in ids(report(recording, tmp_path))


def test_a_refusal_is_told(tmp_path: Path) -> None:
    recording = Recording()
    allocated(recording)
    asked, _ = permission("127.0.0.1")
    error = message(0x0118, attribute(0x0009, b"\0\0\4\3Forbidden IP"), asked[8:20])
    recording.exchange(10, ETH0, CLIENT, 50001, TURN, 3478, asked, error)
    (finding,) = of(report(recording, tmp_path), "PL504")
    assert "some or all were refused (error 403)" in finding.message


def test_private_peers_of_a_company_are_no_pivot(tmp_path: Path) -> None:
    recording = Recording()
    allocated(recording)
    for host in range(15):
        asked = permission(f"10.1.{host}.7", 50000 + host)
        recording.exchange(10 + 2 * host, ETH0, CLIENT, 50001, TURN, 3478, *asked)
    assert "PL504" not in ids(report(recording, tmp_path))


def test_many_private_addresses_that_nobody_checks_are_a_pivot(tmp_path: Path) -> None:
    recording = Recording()
    allocated(recording)
    for host in range(16):
        asked = permission(f"10.1.1.{host + 1}", 80)
        recording.exchange(10 + 2 * host, ETH0, CLIENT, 50001, TURN, 3478, *asked)
    assert "PL504" in ids(report(recording, tmp_path))


def test_a_peers_own_loopback_candidate_is_information(tmp_path: Path) -> None:
    """libwebrtc has one for TCP: it is checked beside the peer's public address."""
    recording = Recording()
    allocated(recording)
    for i, (address, port) in enumerate((("127.0.0.1", 38763), ("198.51.100.9", 16947))):
        asked = permission(address, port)
        recording.exchange(10 + 4 * i, ETH0, CLIENT, 50001, TURN, 3478, *asked)
        transaction = next(_ids).to_bytes(12, "big")
        body = attribute(0x0012, xor_address(address, port, transaction))
        body += attribute(0x0013, request("r/El:zo3J"))
        sent = message(0x0016, body, transaction)
        recording.udp(13 + 4 * i, ETH0, CLIENT, 50001, TURN, 3478, sent)
    (finding,) = of(report(recording, tmp_path), "PL504")
    assert finding.severity == "info"


ARRIVING = {
    "PL501": [(LOCALHOST, 12580, COOKIE_VALUE)],
    "PL502": [(f"192.168.50.{100 + host}", 8080, "AbCd:EfGh") for host in range(40)],
    "PL503": [(STUN, 3478, f"{piece}:Ab3d") for piece in pieces()],
}


@pytest.mark.parametrize("id_", ARRIVING)
def test_what_only_arrives_encapsulated_is_nobodys(id_: str, tmp_path: Path) -> None:
    """Anybody can send a host packets inside packets."""
    for wrapped in (False, True):
        recording = behind_tunnel()
        for i, (to, port, name) in enumerate(ARRIVING[id_]):
            source = LOCALHOST if to == LOCALHOST else CLIENT
            packet = udp_packet(source, 40000 + i, to, port, request(name))
            if wrapped:
                packet = ip_packet("8.8.4.4", CLIENT, 4, packet)
            recording.ip(50 + i, ETH0, packet)
        assert (id_ in ids(judged(recording, TUNNEL_POLICY, tmp_path))) is not wrapped
