"""`pcapleak explain`."""

from __future__ import annotations

from typing import Annotated

import typer


def explain(
    finding: Annotated[
        str | None, typer.Argument(metavar="ID", help="A finding's id or name; without: a list.")
    ] = None,
) -> None:
    """Say what a finding means, how to confirm it, how to fix it, and its source."""
    from pcapleak.errors import PcapleakError
    from pcapleak.explain.findings import explanation, find, index

    if finding is None:
        typer.echo(index())
        return
    entry = find(finding)
    if entry is None:
        raise PcapleakError(f"no finding is called {finding!r}; `pcapleak explain` lists them all")
    typer.echo(explanation(entry))
