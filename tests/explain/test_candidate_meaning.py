"""What a candidate line gives away: foundations, networks, addresses, in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aioice.candidate import candidate_foundation

from pcapleak.decode.ice.foundation import (
    aioice_foundation,
    libwebrtc_foundation,
    salted_base,
    unsalted_base,
)
from pcapleak.decode.ice.terms import network_cost_meaning, network_meaning, username_fragments
from pcapleak.decode.stun.values import NetworkInfo
from pcapleak.explain.candidate import explain_candidate
from pcapleak.explain.messages import decode_capture

OLD = (
    "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0 "
    "generation 0 network-cost 999"
)


def meanings(line: str, **known: frozenset[str]) -> dict[str, str]:
    return {field.name: field.meaning for field in explain_candidate(line, **known)}


def test_unsalted_foundation_of_a_wildcard_socket() -> None:
    assert libwebrtc_foundation("stun", "0.0.0.0") == "842163049"
    assert libwebrtc_foundation("stun", "::") == "4231669940"
    assert meanings(OLD)["foundation"] == (
        "unsalted, as libwebrtc before October 2022 wrote it: the base address is 0.0.0.0, "
        "a wildcard socket: it hides no address"
    )


def test_aioice_foundation_is_aioices_own() -> None:
    ours = aioice_foundation("host", "udp", "192.0.2.1")
    assert ours == candidate_foundation("host", "udp", "192.0.2.1")
    assert unsalted_base(ours, "host", "udp", {"192.0.2.2", "192.0.2.1"}) == "192.0.2.1"


def test_salted_foundation_needs_both_base_and_tie_breaker() -> None:
    hidden = libwebrtc_foundation("host", "192.168.1.77", "udp", "", 12345)
    assert salted_base(hidden, "host", "udp", {"192.168.1.77"}, {1, 12345}) == (
        "192.168.1.77",
        12345,
    )
    assert salted_base(hidden, "host", "udp", {"192.168.1.76"}, {12345}) is None
    assert salted_base("f00", "host", "udp", {"192.168.1.77"}, {12345}) is None
    older = libwebrtc_foundation("local", "192.168.1.77", "udp", "", 12345)
    assert salted_base(older, "host", "udp", {"192.168.1.77"}, {12345}) is not None


def test_explains_a_proved_address() -> None:
    foundation = libwebrtc_foundation("host", "192.168.1.77", "udp", "", 12345)
    line = f"candidate:{foundation} 1 udp 2113937151 x.local 5 typ host"
    known = meanings(line, bases=frozenset({"192.168.1.77"}), tie_breakers=frozenset({12345}))
    assert known["foundation"] == (
        "libwebrtc's, salted with tie-breaker 12345: the base is 192.168.1.77"
    )
    assert "CRC32" in meanings(line)["foundation"]


@pytest.mark.parametrize(
    ("address", "meaning"),
    [
        ("192.168.0.1", "IPv4, private"),
        ("8.8.8.8", "IPv4, public"),
        ("203.0.113.7", "IPv4, documentation"),
        ("100.64.1.1", "IPv4, shared by a carrier's NAT"),
        ("fd00::1", "IPv6, unique local"),
        ("fe80::1", "IPv6, link-local"),
        ("2606:4700::1111", "IPv6, public"),
        ("240.0.0.1", "IPv4, reserved"),
        ("::ffff:192.0.2.1", "IPv6, mapped from IPv4 192.0.2.1"),
        ("aa99610c-4edf-4aec-8295-901d08808126.local",
         "a multicast DNS name in place of an address of the agent"),
        ("printer.local", "a multicast DNS name"),
        ("redacted-ip.invalid", "redacted by the browser"),
        ("host.example", "a name, which RFC 8839 tells agents to ignore"),
    ],
)  # fmt: skip
def test_addresses_in_words(address: str, meaning: str) -> None:
    assert meanings(f"candidate:1 1 udp 1 {address} 5 typ host")["address"] == meaning


def test_every_field_is_explained_in_order() -> None:
    fields = explain_candidate(OLD)
    assert [field.name for field in fields] == [
        "foundation", "component", "transport", "priority", "address", "port", "typ", "raddr",
        "rport", "generation", "network-cost",
    ]  # fmt: skip
    assert all(field.meaning for field in fields)
    known = meanings(OLD)
    assert known["rport"] == "hidden"
    assert known["network-cost"] == "the wildcard network: no interface was enumerated"
    assert known["priority"].startswith("0x64001EFF; libwebrtc: srflx")


def test_ambiguous_priority_is_settled_by_the_line() -> None:
    """1686052607 is two things; both are srflx, so both are told."""
    line = "candidate:3 1 udp 1686052607 203.0.113.7 5 typ srflx raddr 192.0.2.1 rport 6"
    known = meanings(line)
    assert "; or firefox: srflx" in known["priority"]
    assert known["foundation"] == "a counter, as Firefox writes: it says nothing of the address"
    assert known["raddr"] == "the local address behind this one (IPv4, documentation)"


def test_tcp_and_unknown_words() -> None:
    line = "candidate:1 3 TCP 2105524479 192.0.2.1 9 typ host tcptype active x y"
    known = meanings(line)
    assert known["port"] == "the placeholder of an active TCP candidate"
    assert known["tcptype"] == "opens connections; its port is a placeholder"
    assert known["component"] == "a further component of the stream"
    assert known["x"] == "an extension"


@pytest.mark.parametrize(
    ("cost", "meaning"),
    [
        (0, "Ethernet or loopback"),
        (10, "Wi-Fi"),
        (11, "Wi-Fi, through a VPN"),
        (8, "Wi-Fi, a network slice"),
        (9, "Wi-Fi, a network slice through a VPN"),
        (50, "an adapter of unknown type"),
        (900, "cellular"),
        (999, "the wildcard network: no interface was enumerated"),
        (123, "no known cost"),
    ],
)
def test_network_costs(cost: int, meaning: str) -> None:
    assert network_cost_meaning(cost) == meaning


def test_network_info_in_words() -> None:
    assert network_meaning(NetworkInfo(0, 999)).startswith("no enumerated network; the wildcard")
    assert network_meaning(NetworkInfo(2, 10)) == "the sender's network 2; Wi-Fi"


@pytest.mark.parametrize(
    ("username", "pair"),
    [("a:b", ("a", "b")), ("a", None), (":b", None), ("a:", None), ("a:b:c", None), ("", None)],
)
def test_username_fragments(username: str, pair: tuple[str, str] | None) -> None:
    assert username_fragments(username) == pair


def test_foundations_prove_recorded_addresses(browser: Path) -> None:
    """The session's tie-breaker and the host's address reproduce a real page's foundations."""
    answer = json.loads((browser / "loop.json").read_text())
    salts = {
        int(attribute["value"])
        for message in decode_capture(browser / "loop.pcapng", frozenset({"stun"}))
        for attribute in message.fields["attributes"]
        if attribute["name"] in ("ICE-CONTROLLED", "ICE-CONTROLLING")
    }
    assert salts
    proved = [
        salted_base(
            candidate["line"].split()[0].removeprefix("candidate:"),
            candidate["type"],
            "udp",
            {"192.168.50.42", "2001:db8:50::42", "0.0.0.0", "::"},
            salts,
        )
        for candidate in answer["candidates"]
        if candidate["protocol"] == "udp"
    ]
    assert proved
    assert all(proved)
