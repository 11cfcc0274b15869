"""The command line: it parses options, calls the library, and prints.

Only typer and the command asked for are loaded here; each loads what it needs when it runs.
"""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from pcapleak import __version__
from pcapleak.cli.confinement import OWN_PROCESS
from pcapleak.cli.examples import epilog
from pcapleak.cli.streams import StreamLostError, give_up_stdout, own_streams
from pcapleak.errors import PcapleakError
from pcapleak.pipeline.gc_policy import RARELY

COMMANDS = (
    "analyze",
    "batch",
    "live",
    "guard",
    "page",
    "interfaces",
    "decode",
    "diff",
    "explain",
    "candidate",
    "geo",
    "redact",
    "schema",
    "policy",
)
"""As the help lists them; each is a module of this package."""


class _Commands(Mapping[str, object]):
    """The commands by name, each loaded when it is looked up."""

    def __init__(self) -> None:
        self._loaded: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        if name not in COMMANDS:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _load(name: str) -> object:
    command = getattr(import_module(f"pcapleak.cli.{name}"), name)
    if isinstance(command, typer.Typer):
        group = get_command(command)
        group.name, group.epilog = name, epilog(name)
        return group
    alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    alone.command(epilog=epilog(name), help=_flowing(command.__doc__ or ""))(command)
    return get_command(alone)


def _flowing(text: str) -> str:
    """A docstring whose paragraphs break where the terminal's width wants it; a table of exit
    statuses keeps its lines."""
    return re.sub(r"(?<=\S)\n(?=[^\s\d])", " ", cleandoc(text))


class _Root(TyperGroup):
    """The program itself."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing adds to it

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command meant; a capture alone is analyzed."""
        first = args[0] if args else ""
        if first not in COMMANDS and ("." in first or "/" in first or Path(first).exists()):
            args = ["analyze", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="pcapleak",
    cls=_Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


class Interrupted(BaseException):
    """Ctrl-C; click would make exit status 1 of Python's own, which here means a leak."""


def main() -> None:
    """Run the command line and exit with its status.

    Whatever keeps it from a verdict ends in 2, never in 1: an error of ours in one line, a reader
    of standard output that has gone in silence, a fault of pcapleak with its traceback.
    """
    own_streams()
    # numpy's linear algebra is not used; its threads cost more than all else it loads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(*RARELY)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    sys.exit(_status())


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted


def _status() -> int:
    status: int | str | None = 2
    try:
        try:
            app(obj=OWN_PROCESS)
        except SystemExit as end:
            status = end.code
        sys.stdout.flush()
    except PcapleakError as error:
        from pcapleak.report.text import safe

        typer.echo(f"pcapleak: {safe(error, 2000)}", err=True)
        return 2
    except StreamLostError as lost:
        if not lost.reader_gone:
            typer.echo(f"pcapleak: standard output: cannot be written ({lost})", err=True)
        give_up_stdout()
        return 2
    except (Interrupted, KeyboardInterrupt):
        return 130
    except Exception:
        import traceback

        traceback.print_exc()
        return 2
    finally:
        # The process ends: what is left need not be searched for cycles.
        gc.freeze()
    return status if isinstance(status, int) else 0 if status is None else 2
