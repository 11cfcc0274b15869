"""Every committed recording of the lab is analyzed and held against what its page read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import need_tool
from lab_truth import CAPTURES, RESULTS, by_program, compare, compare_all, page, read_truth, table

from captures.lab import SCENARIOS
from captures.lab.recording import judge_again
from pcapleak.capture import open_capture
from pcapleak.capture.decrypted import holds_keys

SIGNALLED = {"signalling-clear", "baresip"}
"""Those whose signalling is the story, in clear."""
NAMES = sorted(path.stem for path in CAPTURES.glob("*.pcapng"))


@pytest.mark.parametrize("name", NAMES)
def test_the_report_says_what_the_page_read(name: str) -> None:
    with open_capture(CAPTURES / f"{name}.pcapng") as source:
        list(source)
        if holds_keys(source.secrets):
            need_tool("tshark")
    compared = compare(CAPTURES / f"{name}.pcapng", read_truth(CAPTURES / f"{name}.json"))
    assert compared.problems == []


def test_recall_and_precision_over_all_scenarios(
    tshark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """All is found and nothing else, and the page that says so is of this code."""
    rows = compare_all()
    with capsys.disabled():
        sys.stdout.write(f"\n{table(rows)}{by_program(rows)}")
    assert all(row.recall == row.precision == 1 for row in rows)
    assert RESULTS.read_text() == page(rows)


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_small_and_holds_no_path_of_the_machine(name: str) -> None:
    data = (CAPTURES / f"{name}.pcapng").read_bytes()
    assert len(data) <= 100_000
    assert b"/tmp/" not in data
    assert b"/root" not in data


def test_all_captures_together_are_small() -> None:
    files = [path for path in CAPTURES.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) <= 12_000_000


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SIGNALLED])
def test_no_answer_stands_in_clear(name: str) -> None:
    """What the page read is nowhere in the packets as text: it has to be worked out."""
    data = (CAPTURES / f"{name}.pcapng").read_bytes()
    for candidate in read_truth(CAPTURES / f"{name}.json")["candidates"]:
        assert candidate["line"].encode() not in data
        if candidate["type"] != "relay":
            assert candidate["address"].encode() not in data


def test_every_scenario_is_recorded_and_described() -> None:
    assert {scenario.name for scenario in SCENARIOS} == {*NAMES}
    command = [sys.executable, "-m", "captures.lab", "--list"]
    table = subprocess.run(command, cwd=CAPTURES.parent, capture_output=True, text=True, check=True)
    assert table.stdout in (CAPTURES / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_key_is_what_the_lab_would_write(name: str, tmp_path: Path, tshark: str) -> None:
    """Scenarios, judging and recordings do not drift apart."""
    scenario = next(one for one in SCENARIOS if one.name == name)
    for suffix in (".pcapng", ".json"):
        shutil.copy(CAPTURES / f"{name}{suffix}", tmp_path)
    judge_again(scenario, tmp_path)
    assert (tmp_path / f"{name}.json").read_text() == (CAPTURES / f"{name}.json").read_text()
