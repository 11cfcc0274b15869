"""Candidate lines: grammar, round trips, and what browsers wrote in recorded sessions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapleak.decode.ice.candidate import (
    CandidateLine,
    find_candidates,
    format_candidate,
    parse_candidate,
)
from pcapleak.errors import DecodeError

HOST = (
    "candidate:3301398594 1 udp 2113937151 aa99610c-4edf-4aec-8295-901d08808126.local 35835 "
    "typ host generation 0 ufrag hx28 network-cost 999"
)
SRFLX = (
    "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0 "
    "generation 0 network-id 2 network-cost 10"
)
ACTIVE = "candidate:0 1 TCP 2105524479 192.0.2.1 9 typ host tcptype active"


def test_fields_of_a_host_candidate() -> None:
    got = parse_candidate(HOST)
    assert got.foundation == "3301398594"
    assert (got.component, got.transport, got.priority) == (1, "udp", 2113937151)
    assert (got.address, got.port, got.type) == (
        "aa99610c-4edf-4aec-8295-901d08808126.local",
        35835,
        "host",
    )
    assert got.ip is None
    assert (got.generation, got.username_fragment, got.network_cost) == (0, "hx28", 999)
    assert got.network_id is None
    assert got.related_address is None


def test_fields_of_a_reflexive_candidate() -> None:
    got = parse_candidate("a=" + SRFLX + "\r\n")
    assert str(got.ip) == "203.0.113.7"
    assert (got.related_address, got.related_port) == ("0.0.0.0", 0)
    assert (got.network_id, got.network_cost) == (2, 10)


def test_tcp_candidate() -> None:
    got = parse_candidate(ACTIVE)
    assert (got.transport, got.tcptype, got.port) == ("TCP", "active", 9)


@pytest.mark.parametrize("line", [HOST, SRFLX, ACTIVE])
def test_lines_round_trip(line: str) -> None:
    assert format_candidate(parse_candidate(line)) == line


def test_prefix_may_be_missing() -> None:
    assert parse_candidate(SRFLX.removeprefix("candidate:")) == parse_candidate(SRFLX)


def test_rport_alone_and_unknown_extensions_are_kept() -> None:
    line = "candidate:a/+ 256 udp 0 2001:db8::1 0 typ relay rport 5 x-y z generation x"
    got = parse_candidate(line)
    assert (got.related_address, got.related_port) == (None, 5)
    assert got.extensions == (("x-y", "z"), ("generation", "x"))
    assert got.generation is None
    assert format_candidate(got) == line


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("", "candidate line at byte 0: 0 words, but a candidate has 8 or more"),
        (
            "candidate:1 1 udp 1 192.0.2.1 1 typ",
            "candidate line at byte 10: 7 words, but a candidate has 8 or more",
        ),
        ("x" * 1025, "candidate line at byte 0: 1025 characters, at most 1024"),
        (
            "candidate:a-b 1 udp 1 192.0.2.1 1 typ host",
            "candidate foundation at byte 10: not 1 to 32 letters, digits, + or /",
        ),
        (
            "candidate:1 0 udp 1 192.0.2.1 1 typ host",
            "candidate component at byte 12: 0 is not within 1 to 256",
        ),
        (
            "candidate:1 x udp 1 192.0.2.1 1 typ host",
            "candidate component at byte 12: 'x' is not a number",
        ),
        (
            "candidate:1 1 udp 4294967296 192.0.2.1 1 typ host",
            "candidate priority at byte 18: 4294967296 is not within 0 to 4294967295",
        ),
        (
            "candidate:1 1 udp 1 192.0.2.1 65536 typ host",
            "candidate port at byte 30: 65536 is not within 0 to 65535",
        ),
        (
            "candidate:1 1 udp 1 192.0.2.1 1 type host",
            "candidate typ at byte 32: 'type' where 'typ' must be",
        ),
        (
            "candidate:1 1 udp 1 192.0.2.1 1 typ host raddr",
            "candidate raddr at byte 41: no address follows",
        ),
        (
            "candidate:1 1 udp 1 192.0.2.1 1 typ srflx raddr 192.0.2.2 rport",
            "candidate rport at byte 58: no port follows",
        ),
        (
            "candidate:1 1 udp 1 192.0.2.1 1 typ host generation",
            "candidate extension generation at byte 41: no value follows",
        ),
    ],
)
def test_rejections(line: str, text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        parse_candidate(line)
    assert str(caught.value) == text


def test_found_in_sdp_json_and_html() -> None:
    sdp = f"v=0\r\na={HOST}\r\na=end-of-candidates\r\n"
    nested = json.dumps({"sdp": json.dumps({"sdp": sdp})})
    page = f"<td>{ACTIVE}</td>"
    assert list(find_candidates(sdp)) == [parse_candidate(HOST)]
    assert list(find_candidates(nested)) == [parse_candidate(HOST)]
    assert list(find_candidates(page)) == [parse_candidate(ACTIVE)]
    assert list(find_candidates("candidate: none of 8 words that are one")) == []


_WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@given(
    st.builds(
        CandidateLine,
        foundation=st.text("abcXYZ019+/", min_size=1, max_size=32),
        component=st.integers(1, 256),
        transport=st.sampled_from(["udp", "UDP", "tcp", "TCP"]),
        priority=st.integers(0, 2**32 - 1),
        address=st.one_of(st.ip_addresses().map(str), st.just("x.local")),
        port=st.integers(0, 65535),
        type=st.sampled_from(["host", "srflx", "prflx", "relay", "other"]),
        related_address=st.one_of(st.none(), st.ip_addresses().map(str)),
        related_port=st.one_of(st.none(), st.integers(0, 65535)),
        extensions=st.lists(
            st.tuples(_WORD.filter(lambda word: word not in ("raddr", "rport")), _WORD), max_size=5
        ).map(tuple),
    )
)
def test_every_candidate_round_trips(candidate: CandidateLine) -> None:
    assert parse_candidate(format_candidate(candidate)) == candidate


@given(st.text(max_size=200))
def test_any_text_gives_a_candidate_or_the_one_error(text: str) -> None:
    for line in (text, "candidate:1 1 udp 1 192.0.2.1 1 typ " + text):
        try:
            got = parse_candidate(line)
        except DecodeError as error:
            assert 0 <= error.offset <= len(line)
        else:
            assert parse_candidate(format_candidate(got)) == got
    list(find_candidates(text))


def test_what_browsers_wrote_round_trips(browser: Path) -> None:
    lines = [
        candidate["line"]
        for key in sorted((browser).glob("*.json"))
        for candidate in json.loads(key.read_text())["candidates"]
    ]
    assert len(lines) >= 40
    assert [format_candidate(parse_candidate(line)) for line in lines] == lines
