"""The command line: it parses options, calls the library, and prints.

Only typer is loaded here; each command loads what it needs when it runs.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from pcapleak import __version__
from pcapleak.cli.analyze import analyze
from pcapleak.cli.batch import batch
from pcapleak.cli.candidate import candidate
from pcapleak.cli.decode import decode
from pcapleak.cli.diff import diff
from pcapleak.cli.explain import explain
from pcapleak.cli.geo import geo
from pcapleak.cli.guard import guard
from pcapleak.cli.interfaces import interfaces
from pcapleak.cli.live import live
from pcapleak.cli.policy import policy_app
from pcapleak.cli.redact import redact
from pcapleak.cli.schema import schema
from pcapleak.errors import PcapleakError
from pcapleak.sandbox import OWN_PROCESS

app = typer.Typer(
    name="pcapleak",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(analyze)
app.command()(batch)
app.command()(live)
app.command()(guard)
app.command()(interfaces)
app.command()(decode)
app.command()(diff)
app.command()(explain)
app.command()(candidate)
app.command()(geo)
app.add_typer(policy_app, name="policy")
app.command()(redact)
app.command()(schema)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pcapleak {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Show WebRTC, DNS, IPv6 and other leaks past a VPN or proxy, from packets alone.

    pcapleak reads captures and listens; it never sends a packet.
    """


def main() -> None:
    """Run the command line and exit with its status: an error of ours is one line and 2."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows an escape where it lacks a character.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app(obj=OWN_PROCESS)
    except PcapleakError as error:
        from pcapleak.report.text import safe

        typer.echo(f"pcapleak: {safe(error, 2000)}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain once more while closing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
