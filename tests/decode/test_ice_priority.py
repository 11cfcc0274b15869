"""Priorities as browsers form them, read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapleak.decode.ice.priority import PriorityReading, libwebrtc_priority, read_priority

V4, V6, ULA = "IPv4", "IPv6 global", "IPv6 unique local"


def facts(reading: PriorityReading) -> tuple[object, ...]:
    return (
        reading.scheme,
        reading.type,
        reading.protocol,
        "wildcard" if reading.wildcard else reading.interface_rank,
        reading.address_class,
        reading.component,
    )


def firefox_priority(
    type_preference: int,
    *,
    interface_rank: int = 0,
    direction: int = 0,
    server_index: int | None = None,
    component: int = 1,
) -> int:
    """The priority nICEr gives (nICEr/src/ice/ice_candidate.c): `direction` is 6 for active,
    4 passive, 2 simultaneous open (RFC 6544 section 4.2), 0 for UDP."""
    stun = 0 if server_index is None else 31 - server_index
    local = (127 - interface_rank) << 8 | direction << 5 | stun
    return type_preference << 24 | local << 8 | 256 - component


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (2113937151, [("libwebrtc", "host", "udp", "wildcard", V4, 1)]),
        (2113939711, [("libwebrtc", "host", "udp", "wildcard", V6, 1)]),
        (2113942271, [("libwebrtc", "host", "udp", "wildcard", ULA, 1)]),
        (2122260223, [("libwebrtc", "host", "udp", 0, V4, 1)]),
        (2122194687, [("libwebrtc", "host", "udp", 1, V4, 1)]),
        (2122262783, [("libwebrtc", "host", "udp", 0, V6, 1)]),
        (1677729535, [("libwebrtc", "srflx", "udp", "wildcard", V4, 1)]),
        (
            1686052607,
            [
                ("libwebrtc", "srflx", "udp", 0, V4, 1),
                ("firefox", "srflx", "udp", 0, None, 1),
            ],
        ),
        (41885439, [("libwebrtc", "relay", "udp", 0, V4, 1)]),
        (58662655, [("libwebrtc", "relay", "udp", 0, V4, 1)]),
        (50339839, [("libwebrtc", "relay", "udp", "wildcard", V4, 1)]),
        (16785407, [("libwebrtc", "relay", "tcp", "wildcard", V4, 1)]),
        (1845501695, [("libwebrtc", "prflx", "udp", "wildcard", V4, 1)]),
        (1845504255, [("libwebrtc", "prflx", "udp", "wildcard", V6, 1)]),
        (1845506815, [("libwebrtc", "prflx", "udp", "wildcard", ULA, 1)]),
        (1853824767, [("libwebrtc", "prflx", "udp", 0, V4, 1)]),
        (2122252543, [("firefox", "host", "udp", 0, None, 1)]),
        (1686052863, [("firefox", "srflx", "udp", 0, None, 1)]),
        (1853817087, [("firefox", "prflx", "udp", 0, None, 1)]),
        (0x057F00FF, [("firefox", "relay", "udp", 0, None, 1)]),
        (2105524479, [("firefox", "host", "tcp", 0, None, 1)]),
        (2130706431, [("single-address", "host", None, None, None, 1)]),
        (1694498815, [("single-address", "srflx", None, None, None, 1)]),
        (1862270975, [("single-address", "prflx", None, None, None, 1)]),
        (0x7E123456, [("unknown", "host", None, None, None, 170)]),
        (0xFF000000, [("unknown", None, None, None, None, 256)]),
    ],
)
def test_known_priorities(priority: int, expected: list[tuple[object, ...]]) -> None:
    assert [facts(reading) for reading in read_priority(priority)] == expected


def test_field_trial_that_lifts_everything_but_relays() -> None:
    lifted = libwebrtc_priority(100, 30, interface_rank=0, relay_preference=32)
    assert facts(read_priority(lifted)[0]) == ("libwebrtc", "srflx", "udp", 0, V4, 1)


def test_server_of_a_firefox_candidate() -> None:
    priority = firefox_priority(100, server_index=3)
    assert read_priority(priority)[-1].server_index == 3


def test_words() -> None:
    assert read_priority(1677729535)[0].text == (
        "libwebrtc: srflx (100), UDP, wildcard socket, no enumerated interface, "
        "IPv4 address, component 1"
    )
    assert read_priority(50339839)[0].text.endswith("TURN server preference 1, component 1")
    assert read_priority(0)[0].text == (
        "no known formula: relay (0), local preference 0, component 256"
    )


@given(
    st.sampled_from([126, 110, 100, 90, 80]),
    st.sampled_from([60, 50, 40, 30, 20, 10, 1]),
    st.one_of(st.none(), st.integers(0, 126)),
    st.integers(1, 2),
)
def test_libwebrtc_formula_reads_back(
    kind: int, address_class: int, rank: int | None, component: int
) -> None:
    priority = libwebrtc_priority(kind, address_class, interface_rank=rank, component=component)
    reading = read_priority(priority)[0]
    assert (reading.scheme, reading.type_preference) == ("libwebrtc", kind)
    assert (reading.interface_rank, reading.wildcard) == (rank, rank is None)
    assert (reading.component, reading.local_preference & 0xFF) == (component, address_class)


@given(st.integers(0, 2**32 - 1))
def test_every_priority_has_a_reading(priority: int) -> None:
    for reading in read_priority(priority):
        rebuilt = (
            reading.type_preference << 24 | reading.local_preference << 8 | 256 - reading.component
        )
        assert rebuilt == priority
        assert reading.text


def test_recorded_candidates_are_read_as_their_engine(browser: Path) -> None:
    """Every line two real browsers wrote: scheme, type and transport come out right."""
    count = 0
    for key in sorted((browser).glob("*.json")):
        answer = json.loads(key.read_text())
        scheme = "firefox" if key.name.startswith("ff") else "libwebrtc"
        for candidate in answer["candidates"]:
            found = [r for r in read_priority(candidate["priority"]) if r.scheme == scheme]
            assert [reading.type for reading in found] == [candidate["type"]], candidate["line"]
            if candidate["type"] != "relay":
                assert found[0].protocol == candidate["protocol"]
            count += 1
    assert count >= 40
