"""Terminals: where a page goes and how wide it is."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, TextIO

from pcapleak.cli.streams import StreamLostError

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 100
"""Columns of a page written to a file or pipe, where no terminal says."""


def page_console(stream: TextIO) -> Console:
    """A console that guesses nothing about strings: no markup, emoji codes or highlighting."""
    from rich.console import Console

    class PageConsole(Console):
        """rich would end the process with status 1, which here means a leak."""

        def on_broken_pipe(self) -> None:
            raise StreamLostError(errno.EPIPE)

    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return PageConsole(file=stream, width=width, markup=False, emoji=False, highlight=False)
