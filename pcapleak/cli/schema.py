"""`pcapleak schema`."""

from __future__ import annotations

import json

import typer


def schema() -> None:
    """Print the JSON Schema of the report."""
    from pcapleak.report.schema import schema as report_schema

    typer.echo(json.dumps(report_schema(), indent=2))
