"""The tables."""

from __future__ import annotations

import pandas as pd
import pytest
from sample_report import START, sample

from pcapleak.report.document import Document, Generator, PolicyEntry, Verdict
from pcapleak.report.report import Report
from pcapleak.report.writers.tables import TABLES, TIME, WORD

EMPTY = Document(
    "1.0", Generator("pcapleak", "0.1.0"), [], PolicyEntry("none"), Verdict("no-policy", "nothing")
)


@pytest.mark.parametrize("name", TABLES)
def test_empty_and_full_tables_have_the_same_columns(name: str) -> None:
    """Code written against one report works on any other."""
    empty, full = getattr(Report(EMPTY), name), getattr(Report(sample()), name)
    assert list(empty.columns) == list(full.columns) == [column.name for column in TABLES[name]]
    assert len(empty) == 0
    assert len(full) > 0
    for column in TABLES[name]:
        kinds = {str(empty[column.name].dtype), str(full[column.name].dtype)}
        assert kinds == {column.dtype}


@pytest.mark.parametrize("name", TABLES)
def test_words_are_objects_in_every_pandas(name: str) -> None:
    """Categories do not depend on the default text dtype of the pandas at hand."""
    for report in (Report(EMPTY), Report(sample())):
        table = getattr(report, name)
        for column in TABLES[name]:
            if column.dtype == WORD:
                assert table[column.name].cat.categories.dtype == object


def test_times_keep_nanoseconds() -> None:
    """A time column holds UTC nanoseconds, a missing time is NaT."""
    first = Report(sample()).findings["first_time"]
    assert str(first.dtype) == TIME
    assert first[0].value == START + 1200 * 1_000_000
    assert first.isna().tolist() == [False, True]


def test_severities_compare() -> None:
    """Severities are ordered, worst first, whether or not they occur."""
    findings = Report(sample()).findings
    assert list(findings["severity"].cat.categories) == [
        "critical",
        "high",
        "medium",
        "low",
        "info",
    ]
    assert findings[findings["severity"] <= "high"]["id"].tolist() == ["PL101"]


def test_missing_ports_are_missing() -> None:
    """An unknown port is NA, and the others stay integers."""
    ports = Report(sample()).candidates["port"]
    assert ports.tolist() == [40150, 40150, pd.NA]


def test_tables_join() -> None:
    """A finding's flow is a row of the flow table."""
    report = Report(sample())
    joined = report.findings.merge(report.flows, left_on="flow", right_on="id")
    assert joined["resp_address"].tolist() == ["198.51.100.10"]
