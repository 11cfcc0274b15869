"""The exit status of the commands that judge."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pcapleak.report.document import Document, Finding

VERDICT = "Exit status"
"""The panel of the options that change it."""


class Threshold(StrEnum):
    """Severities, as `--fail-on` takes them."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


FailOn = Annotated[
    Threshold | None,
    typer.Option(
        "--fail-on",
        metavar="SEVERITY",
        help="Exit 1 from this severity on (default: where the verdict is a leak).",
        rich_help_panel=VERDICT,
    ),
]


def exit_status(
    documents: Sequence[Document],
    fail_on: Threshold | None,
    baseline: Sequence[Document] | None = None,
) -> int:
    """1 if any report leaks (beyond its baseline), else 3 if any is inconclusive, else 0."""
    if baseline is not None:
        from pcapleak.report.diff import new_findings

        fails = _severe(new_findings(baseline, documents), fail_on or Threshold.HIGH)
    elif fail_on is not None:
        fails = any(_severe(document.findings, fail_on) for document in documents)
    else:
        fails = any(document.verdict.result == "leak" for document in documents)
    if fails:
        return 1
    return 3 if any(each.verdict.result == "inconclusive" for each in documents) else 0


def _severe(findings: Sequence[Finding], fail_on: Threshold) -> bool:
    order = [severity.value for severity in Threshold]
    failing = order[: order.index(fail_on.value) + 1]
    return any(finding.severity in failing for finding in findings)
