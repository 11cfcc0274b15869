"""`pcapleak diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="A report written with --json.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="A later report.")],
) -> None:
    """Compare two reports: which findings are new, gone or changed.

    Exit status: 0 nothing is new or worse, 1 something is, 2 a report cannot be read.
    """
    from pcapleak.report.diff import compare, difference_text, new_findings
    from pcapleak.report.writers.json import read_reports

    old, new = read_reports(before), read_reports(after)
    typer.echo(difference_text(compare(old, new)), nl=False)
    raise typer.Exit(1 if new_findings(old, new) else 0)
