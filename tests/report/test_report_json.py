"""JSON, its schema and the way back."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from sample_report import START, sample

from pcapleak.errors import PcapleakError
from pcapleak.report import document
from pcapleak.report.json_schema import schema
from pcapleak.report.shape import is_struct
from pcapleak.report.writers.json import from_json, from_json_one, to_json

HOSTILE = "\x1b[31m\x7f\x9b<script>[red]\u202e\u2028\ud800"


def closed(part: Any) -> Any:
    """The schema with unknown properties forbidden, as only a test may."""
    if isinstance(part, list):
        return [closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    result = {key: closed(value) for key, value in part.items()}
    if "properties" in result and result.get("type") == "object":
        result["additionalProperties"] = False
    return result


def test_schema_is_a_valid_one() -> None:
    """The published schema is itself valid JSON Schema 2020-12."""
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("text", ["", HOSTILE])
def test_report_satisfies_the_schema_exactly(text: str) -> None:
    """Every written field is in the schema, and every field of the schema is written."""
    validator = jsonschema.Draft202012Validator(closed(schema()))
    validator.validate(json.loads(to_json(sample(text))))


def test_schema_refuses_a_missing_or_wrong_field() -> None:
    """The schema requires each field and knows its type."""
    validator = jsonschema.Draft202012Validator(schema())
    data = json.loads(to_json(sample()))
    del data["findings"][0]["frames"]
    data["captures"][0]["first_time"] = 5
    places = {tuple(error.absolute_path) for error in validator.iter_errors(data)}
    assert places == {("findings", 0), ("captures", 0, "first_time")}


def test_schema_names_every_class_and_field_of_the_document() -> None:
    """Nothing in `document` is left out of the schema."""
    published = schema()
    definitions = {"Document": published, **published["$defs"]}
    for name, cls in vars(document).items():
        if is_struct(cls):
            written = set(definitions[name]["properties"])
            assert set(cls.__struct_fields__) <= written


def test_field_notes_reach_the_schema() -> None:
    """What `document` says beneath a field is the field's description."""
    candidate = schema()["$defs"]["Candidate"]["properties"]
    assert candidate["server"]["description"] == "The STUN or TURN server that told it."


def test_times_are_written_as_text_and_as_nanoseconds() -> None:
    """A time keeps every nanosecond in both forms, in lists too."""
    data = json.loads(to_json(sample()))
    assert data["captures"][0]["first_time"] == "2026-11-22T15:49:17.000000001Z"
    assert data["captures"][0]["first_time_ns"] == START
    assert data["tunnels"][0]["up"] == ["2026-11-22T15:49:17.100000001Z"]
    assert data["tunnels"][0]["up_ns"] == [START + 100_000_000]
    assert data["findings"][1]["first_time"] is None
    assert data["findings"][1]["first_time_ns"] is None


def test_several_reports_are_an_array() -> None:
    """A list of reports becomes an array of one entry each."""
    assert [entry["schema_version"] for entry in json.loads(to_json([sample(), sample()]))] == [
        "1.0",
        "1.0",
    ]


def test_only_printable_ascii_is_written() -> None:
    """No string from a packet reaches a terminal as it is, and none is changed either."""
    text = to_json(sample(HOSTILE))
    assert all(character == "\n" or " " <= character <= "~" for character in text)
    assert json.loads(text)["captures"][0]["path"] == HOSTILE


@pytest.mark.parametrize("text", ["", HOSTILE])
def test_reading_back_gives_the_same_report(text: str) -> None:
    """`from_json` is the inverse of `to_json`."""
    report = sample(text)
    assert from_json(to_json(report)) == [report]
    assert from_json_one(to_json(report)) == report


def test_reading_ignores_fields_of_later_versions() -> None:
    """A report of a later minor version can still be read."""
    data = json.loads(to_json(sample()))
    data["novelty"] = {"a": 1}
    data["findings"][0]["novelty"] = 1
    assert from_json(json.dumps(data)) == [sample()]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"captures": 3}', "null", "nonsense"])
def test_reading_something_else_is_one_clear_error(text: str) -> None:
    """What is no report is refused with what to give instead."""
    with pytest.raises(PcapleakError, match=r"give a file written with --json|one is needed"):
        from_json_one(text)
