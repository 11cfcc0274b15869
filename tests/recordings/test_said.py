"""What reports say of real and made captures is English, in every part and on the page."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from case_keys import CASES, Run, policy_of, report_of, runs
from phrases import faults, faults_of_sentences
from rich.console import Console

import pcapleak
from pcapleak.report.writers.terminal import print_report

RUNS = [run for run in runs() if run.capture.stat().st_size < 150_000][::3]
"""Every third, of all sources: real browsers, other programs, VPNs, proxies, strangers."""


def sentences_of(report: dict[str, Any]) -> Iterator[str]:
    """Texts that are whole sentences."""
    yield report["verdict"]["reason"]
    for finding in report["findings"]:
        yield finding["message"]
        yield finding["remedy"]
    if report["coherence"]["sentence"]:
        yield report["coherence"]["sentence"]


def clauses_of(report: object, name: str = "") -> Iterator[str]:
    """Texts that are parts of sentences: reasons, notes, hints, events, conclusions, claims."""
    if isinstance(report, dict):
        for key, value in report.items():
            yield from clauses_of(value, key)
    elif isinstance(report, list):
        for value in report:
            yield from clauses_of(value, name)
    elif isinstance(report, str) and name in CLAUSES:
        yield report


CLAUSES = {
    "reasons", "role_reason", "engine_reason", "reason", "note", "provoke", "text", "conclusion",
    "says", "answer", "problems", "provenance", "sentence", "fact", "learned_by", "through",
}  # fmt: skip


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_every_text_of_a_report_is_english(run: Run) -> None:
    report = report_of(run)
    wrong = [fault for text in sentences_of(report) for fault in faults_of_sentences(text)]
    wrong += [fault for text in clauses_of(report) for fault in faults(text)]
    assert not wrong, "\n".join(wrong)


def test_all_parts_of_reports_were_read() -> None:
    """The cases are no use where nothing of a kind is said in them."""
    said: set[str] = set()
    verdicts = set()
    for run in RUNS[::6]:
        report = report_of(run)
        verdicts.add(report["verdict"]["result"])
        said |= {key for key in ("findings", "coverage", "timeline", "claims") if report[key]}
    assert verdicts >= {"leak", "no-leak"}
    assert said == {"findings", "coverage", "timeline", "claims"}


@pytest.mark.parametrize("run", RUNS[::8], ids=lambda run: run.name)
def test_the_page_keeps_within_80_columns_but_for_filters(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CASES)
    document = pcapleak.analyze(run.capture.name, policy_of(run.wanted["options"])).document
    for verbose in (False, True):
        console = Console(file=io.StringIO(), width=80)
        print_report(document, console, verbose=verbose)
        assert isinstance(console.file, io.StringIO)
        for line in console.file.getvalue().splitlines():
            assert len(line) <= 80 or line.split()[0] == "filter", line


WRONG = (
    "analyze nosuch.pcap",
    "analyze {capture} --tunel wg0",
    "analyze {capture} --proxy nonsense",
    "analyze {capture} --proxy ftp://198.51.100.1:21",
    "analyze {capture} --vpn-endpoint nosuch.example:443",
    "analyze {capture} --vpn-endpoint 198.51.100.1:99999",
    "analyze {capture} --require webrtc",
    "analyze {capture} --client nobody",
    "analyze {capture} --json {capture}",
    "analyze {capture} --policy {capture}",
    "analyze {capture} --fail-on sometimes",
    "analyze .",
    "decode {capture} --filter stunn",
    "explain nosuchword",
    "redact {capture} {capture}",
    "diff {capture} {capture}",
    "candidate nonsense",
    "geo nowhere",
    "analyse {capture}",
)


@pytest.mark.parametrize("words", WRONG)
def test_every_error_is_english_and_short(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    capture = RUNS[0].capture.name
    done = subprocess.run(
        [sys.executable, "-m", "pcapleak", *words.format(capture=capture).split()],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"},
    )
    assert done.returncode == 2, done.stdout
    told = " ".join(done.stderr.replace("│", " ").split())
    assert told
    assert not list(faults(told))
    assert "Traceback" not in told
    assert len(told) < 700
