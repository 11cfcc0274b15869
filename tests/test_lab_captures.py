"""Every committed recording of the lab is analyzed and held against what its page read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lab_truth import compare, read_truth, table

from captures.lab import SCENARIOS

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
NAMES = sorted(path.stem for path in CAPTURES.glob("*.pcapng"))


@pytest.mark.parametrize("name", NAMES)
def test_the_report_says_what_the_page_read(name: str) -> None:
    compared = compare(CAPTURES / f"{name}.pcapng", read_truth(CAPTURES / f"{name}.json"))
    assert compared.problems == []


def test_recall_and_precision_over_all_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        compare(CAPTURES / f"{name}.pcapng", read_truth(CAPTURES / f"{name}.json"))
        for name in NAMES
    ]
    with capsys.disabled():
        sys.stdout.write(f"\n{table(rows)}\n")
    assert all(row.recall == row.precision == 1 for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_small_and_holds_no_path_of_the_machine(name: str) -> None:
    data = (CAPTURES / f"{name}.pcapng").read_bytes()
    assert len(data) <= 100_000
    assert b"/tmp/" not in data
    assert b"/root" not in data


def test_every_scenario_is_recorded_and_described() -> None:
    described = (CAPTURES / "README.md").read_text()
    assert {scenario.name for scenario in SCENARIOS} == {*NAMES}
    for scenario in SCENARIOS:
        assert f"| [{scenario.name}]({scenario.name}.pcapng) | {scenario.summary} |" in described
        truth = read_truth(CAPTURES / f"{scenario.name}.json")
        assert truth["policy"] == scenario.policy
        assert truth["expect"].items() >= scenario.expect.items()
