"""On which side an interface is: by what goes over it, not by its name or kind of device."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    INNER,
    MS,
    START_NS,
    VPN,
    WEB,
    WG0,
    Recording,
    dns_answer,
    dns_query,
    judged,
    udp_packet,
    wireguard_data,
    wireguard_initiation,
    wireguard_response,
)
from capture_files import Pcapng

from pcapleak.cli.console import page_console
from pcapleak.policy.policy import Policy
from pcapleak.redact.capture import redact_capture
from pcapleak.report.document import Document
from pcapleak.report.writers.terminal import print_report

NO_OPTIONS = Policy()
PEER = "203.0.113.80"
NAMES = ("wg0", "ppp0", "wwan0", "pppoe-wan", "eth7", "Meta", "")
RAW = (101, 101, 1)


@dataclass
class Any2(Recording):
    """Recorded with `tcpdump -i any`: interfaces by index and kind of device."""

    def ip(self, ms: float, interface: int, packet: bytes) -> None:
        kind = b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"
        source = packet[12:16]
        way = 4 if source in (bytes([192, 168, 50, 42]), bytes([10, 66, 0, 2])) else 0
        head = kind + struct.pack(
            "!HIHBB8s", 0, interface + 2, self.hardware[interface], way, 0, b""
        )
        self.packets.append((START_NS + int(ms * MS), 0, head + packet))


def fill(recording: Recording, *, handshake: bool = True, shaped: bool = True) -> None:
    """A tunnel with a page of 20 kB, its carrier, and a query beside it."""
    if handshake:
        recording.exchange(
            0, ETH0, CLIENT, 40000, VPN, 51820, wireguard_initiation(), wireguard_response()
        )
    for i in range(25):
        at = 100 + 40 * i
        recording.tcp(at, WG0, INNER, 41000 + i, WEB, 443, b"q" * 200, b"a" * 1000)
        for size in (44, 44, 244, 1044):
            data = wireguard_data(size) if shaped else bytes([7 + size % 5]) * (size + 40)
            back = size in (1044,)
            ends = (VPN, 51820, CLIENT, 40000) if back else (CLIENT, 40000, VPN, 51820)
            recording.udp(at + 5, ETH0, *ends, data)
        ends = (VPN, 51820, CLIENT, 40000)
        recording.udp(at + 6, ETH0, *ends, wireguard_data(44) if shaped else bytes(84))


def leak(recording: Recording) -> None:
    recording.exchange(
        2000, ETH0, CLIENT, 5000, "8.8.8.8", 53, dns_query(), dns_answer("www.example.com", WEB)
    )


def roles(document: Document) -> list[str]:
    return [one.role for one in document.captures[0].interfaces if one.packets]


def test_a_name_that_the_traffic_disproves_stands_against_the_side(tmp_path: Path) -> None:
    recording = Recording(names=("pppoe-wan", "wg0", ""), link_types=RAW)
    fill(recording)
    document = judged(recording, NO_OPTIONS, tmp_path)
    (side,) = (one for one in document.claims if one.subject == "pppoe-wan")
    assert (side.question, side.answer, side.strength) == ("side", "outside", "proven")
    assert "handshake" in side.witnesses[0].says
    assert [(one.strength, "usual name" in one.says) for one in side.against] == [("typical", True)]


@pytest.mark.parametrize("outer", NAMES)
@pytest.mark.parametrize("inner", NAMES)
def test_no_name_turns_a_leak_round(outer: str, inner: str, tmp_path: Path) -> None:
    """Two devices without a link layer, called anything or nothing."""
    if outer == inner != "":
        return
    recording = Recording(names=(outer, inner, ""), link_types=RAW)
    fill(recording)
    assert judged(recording, NO_OPTIONS, tmp_path).verdict.result in ("no-leak", "inconclusive")
    leak(recording)
    document = judged(recording, NO_OPTIONS, tmp_path)
    assert document.verdict.result == "leak"
    assert roles(document) == ["physical", "tunnel"]


@pytest.mark.parametrize("shaped", [True, False])
@pytest.mark.parametrize("name", ["awg0", "Meta", "nebula1", "Local Area Connection 3", "wlan9"])
def test_an_inside_is_known_by_what_comes_out(name: str, shaped: bool, tmp_path: Path) -> None:
    recording = Recording(names=("eth0", name, "lo"))
    fill(recording, handshake=False, shaped=shaped)
    clean = judged(recording, NO_OPTIONS, tmp_path)
    assert roles(clean) == ["physical", "tunnel"]
    assert clean.verdict.result != "leak"
    leak(recording)
    assert judged(recording, NO_OPTIONS, tmp_path).verdict.result == "leak"


@pytest.mark.parametrize("kinds", [(519, 65534), (65534, 65534), (512, 512), (1, 65534)])
def test_a_modem_is_outside_whatever_its_kind(kinds: tuple[int, int], tmp_path: Path) -> None:
    recording = Any2(names=("any",), link_types=(276,), hardware=(*kinds, 772))
    fill(recording)
    assert judged(recording, NO_OPTIONS, tmp_path).verdict.result in ("no-leak", "inconclusive")
    leak(recording)
    for options in ({}, {"tunnel": ["tun0"]}, {"vpn_endpoint": [VPN]}):
        policy = Policy.from_options(**options)
        assert judged(recording, policy, tmp_path).verdict.result == "leak", options


def test_an_interface_in_which_a_tunnel_only_ends_is_no_inside(tmp_path: Path) -> None:
    """Near miss: what one interface hands on to another reaches the same servers."""
    recording = Recording(names=("lan0", "wan0", "lo"), link_types=RAW)
    for i in range(30):
        recording.tcp(100 * i, 0, "192.168.1.7", 41000 + i, WEB, 443, bytes(900), bytes(1000))
        recording.tcp(100 * i + 1, 1, "203.0.113.7", 41000 + i, WEB, 443, bytes(900), bytes(1000))
    document = judged(recording, NO_OPTIONS, tmp_path)
    assert "tunnel" not in roles(document)


def test_an_uplink_is_told_by_the_policy(tmp_path: Path) -> None:
    recording = Recording(names=("tun5", "wg0", "lo"), link_types=RAW)
    recording.exchange(0, 0, CLIENT, 5000, "8.8.8.8", 53, dns_query(), dns_answer("a.example", WEB))
    policy = Policy.from_options(tunnel=["wg0"], uplink=["tun5"])
    document = judged(recording, policy, tmp_path)
    assert roles(document) == ["physical"]
    assert document.captures[0].interfaces[0].role_reason == "the policy names tun5 as an uplink"


def test_a_tunnel_that_was_not_recorded_is_told_with_what_was(tmp_path: Path) -> None:
    recording = Recording(names=("eth0", "wg0", "lo"))
    fill(recording)
    leak(recording)
    document = judged(recording, Policy.from_options(tunnel=["wg9"]), tmp_path)
    assert document.verdict.result == "inconclusive"
    assert "wg9 was not recorded" in document.verdict.reason
    assert "--tunnel wg0" in document.verdict.reason
    alone = judged(recording, Policy.from_options(tunnel=["wg9"]), tmp_path, (ETH0,))
    assert alone.verdict.result == "leak"
    assert "wg9 was not recorded, only eth0" in alone.verdict.reason


def test_a_local_network_called_like_a_tunnel_hides_no_leak(tmp_path: Path) -> None:
    """A router's: what comes in there goes into the tunnel, or out beside it."""
    names = ("wan0", "eth7", "tun7")
    recording = Recording(names=names, link_types=(1, 101, 1))
    fill(recording)
    for i in range(25):
        recording.tcp(99 + 40 * i, 2, "192.168.1.50", 41000 + i, WEB, 443, b"q" * 200, b"a" * 1000)
    assert judged(recording, NO_OPTIONS, tmp_path).verdict.result in ("no-leak", "inconclusive")
    leak(recording)
    document = judged(recording, NO_OPTIONS, tmp_path)
    assert document.verdict.result == "leak"
    assert document.captures[0].interfaces[1].role == "tunnel"


@pytest.mark.parametrize("options", [{}, {"tunnel": ["tun7"]}])
def test_an_uplink_of_a_tunnels_kind_is_outside_where_it_carries_the_only_other_one(
    tmp_path: Path, options: dict[str, list[str]]
) -> None:
    """A modem's interface, cooked: its kind of hardware is PPP."""
    recording = Recording(("pppoe-dsl", "tun7", "lo"), (113, 101, 1), (512, 1, 1))
    fill(recording, handshake=False, shaped=False)
    document = judged(recording, Policy.from_options(**options), tmp_path)
    assert document.verdict.result in ("no-leak", "inconclusive")
    leak(recording)
    assert judged(recording, Policy.from_options(**options), tmp_path).verdict.result == "leak"


def beside_ppp(*, carried: bool, outer_packet: bytes = b"\x99" + bytes(360)) -> Recording:
    """A tunnel, and something to the world over another interface that is called like one."""
    recording = Recording(names=("eth0", "wg0", "ppp0"), link_types=(1, 101, 101))
    handshake = wireguard_initiation(), wireguard_response()
    recording.exchange(0, ETH0, CLIENT, 51820, VPN, 51820, *handshake)
    recording.tunnel(100)
    recording.udp(500, 2, "10.99.1.2", 50000, "9.9.9.9", 53, dns_query())
    for i in range(60):
        for at, ends, outer in (
            (0, ("10.99.1.2", 50001, WEB, 443), (CLIENT, 4000, PEER, 4443)),
            (30, (WEB, 443, "10.99.1.2", 50001), (PEER, 4443, CLIENT, 4000)),
        ):
            if carried:
                recording.ip(1000 + 100 * i + at, 2, udp_packet(*ends, bytes((7,)) + bytes(300)))
                recording.ip(1001 + 100 * i + at, ETH0, udp_packet(*outer, outer_packet))
    return recording


@pytest.mark.parametrize("named", [[], ["wg0"]])
def test_a_name_alone_does_not_make_another_interface_a_tunnel(
    named: list[str], tmp_path: Path
) -> None:
    recording = beside_ppp(carried=False)
    policy = Policy.from_options(tunnel=named)
    verdict = judged(recording, policy, tmp_path).verdict
    assert verdict.result == "inconclusive", verdict.reason
    assert "--uplink ppp0" in verdict.reason
    both = Policy.from_options(tunnel=["wg0", "ppp0"])
    assert judged(recording, both, tmp_path).verdict.result == "no-leak"
    uplink = Policy.from_options(tunnel=["wg0"], uplink=["ppp0"])
    assert judged(recording, uplink, tmp_path).verdict.result == "leak"
    recording.packets = [one for one in recording.packets if one[1] != 2]
    assert judged(recording, policy, tmp_path).verdict.result == "no-leak"


def test_another_tunnel_is_one_where_what_went_in_came_out(tmp_path: Path) -> None:
    verdict = judged(beside_ppp(carried=True), Policy(), tmp_path).verdict
    assert "--uplink ppp0" not in verdict.reason


def test_another_tunnel_than_the_named_one_is_asked_about(tmp_path: Path) -> None:
    recording = beside_ppp(carried=True, outer_packet=wireguard_data(352, 0x44))
    handshake = wireguard_initiation(0x33), wireguard_response(0x33, 0x44)
    recording.exchange(10, ETH0, CLIENT, 4000, PEER, 4443, *handshake)
    verdict = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path).verdict
    assert verdict.result == "inconclusive", verdict.reason
    assert "--tunnel ppp0" in verdict.reason
    both = Policy.from_options(tunnel=["wg0", "ppp0"])
    assert judged(recording, both, tmp_path).verdict.result == "no-leak"


@pytest.mark.parametrize("beside", [False, True])
def test_a_tunnel_that_carries_the_named_one_alone_is_no_way_past_it(
    beside: bool, tmp_path: Path
) -> None:
    """A tunnel inside another one, both recorded."""
    recording = Recording(names=("eth0", "wg0", "tun1"), link_types=(1, 101, 101))
    for i in range(60):
        for at, inner, middle, outer in (
            (0, (INNER, 50001, WEB, 443), ("10.99.1.2", 5000, PEER, 4443), (CLIENT, 4000, VPN, 99)),
            (
                30,
                (WEB, 443, INNER, 50001),
                (PEER, 4443, "10.99.1.2", 5000),
                (VPN, 99, CLIENT, 4000),
            ),
        ):
            recording.ip(100 * i + at, 1, udp_packet(*inner, bytes((7,)) + bytes(1100)))
            recording.ip(100 * i + at + 1, 2, udp_packet(*middle, bytes((0x99,)) + bytes(1160)))
            recording.ip(100 * i + at + 2, ETH0, udp_packet(*outer, bytes((0x98,)) + bytes(1220)))
    if beside:
        recording.exchange(3000, 2, "10.99.1.2", 50002, "9.9.9.9", 53, dns_query(), dns_query())
    verdict = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path).verdict
    assert verdict.result == ("inconclusive" if beside else "no-leak"), verdict.reason
    assert ("--tunnel tun1" in verdict.reason) == beside


def windows(recording: Recording, path: Path, *ways: tuple[str, str]) -> Path:
    """As dumpcap writes it on Windows: names that tell nothing, a description and the hardware."""
    file = Pcapng()
    raw = file.section()
    for number, (description, hardware) in enumerate(ways):
        options = [(2, rf"\Device\NPF_{{0A1B-{number}}}".encode()), (9, b"\x09")]
        options += [(3, description.encode())] * bool(description)
        options += [(15, hardware.encode())] * bool(hardware)
        raw += file.interface(recording.link_types[number], 262144, *options)
    for ts_ns, interface, data in recording.packets:
        raw += file.packet(data, ts_ns, interface)
    path.write_bytes(raw)
    return path


WIFI = ("Wi-Fi", "Intel(R) Wi-Fi 6 AX200")


@pytest.mark.parametrize(
    "tunnel",
    [
        ("wg0", ""),
        ("Ethernet 3", "Wintun Userspace Tunnel"),
        ("Local Area Connection", "TAP-Windows Adapter V9"),
    ],
)
@pytest.mark.parametrize("leaks", [False, True])
def test_windows_interfaces_go_by_their_description_and_hardware(
    tunnel: tuple[str, str], leaks: bool, tmp_path: Path
) -> None:
    recording = Recording(link_types=(1, 1, 1))
    fill(recording)
    if leaks:
        leak(recording)
    path = windows(recording, tmp_path / "a.pcapng", WIFI, tunnel)
    inferred = judged(path, NO_OPTIONS, tmp_path)
    assert roles(inferred) == ["physical", "tunnel"]
    policy = Policy.from_options(tunnel=[tunnel[0]], vpn_endpoint=[f"{VPN}:51820"])
    for document in (inferred, judged(path, policy, tmp_path)):
        assert document.verdict.result == ("leak" if leaks else "no-leak")


def test_a_redacted_copy_keeps_the_words_that_tell_a_tunnel(tmp_path: Path) -> None:
    for number, (tunnel, kept) in enumerate(
        ((("wg-juliet", ""), "wg"), (("Juliet", "Wintun of Juliet"), "Wintun"), (WIFI, None))
    ):
        recording = Recording(link_types=(1, 1, 1))
        leak(recording)
        recording.udp(2500, WG0, INNER, 5000, WEB, 53, dns_query())
        path = windows(recording, tmp_path / f"{number}.pcapng", WIFI, tunnel)
        copy = tmp_path / f"copy-{number}.pcapng"
        redact_capture(path, copy, bytes(range(32)))
        assert b"juliet" not in copy.read_bytes().lower()
        documents = [judged(one, NO_OPTIONS, tmp_path) for one in (path, copy)]
        assert roles(documents[0]) == roles(documents[1])
        assert documents[1].captures[0].interfaces[1].description == kept


def test_a_tunnel_named_by_its_description_was_recorded_where_it_was_silent(
    tmp_path: Path,
) -> None:
    recording = Recording(link_types=(1, 1, 1))
    leak(recording)
    path = windows(recording, tmp_path / "a.pcapng", WIFI, ("wg0", ""))
    for name, absent in (("wg0", False), ("wg1", True)):
        document = judged(path, Policy.from_options(tunnel=[name]), tmp_path)
        assert ("was not recorded" in document.verdict.reason) == absent


def test_the_page_shows_descriptions(tmp_path: Path) -> None:
    recording = Recording()
    leak(recording)
    path = windows(recording, tmp_path / "a.pcapng", ("Wi-\x1b[31mFi", ""))
    page = StringIO()
    print_report(judged(path, NO_OPTIONS, tmp_path), page_console(page))
    assert r"NPF_{0A1B-0} (Wi-\x1b[31mFi): physical" in page.getvalue()
