"""Recordings of real browsers, damaged: never a traceback, and a verdict changes only for a
reason that is told. `docs/mutations.md` has the table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mutations import CAPTURES, MUTATIONS, judged, packets_of, page, runs, table
from places import ROOT

from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document


def exposing(document: Document) -> set[tuple[str, str]]:
    return {(finding.id, address) for finding in document.findings for address in finding.addresses}


def test_damage_changes_a_verdict_only_for_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = runs(tmp_path)
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(table(made)) + "\n")
    assert {run.kind for run in made} == MUTATIONS.keys()
    assert [run for run in made if not run.same and run.why is None] == []
    assert sum(run.same for run in made) > 0.9 * len(made)
    assert page(made) == (ROOT / "docs" / "mutations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_duplicates_tell_nothing_new(path: Path, tmp_path: Path) -> None:
    """The same addresses are exposed by the same findings, however often a packet is seen."""
    interfaces, packets = packets_of(path)
    twice = [packet for packet in packets for _ in range(2)]
    one = judged(interfaces, packets, tmp_path, Policy())
    two = judged(interfaces, twice, tmp_path, Policy())
    assert one.verdict.result == two.verdict.result
    assert exposing(one) == exposing(two)
