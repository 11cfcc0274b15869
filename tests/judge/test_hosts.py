"""Whose traffic it is: hosts told apart by link-layer addresses, directions and hop limits."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    CLIENT6,
    ETH0,
    INNER,
    MS,
    PUBLIC,
    START_NS,
    VPN,
    WEB,
    WEB6,
    WG0,
    Recording,
    dns_answer,
    dns_query,
    ids,
    judged,
    of,
    udp_packet,
    wireguard_data,
    wireguard_initiation,
    wireguard_response,
)

from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document

ROUTER_LINK = bytes.fromhex("024757000001")
CLIENT_LINK = bytes.fromhex("02004c4f4f50")
OTHER_LINK = bytes.fromhex("02004c4f4f77")
NO_OPTIONS = Policy()
NAMED = Policy.from_options(client=[CLIENT])
TEMPORARY = [f"2001:db8:50::{number:x}:1" for number in (0xA1, 0xB2, 0xC3, 0xD4)]


@dataclass
class Linked(Recording):
    """Frames have the link-layer address of who sends from their source, the router's for all
    others; cooked ones are marked as sent where that is the client."""

    links: dict[str, bytes] = field(default_factory=lambda: {CLIENT: CLIENT_LINK})
    lowered: frozenset[str] = frozenset()
    """Sources whose packets were forwarded once."""

    def ip(self, ms: float, interface: int, packet: bytes) -> None:
        four = packet[0] >> 4 == 4
        source = str(ip_address(packet[12:16] if four else packet[8:24]))
        if source in self.lowered:
            at = 8 if four else 7
            packet = packet[:at] + bytes([packet[at] - 1]) + packet[at + 1 :]
        kind = b"\x08\0" if four else b"\x86\xdd"
        link = self.links.get(source, ROUTER_LINK)
        if self.link_types[interface] == 1:
            packet = bytes(6) + link + kind + packet
        elif self.link_types[interface] == 276:
            way = 4 if link == CLIENT_LINK else 0
            head = kind + struct.pack("!HIHBB8s", 0, 2, 1, way, 0, b"")
            packet = head + packet
        self.packets.append((START_NS + int(ms * MS), interface, packet))


def vpn_user(recording: Recording) -> None:
    """A tunnel that comes up and carries something."""
    recording.exchange(
        0, ETH0, CLIENT, 40000, VPN, 51820, wireguard_initiation(), wireguard_response()
    )
    for i in range(10):
        recording.exchange(
            100 + 100 * i, ETH0, CLIENT, 40000, VPN, 51820, wireguard_data(900), wireguard_data(900)
        )


def browse(recording: Recording, addresses: list[str], server: str = WEB6) -> None:
    for i, address in enumerate(addresses):
        recording.tcp(2000 + 50 * i, ETH0, address, 50000 + i, server, 443, b"hello", b"hello")


def clients(document: Document) -> list[str]:
    return [text.split("/")[0] for text in document.policy.fields["clients"].value]


@pytest.mark.parametrize("policy", [NO_OPTIONS, NAMED])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_all_addresses_of_the_clients_frames_are_the_clients(
    policy: Policy, count: int, tmp_path: Path
) -> None:
    recording = Linked()
    recording.links |= dict.fromkeys(TEMPORARY, CLIENT_LINK)
    vpn_user(recording)
    browse(recording, TEMPORARY[:count])
    document = judged(recording, policy, tmp_path)
    assert document.verdict.result == "leak"
    assert document.verdict.exposed_addresses == sorted(TEMPORARY[:count])
    assert WEB6 not in clients(document)
    assert any("02:00:4c:4f:4f:50" in why for why in document.policy.fields["clients"].reasons)


@pytest.mark.parametrize("policy", [NO_OPTIONS, NAMED])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_addresses_of_another_hosts_frames_are_not(
    policy: Policy, count: int, tmp_path: Path
) -> None:
    recording = Linked()
    recording.links |= dict.fromkeys(TEMPORARY, OTHER_LINK)
    vpn_user(recording)
    browse(recording, TEMPORARY[:count])
    document = judged(recording, policy, tmp_path)
    assert document.verdict.result == "no-leak"
    assert clients(document) == [CLIENT]


@pytest.mark.parametrize("marked", [True, False])
def test_a_cooked_recording_tells_by_what_was_sent(marked: bool, tmp_path: Path) -> None:
    recording = Linked(link_types=(276, 101, 1))
    if marked:
        recording.links |= dict.fromkeys(TEMPORARY, CLIENT_LINK)
    vpn_user(recording)
    browse(recording, TEMPORARY)
    document = judged(recording, NO_OPTIONS, tmp_path)
    assert document.verdict.result == ("leak" if marked else "no-leak")


@pytest.mark.parametrize("sockets", [1, 20])
def test_a_hop_limit_that_ends_on_the_way_does_not_make_the_client_a_router(
    sockets: int, tmp_path: Path
) -> None:
    """Traceroute from an address that sends nothing else."""
    recording = Linked(links={CLIENT: CLIENT_LINK, CLIENT6: CLIENT_LINK})
    vpn_user(recording)
    for hops in range(1, 21):
        packet = udp_packet(CLIENT6, 40000 + hops % sockets, WEB6, 33433 + hops, bytes(24))
        recording.ip(500 + 10 * hops, ETH0, packet[:7] + bytes([hops]) + packet[8:])
    document = judged(recording, NO_OPTIONS, tmp_path)
    assert document.verdict.result == "leak", document.verdict.reason
    assert of(document, "PL202")


@pytest.mark.parametrize("link_type", [1, 101])
def test_on_a_link_without_link_layer_addresses_nobody_else_is(
    link_type: int, tmp_path: Path
) -> None:
    """A carrier that moved to a modem; IPv6 there is no neighbour's, as it may be on a LAN."""
    recording = Linked(names=("eth0", "wg0", "wwan0"), link_types=(1, 101, link_type))
    vpn_user(recording)
    modem, data = "10.120.3.4", wireguard_data(900)
    recording.links[modem] = OTHER_LINK
    for i in range(10):
        for at, ends in ((0, (INNER, 40000, WEB, 443)), (10, (WEB, 443, INNER, 40000))):
            recording.ip(2000 + 100 * i + at, WG0, udp_packet(*ends, bytes(860)))
        recording.exchange(2000 + 100 * i, 2, modem, 40000, VPN, 51820, data, data)
    for ends in ((CLIENT6, 50000, WEB6, 443), (WEB6, 443, CLIENT6, 50000)):
        recording.ip(2500, 2, udp_packet(*ends, bytes(99)))
    recording.packets.sort()
    document = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path)
    assert bool(of(document, "PL202")) == (link_type == 101), document.verdict.reason


def test_what_a_router_forwards_is_not_its_own(tmp_path: Path) -> None:
    """Its hop limit was lowered, or there are too many networks for one host."""
    recording = Linked(lowered=frozenset(TEMPORARY))
    recording.links |= dict.fromkeys(TEMPORARY, CLIENT_LINK)
    vpn_user(recording)
    browse(recording, TEMPORARY)
    document = judged(recording, NO_OPTIONS, tmp_path)
    assert clients(document) == [CLIENT]
    many = [f"2001:db8:{number:x}::7" for number in range(0x60, 0x69)]
    recording = Linked()
    recording.links |= dict.fromkeys(many, CLIENT_LINK)
    vpn_user(recording)
    browse(recording, many)
    assert clients(judged(recording, NO_OPTIONS, tmp_path)) == [CLIENT]


def test_frames_that_all_come_from_one_link_layer_address_tell_nothing(tmp_path: Path) -> None:
    recording = Linked()
    everybody = [CLIENT, VPN, WEB6, "8.8.8.8", "192.168.50.77"]
    recording.links = dict.fromkeys(everybody, CLIENT_LINK)
    vpn_user(recording)
    recording.exchange(2000, ETH0, "192.168.50.77", 5000, "8.8.8.8", 53, dns_query(), b"")
    document = judged(recording, NO_OPTIONS, tmp_path)
    assert clients(document) == [CLIENT]
    assert document.verdict.result == "no-leak"


def test_the_new_address_of_a_client_is_the_clients(tmp_path: Path) -> None:
    """Renumbered by its router while it was recorded."""
    recording = Linked()
    recording.links |= {"192.168.50.99": CLIENT_LINK}
    vpn_user(recording)
    recording.tcp(3000, ETH0, "192.168.50.99", 50000, "198.51.100.20", 443, b"hello", b"hello")
    document = judged(recording, NO_OPTIONS, tmp_path)
    assert document.verdict.result == "leak"
    assert ids(document) >= {"PL204"}


def test_a_server_that_many_speak_to_is_no_client(tmp_path: Path) -> None:
    recording = Linked(link_types=(101, 101, 1))
    vpn_user(recording)
    browse(recording, TEMPORARY)
    document = judged(recording, NO_OPTIONS, tmp_path)
    assert WEB6 not in clients(document)
    assert document.verdict.result == "inconclusive"
    assert f"--client {min(TEMPORARY)}" in document.verdict.reason


def test_queries_of_other_hosts_neither_count_nor_are_named(tmp_path: Path) -> None:
    recording = Linked()
    vpn_user(recording)
    recording.exchange(
        2000,
        ETH0,
        CLIENT,
        5000,
        "8.8.8.8",
        53,
        dns_query("vpn.example.com"),
        dns_answer("vpn.example.com", VPN),
    )
    alone = judged(recording, NO_OPTIONS, tmp_path)
    assert alone.verdict.result == "no-leak"
    for number in range(30, 35):
        recording.exchange(
            3000 + number,
            ETH0,
            f"192.168.50.{number}",
            5000,
            "8.8.8.8",
            53,
            dns_query(f"private-{number}.example.com"),
            dns_answer(f"private-{number}.example.com", PUBLIC),
        )
    together = judged(recording, NO_OPTIONS, tmp_path)
    assert together.verdict.result == "no-leak"
    assert [one.message for one in of(together, "PL203")] == [
        one.message for one in of(alone, "PL203")
    ]


def test_the_tunnels_address_in_the_clients_frames_stays_the_tunnels(tmp_path: Path) -> None:
    recording = Linked()
    recording.links |= {"10.66.0.2": CLIENT_LINK}
    recording.tunnel()
    recording.tcp(3000, ETH0, "10.66.0.2", 50000, "198.51.100.20", 443, b"hello")
    document = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path)
    assert "PL206" in ids(document)
    assert clients(document) == [CLIENT]


def test_a_named_client_that_sends_ipv6_from_its_own_frames_exposes_it(tmp_path: Path) -> None:
    recording = Linked()
    recording.links |= {CLIENT6: CLIENT_LINK}
    vpn_user(recording)
    browse(recording, [CLIENT6])
    document = judged(recording, NAMED, tmp_path)
    assert document.verdict.exposed_addresses == [CLIENT6]
    assert clients(document) == [CLIENT, CLIENT6]


@pytest.mark.parametrize("lowered", [True, False])
def test_what_an_exit_node_hands_on_is_not_its_own(lowered: bool, tmp_path: Path) -> None:
    """From the tunnel's other end, sent on with this host's address: the hop limit shows it. Near
    miss: a socket of this host that moved from the tunnel to the uplink."""
    recording = Linked(lowered=frozenset([CLIENT] if lowered else []))
    recording.links |= {"100.93.158.105": CLIENT_LINK}
    vpn_user(recording)
    for ms, interface, source in ((2000, 1, "100.93.158.105"), (2001, 0, CLIENT)):
        recording.tcp(ms, interface, source, 47000, "192.0.2.80", 443, b"hello", b"hello")
    document = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path)
    assert ("PL204" in ids(document)) != lowered
