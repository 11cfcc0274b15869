"""A progress bar on standard error, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pcapleak.pipeline.analyze import Progress

MIN_BYTES = 20_000_000
"""Files smaller than this are done before a bar could be read."""


@contextmanager
def progress_bar(paths: Sequence[str], quiet: bool) -> Iterator[Progress | None]:
    """What `analyze` should call while it reads `paths`, or None where a bar is not wanted."""
    if quiet or not sys.stderr.isatty() or not any(map(_is_long, paths)):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
    from rich.text import Text

    from pcapleak.report.text import safe

    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    console.print(Text(f"Reading {', '.join(safe(path, 60) for path in paths[:3])}", style="dim"))
    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _is_long(path: str) -> bool:
    if path == "-":
        return True
    try:
        return Path(path).stat().st_size >= MIN_BYTES
    except OSError:
        return False
