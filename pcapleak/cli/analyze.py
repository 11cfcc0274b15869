"""`pcapleak analyze`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcapleak.cli import redacted as redacting
from pcapleak.cli.confinement import OWN_PROCESS, confine
from pcapleak.cli.key_file import KeyFile
from pcapleak.cli.option_groups import grouped
from pcapleak.cli.options import PolicyOptions
from pcapleak.cli.outputs import OUTPUT, Outputs
from pcapleak.cli.progress import progress_bar
from pcapleak.cli.status import VERDICT, FailOn, exit_status
from pcapleak.cli.streams import StreamLostError
from pcapleak.errors import CaptureError
from pcapleak.report.output import protect
from pcapleak.values.findings import Severity

if TYPE_CHECKING:
    from pcapleak.report.document import Document


@grouped
def analyze(
    *,
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Captures to analyze; - is standard input."),
    ],
    policy: PolicyOptions,
    pages: Annotated[
        list[str] | None,
        typer.Option(
            "--page",
            metavar="FILE",
            help="What the page read, to compare with the packets: the reading that the page of"
            " `pcapleak page` saved, a webrtc-internals dump, about:webrtc text, getStats JSON,"
            " SDP or candidate lines.",
        ),
    ] = None,
    keylog: Annotated[
        Path | None,
        typer.Option(
            "--keylog",
            metavar="FILE",
            help="A TLS key log (SSLKEYLOGFILE), to read candidates signalled inside TLS too, "
            "using tshark.",
        ),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Analyze the captures inside folders.")
    ] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Make one report of all files, on one timeline.")
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            help="Number of captures to analyze in parallel.",
        ),
    ] = 1,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="PATH",
            help="Write the report as JSON; several reports form an array (- is standard "
            "output, instead of the page).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    outputs: Outputs,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="PATH",
            help="Write the findings as JUnit XML, for CI systems.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    all_flows: Annotated[
        bool,
        typer.Option(
            "--all-flows",
            help="List every flow in the JSON, not only those that matter.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    redact: Annotated[
        bool,
        typer.Option(
            "--redact",
            help="Rename every address and name, as `pcapleak redact` does, in all outputs.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    redact_key: Annotated[
        Path | None,
        typer.Option(
            "--redact-key",
            metavar="FILE",
            help="Rename using the key in this file, as `pcapleak redact --key` does.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Print only the verdict.", rich_help_panel=OUTPUT),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Print every reason and leave nothing out.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    fail_on: FailOn = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="REPORT",
            help=(
                "Exit 1 only for findings that are new or worse than in this report (written "
                "with --json)."
            ),
            rich_help_panel=VERDICT,
        ),
    ] = None,
    exit_zero: Annotated[
        bool,
        typer.Option(
            "--exit-zero",
            help="Exit 0 whatever the captures show.",
            rich_help_panel=VERDICT,
        ),
    ] = False,
) -> None:
    """Analyze captures and end in a verdict with its evidence.

    Exit status:

    0 no leak, or nothing to judge by
    1 leak
    2 the command or an input was wrong
    3 inconclusive
    """
    judged_by = policy.read()
    accepted = None
    if baseline is not None:
        from pcapleak.report.writers.json import read_reports

        accepted = read_reports(baseline)
    if redact:
        redacting.check(judged_by, pages or (), keylog)
    separate = (len(files) > 1 or recursive) and not merge
    failures = Failures()
    paths = list(_expand(files, recursive, failures))
    given = [*files, *(pages or ()), *judged_by.geo_databases, *judged_by.geo_maps]
    given += [] if keylog is None else [str(keylog)]
    protect([*paths, *given, *filter(None, (policy.file, baseline, redact_key))])
    _load(page=json != "-", redacting=redact)
    from pcapleak.pipeline.analyze import Asked, reports_on

    documents: list[Document] = []
    lost: StreamLostError | None = None
    with ExitStack() as stack:
        opened = stack.enter_context(
            outputs.opened({"--json": json, "--junit": junit}, separate=separate)
        )
        key: KeyFile | None = None
        folders: list[Path] = []
        if redact:
            key = stack.enter_context(KeyFile(redact_key))
            folders.append(stack.enter_context(redacting.workplace()))
        if context.obj is OWN_PROCESS:
            opened.leave_to_committer(*filter(None, [key]), folders=folders)
            readable = [Path(name) for name in given if name != "-"]
            # Captures may bring the keys that tshark opens them with; redacted ones bring none.
            run = () if redact else ("tshark",)
            hindrance = confine(readable, [*opened.folders, *folders], run, spawn=True)
            if hindrance is not None and verbose:
                typer.echo(f"pcapleak: not confined to its files: {hindrance}", err=True)
        if key is not None:
            renamed = redacting.redacted(paths, judged_by, key, folders[0])
            paths, judged_by = stack.enter_context(renamed)
        asked = Asked(judged_by, pages or (), keylog, all_flows=all_flows or outputs.every_flow)
        groups = [paths] if merge else [[path] for path in paths]
        watching = partial(progress_bar, quiet=quiet)
        for document in reports_on(
            groups, asked, jobs=jobs, failed=failures.add, watching=watching
        ):
            if redact:
                document = redacting.without_places(document)
            if json != "-" and lost is None:
                try:
                    _print(document, quiet, verbose, first=not documents)
                except StreamLostError as error:
                    # Files that were asked for are written all the same.
                    lost = error
            documents.append(document)
            opened.write(document)
        if json is not None and (documents or separate):
            from pcapleak.report.writers.json import to_json

            opened.write_text("--json", to_json(documents if separate else documents[0]))
        if junit is not None and documents:
            from pcapleak.report.writers.junit import to_junit

            severity = fail_on or Severity.HIGH
            text = to_junit(documents, fail_on=severity, baseline=accepted or ())
            opened.write_text("--junit", text)
    if lost is not None:
        raise lost
    status = 0 if exit_zero else exit_status(documents, fail_on, accepted)
    status = 2 if failures.count else status
    if json != "-" and not quiet and documents:
        from pcapleak.cli.console import page_console
        from pcapleak.report.writers.terminal import print_closing

        print_closing(documents, status, page_console(sys.stdout))
    raise typer.Exit(status)


def _load(*, page: bool, redacting: bool) -> None:
    """Load what analyzes and what prints the page: once confined, Python could not keep what it
    compiled, and would compile it for every run."""
    import pcapleak.pipeline.analyze

    if redacting:
        import pcapleak.redact
    if page:
        import pcapleak.cli.console
        import pcapleak.report.writers.terminal  # noqa: F401


class Failures:
    """Inputs that could not be read: each is named at once, and counted."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, error: CaptureError) -> None:
        """Name one."""
        from pcapleak.report.text import safe

        typer.echo(f"pcapleak: {safe(error, 2000)}", err=True)
        self.count += 1


def _expand(files: list[str], recursive: bool, failures: Failures) -> Iterator[str]:
    """The captures meant."""
    from pcapleak.capture import find_captures

    for file in files:
        try:
            found = list(find_captures([file], recursive=recursive))
            if not found:
                raise CaptureError(file, "holds no capture", "name another folder")
            yield from found
        except CaptureError as error:
            failures.add(error)


def _print(document: Document, quiet: bool, verbose: bool, *, first: bool) -> None:
    from pcapleak.cli.console import page_console
    from pcapleak.report.writers.terminal import print_report, print_verdict

    console = page_console(sys.stdout)
    if not first:
        console.print()
    if quiet:
        print_verdict(document, console)
    else:
        print_report(document, console, verbose=verbose)
