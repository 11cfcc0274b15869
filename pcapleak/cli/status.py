"""The exit status of the commands that judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pcapleak.values.findings import Severity

if TYPE_CHECKING:
    from pcapleak.report.document import Document, Finding

VERDICT = "Exit status"
"""The panel of the options that change it."""


FailOn = Annotated[
    Severity | None,
    typer.Option(
        "--fail-on",
        metavar="SEVERITY",
        help="Exit 1 for findings of this severity or above (default: if the verdict is a leak).",
        rich_help_panel=VERDICT,
    ),
]


def exit_status(
    documents: Sequence[Document],
    fail_on: Severity | None,
    baseline: Sequence[Document] | None = None,
) -> int:
    """1 if any report leaks (beyond its baseline), else 3 if any is inconclusive, else 0."""
    if baseline is not None:
        from pcapleak.report.diff import new_findings

        fails = _severe(new_findings(baseline, documents), fail_on or Severity.HIGH)
    elif fail_on is not None:
        fails = any(_severe(document.findings, fail_on) for document in documents)
    else:
        fails = any(document.verdict.result == "leak" for document in documents)
    if fails:
        return 1
    return 3 if any(each.verdict.result == "inconclusive" for each in documents) else 0


def _severe(findings: Sequence[Finding], fail_on: Severity) -> bool:
    return any(finding.severity >= fail_on for finding in findings)
