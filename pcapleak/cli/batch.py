"""`pcapleak batch`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcapleak.cli.confinement import OWN_PROCESS, confine
from pcapleak.cli.option_groups import grouped
from pcapleak.cli.options import PolicyOptions
from pcapleak.cli.outputs import OUTPUT, print_text
from pcapleak.report.output import Committer, OutputFile, check_distinct, make_folder, protect

if TYPE_CHECKING:
    from pcapleak.fleet.fleet import Fleet
    from pcapleak.fleet.run import Progress


@grouped
def batch(
    *,
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Captures, folders, patterns, or URLs that fsspec opens (s3://, https://, ...).",
        ),
    ],
    scheduler: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="A dask scheduler (tls://HOST:8786), or local: processes of this machine.",
        ),
    ] = "local",
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="Allow a scheduler that neither uses TLS nor is on this machine: whoever "
            "reaches it can run programs on the cluster and here.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Processes of a local run (default: one per core)."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep each capture's report here; a later run reuses those it finds.",
        ),
    ] = None,
    policy: PolicyOptions,
    json: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Write the summary as JSON (- is standard output, instead of the tables).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Write the summary as an HTML page, with a page per capture in a folder by it.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the summary's tables as Parquet files.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
) -> None:
    """Analyze many captures on many machines, and show what they show together.

    Which hosts leak, which names and addresses recur, and which captures hold the two ends of
    one call. A capture that cannot be read is listed with its error.

    Exit status:

    0 no leak
    1 some capture leaks
    2 the command was wrong, or a capture could not be analyzed
    3 inconclusive
    """
    from pcapleak.fleet.run import LOCAL, find, run

    judged_by = policy.read()
    captures = find(paths)
    protect([*captures, *judged_by.geo_databases, *judged_by.geo_maps])
    protect([] if policy.file is None else [policy.file])
    files = {"--json": None if json in (None, "-") else Path(str(json)), "--html": html}
    asked = {option: path for option, path in files.items() if path is not None}
    check_distinct(asked | ({} if parquet is None else {"--parquet": parquet}))
    with ExitStack() as stack:
        opened = {option: OutputFile(path) for option, path in asked.items()}
        for file in opened.values():
            stack.callback(file.discard)
        if results is not None:
            make_folder(results)
        if parquet is not None:
            make_folder(parquet)
        pages = None if html is None else html.absolute().with_name(f"{html.stem}-pages")
        if pages is not None:
            make_folder(pages)
        here = scheduler == LOCAL and not any("://" in path for path in captures)
        if context.obj is OWN_PROCESS and here:
            if opened:
                stack.enter_context(Committer(list(opened.values())))
            places = [*judged_by.geo_databases, *judged_by.geo_maps]
            folders = [folder for folder in (results, parquet, pages) if folder is not None]
            confine(map(Path, (*captures, *places)), folders, spawn=True)
        with _progress() as progress:
            fleet = run(
                captures,
                judged_by,
                results,
                progress,
                scheduler=scheduler,
                workers=workers,
                insecure=insecure,
                pages=pages,
            )
        _write(fleet, opened, parquet, pages, to_stdout=json == "-")
    raise typer.Exit(exit_status(fleet))


def exit_status(fleet: Fleet) -> int:
    """The worst of the captures': unreadable, leak, inconclusive."""
    seen = {row.result for row in fleet.rows}
    worst = ((2, "error"), (1, "leak"), (3, "inconclusive"))
    return next((status for status, result in worst if result in seen), 0)


def _write(
    fleet: Fleet,
    opened: dict[str, OutputFile],
    parquet: Path | None,
    pages: Path | None,
    *,
    to_stdout: bool,
) -> None:
    from pcapleak.cli.console import page_console
    from pcapleak.fleet import writers as show

    for option, write in (
        ("--json", show.to_json),
        ("--html", partial(show.to_html, pages="" if pages is None else pages.name)),
    ):
        if option in opened:
            with opened[option] as file:
                file.write(write(fleet).encode())
    if parquet is not None:
        show.write_parquet(fleet, parquet)
    if to_stdout:
        print_text(show.to_json(fleet))
    else:
        show.print_fleet(fleet, page_console(sys.stdout))


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A bar on standard error, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
