"""The reading that the test page saves: what of it counts, and what it may not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapleak.decode.ice.page import PageTest
from pcapleak.decode.ice.reading import MAX_CONNECTIONS, is_reading, parse_reading
from pcapleak.errors import DecodeError, PcapleakError
from pcapleak.pipeline.inputs import read_pages

LINE = "candidate:1 1 udp 2122194687 192.0.2.4 37015 typ host generation 0 ufrag VYwK"


def reading(**changes: object) -> dict[str, Any]:
    candidate = {"candidate": LINE, "username_fragment": "VYwK", "ms": 12}
    return {
        "pcapleak_reading": 1,
        "time_zone": "Europe/Berlin",
        "languages": ["de-DE", "de"],
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "options": {"relay_only": False},
        "microphone": "off",
        "connections": [{"name": "connection 1", "complete": True, "candidates": [candidate]}],
        **changes,
    }


def test_a_reading_tells_its_own_candidates_and_itself() -> None:
    candidates, facts = parse_reading(reading())
    (one,) = candidates
    assert (one.address, one.port, one.side, one.username_fragment) == (
        "192.0.2.4", 37015, "local", "VYwK",
    )  # fmt: skip
    assert (facts.timezone, facts.languages) == ("Europe/Berlin", "de-DE, de")
    assert facts.test == PageTest(
        microphone=False, relay_only=False, complete=True, engine="firefox"
    )


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert parse_reading(reading(more={"a": [1]})) == parse_reading(reading())


def test_a_candidate_without_a_line_is_taken_by_its_parts() -> None:
    parts = {"candidate": "", "type": "host", "protocol": "UDP", "address": None, "port": 5}
    (one,) = parse_reading(reading(connections=[{"candidates": [parts]}])).candidates
    assert (one.type, one.protocol, one.address, one.port) == ("host", "udp", None, 5)


def test_numbers_that_cannot_be_are_left_out() -> None:
    parts = {"type": "host", "address": "192.0.2.4", "port": 10**40, "priority": -1}
    (one,) = parse_reading(reading(connections=[{"candidates": [parts]}])).candidates
    assert (one.port, one.priority) == (None, None)


def test_a_connection_that_was_broken_off_is_not_complete() -> None:
    both = [*reading()["connections"], {"complete": False, "candidates": []}]
    test = parse_reading(reading(connections=both)).facts.test
    assert test is not None
    assert not test.complete
    test = parse_reading(reading(connections=[])).facts.test
    assert test is not None
    assert not test.complete


@pytest.mark.parametrize(
    "zone", ["", 5, None, "Europe/Berlin; rm", "../../etc/passwd", "a" * 33, "\x1b[31m"]
)
def test_what_is_no_time_zone_is_none(zone: object) -> None:
    assert parse_reading(reading(time_zone=zone)).facts.timezone is None


def test_languages_that_are_none_are_left_out() -> None:
    facts = parse_reading(reading(languages=["de", 5, None, "\x1b", "x", "en-GB"])).facts
    assert facts.languages == "de, en-GB"
    assert parse_reading(reading(languages="de")).facts.languages is None
    many = parse_reading(reading(languages=["de"] * 1000)).facts.languages
    assert many is not None
    assert len(many) < 200


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"pcapleak_reading": 2}, "pcapleak_reading"),
        ({"pcapleak_reading": True}, "pcapleak_reading"),
        ({"pcapleak_reading": "1"}, "pcapleak_reading"),
        ({"options": None}, "options"),
        ({"connections": {}}, "connections"),
        ({"connections": [None]}, "connections 0"),
        ({"connections": [{"candidates": None}]}, "connections 0 candidates"),
        ({"connections": [{"candidates": [LINE]}]}, "connections 0 candidates"),
        ({"connections": [{"candidates": []}] * (MAX_CONNECTIONS + 1)}, "connections"),
        ({"connections": [{"candidates": [{}] * 10_001}]}, "connections 0 candidates"),
    ],
)
def test_what_is_no_reading(changes: dict[str, object], place: str, tmp_path: Path) -> None:
    with pytest.raises(DecodeError) as error:
        parse_reading(reading(**changes))
    assert error.value.place == place
    file = tmp_path / "reading.json"
    file.write_text(json.dumps(reading(**changes)))
    with pytest.raises(PcapleakError, match="is no reading of the test page"):
        read_pages([file])


def test_a_file_without_candidates_is_a_reading_still(tmp_path: Path) -> None:
    file = tmp_path / "reading.json"
    file.write_text(json.dumps(reading(connections=[])))
    assert read_pages([file]).candidates == {str(file): []}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(reading())), json_values))
def test_anything_is_read_or_refused(changes: dict[str, Any]) -> None:
    document = reading(**changes)
    assert is_reading(document)
    try:
        parse_reading(document)
    except DecodeError:
        return


@given(st.dictionaries(st.sampled_from(["candidate", "type", "port", "address"]), json_values))
def test_any_candidate_is_read_or_left_out(told: dict[str, Any]) -> None:
    assert len(parse_reading(reading(connections=[{"candidates": [told]}])).candidates) <= 1
