"""The catalogue holds what the report's specification promises of each finding."""

from __future__ import annotations

import pytest

from pcapleak.judge.findings.catalogue import CATALOGUE, ENTRIES, Entry

SEVERITIES = {
    "PL101": "critical", "PL102": "high", "PL103": "high", "PL104": "critical",
    "PL105": "medium", "PL106": "medium", "PL107": "medium",
    "PL201": "high", "PL202": "high", "PL203": "high", "PL204": "high", "PL205": "high",
    "PL206": "high", "PL207": "medium", "PL208": "high", "PL209": "medium",
    "PL301": "low", "PL302": "medium", "PL303": "medium", "PL304": "medium",
    "PL401": "medium", "PL402": "medium", "PL403": "medium", "PL404": "medium",
    "PL405": "medium", "PL406": "low", "PL901": "info",
}  # fmt: skip


def test_identifiers_are_stable() -> None:
    assert {entry.id: entry.severity for entry in ENTRIES} == SEVERITIES
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES) == len(CATALOGUE)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_every_page_is_whole(entry: Entry) -> None:
    for text in (entry.when, entry.meaning, entry.confirm, entry.remedy, entry.weaknesses):
        assert len(text) > 20
        assert text.endswith(".")
    assert entry.sources
