"""`pcapleak explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from pcapleak.cli.completion import FINDING


def explain(
    finding: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            autocompletion=FINDING,
            help="A finding's id, its name or a word in it; without one, all findings are listed.",
        ),
    ] = None,
) -> None:
    """Say what a finding means, how to confirm it, how to fix it, and its source."""
    from pcapleak.errors import PcapleakError
    from pcapleak.explain.findings import about, explanation, find, index

    if finding is None:
        typer.echo(index())
        return
    entry = find(finding)
    if entry is not None:
        typer.echo(explanation(entry))
        return
    alike = about(finding) if finding.strip() else []
    if not alike:
        raise PcapleakError(f"no finding matches {finding!r}; `pcapleak explain` lists them all")
    typer.echo(explanation(alike[0]) if len(alike) == 1 else index(alike))
