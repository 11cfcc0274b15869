"""`pcapleak diff`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcapleak.errors import PcapleakError

if TYPE_CHECKING:
    from pcapleak.report.document import Document


def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="A report written by --json.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="A later one.")],
) -> None:
    """Compare two reports: which findings are new, gone or changed.

    Exit status: 0 nothing is new or worse, 1 something is, 2 a report cannot be read.
    """
    from pcapleak.report.diff import compare, difference_text, new_findings

    old, new = read_reports(before), read_reports(after)
    typer.echo(difference_text(compare(old, new)), nl=False)
    raise typer.Exit(1 if new_findings(old, new) else 0)


def read_reports(path: Path) -> list[Document]:
    """The reports in a file. Raises `PcapleakError` naming the file."""
    from pcapleak.report.writers.json import from_json

    try:
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PcapleakError(
            f"{path}: cannot be read ({error.strerror}); give a file written by --json"
        ) from error
    except (PcapleakError, UnicodeDecodeError) as error:
        raise PcapleakError(f"{path}: {error}") from error
