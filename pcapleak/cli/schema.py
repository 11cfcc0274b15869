"""`pcapleak schema`."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema(
    events: Annotated[
        bool,
        typer.Option(
            "--events", help="Print the schema of a line of `pcapleak live --jsonl` instead."
        ),
    ] = False,
) -> None:
    """Print the JSON Schema of the report."""
    from pcapleak.report.json_schema import schema as report_schema
    from pcapleak.report.writers.events import events_schema

    typer.echo(json.dumps(events_schema() if events else report_schema(), indent=2))
