"""`pcapleak candidate`."""

from __future__ import annotations

from typing import Annotated

import typer


def candidate(
    lines: Annotated[
        list[str],
        typer.Argument(
            metavar="LINE...", help="Candidate lines, each quoted; - reads SDP or JSON from stdin."
        ),
    ],
    addresses: Annotated[
        list[str] | None,
        typer.Option(
            "--address",
            metavar="ADDRESS",
            help="An address the candidate may hide, to test against its foundation.",
        ),
    ] = None,
    tie_breakers: Annotated[
        list[str] | None,
        typer.Option(
            "--tie-breaker",
            metavar="HEX",
            help="A tie-breaker seen in a capture; it salts Chromium's foundations.",
        ),
    ] = None,
) -> None:
    """Explain an ICE candidate line field by field."""
    import sys
    from shutil import get_terminal_size
    from textwrap import fill

    from pcapleak.decode.ice.candidate import find_candidates, format_candidate
    from pcapleak.errors import DecodeError, PcapleakError
    from pcapleak.explain.candidate import explain_candidate
    from pcapleak.report.text import safe

    if lines == ["-"]:
        lines = [format_candidate(line) for line in find_candidates(sys.stdin.read())]
    try:
        salts = frozenset(int(text, 16) for text in tie_breakers or ())
    except ValueError as error:
        raise PcapleakError(f"--tie-breaker: {error}; give 16 hexadecimal digits") from error
    columns = max(get_terminal_size().columns, 40)
    for number, line in enumerate(lines):
        try:
            fields = explain_candidate(line, bases=frozenset(addresses or ()), tie_breakers=salts)
        except DecodeError as error:
            raise PcapleakError(
                f"{error}; give a line such as 'candidate:1 1 udp 1 192.0.2.1 50000 typ host'"
            ) from error
        if number:
            typer.echo()
        name_width = max(len(field.name) for field in fields)
        for field in fields:
            typer.echo(f"{safe(field.name):{name_width}}  {safe(field.value)}")
            indent = " " * (name_width + 2)
            typer.echo(
                fill(
                    safe(field.meaning, 2000),
                    columns,
                    initial_indent=indent,
                    subsequent_indent=indent,
                )
            )
