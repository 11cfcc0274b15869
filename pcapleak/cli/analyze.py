"""`pcapleak analyze`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcapleak.cli import options
from pcapleak.cli.outputs import Outputs, write_text
from pcapleak.errors import PcapleakError

if TYPE_CHECKING:
    from pcapleak.document import Document
    from pcapleak.policy import Policy

OUTPUT = "Output"
VERDICT = "Exit status"


class Threshold(StrEnum):
    """Severities, as `--fail-on` takes them."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


def analyze(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Captures; - is standard input.")
    ],
    policy: options.PolicyFile = None,
    proxy: options.Proxies = None,
    tunnel: options.Tunnels = None,
    vpn_endpoint: options.VpnEndpoints = None,
    exit_ip: options.Exits = None,
    client: options.Clients = None,
    lan: options.Lans = None,
    resolver: options.Resolvers = None,
    allow: options.Allows = None,
    strict: options.Strict = False,
    require: options.Requires = None,
    no_infer: options.NoInfer = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Analyze the captures inside folders.")
    ] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="One report over all files, on one timeline.")
    ] = False,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="PATH",
            help="Write the report as JSON (- is standard output, instead of the page).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="PATH",
            help="Write the report as one self-contained HTML page.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="DIR",
            help="Write the tables as CSV files, with every flow.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            "--parquet",
            metavar="DIR",
            help="Write the tables as Parquet files, with every flow.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="PATH",
            help="Write the frames of the findings as a pcapng with the reasons in comments.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    evidence_per_finding: Annotated[
        Path | None,
        typer.Option(
            "--evidence-per-finding",
            metavar="DIR",
            help="The same, one pcapng a finding.",
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
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Print only the verdict.", rich_help_panel=OUTPUT),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Print every reason, and nothing cut.", rich_help_panel=OUTPUT
        ),
    ] = False,
    fail_on: Annotated[
        Threshold | None,
        typer.Option(
            "--fail-on",
            metavar="SEVERITY",
            help="Exit 1 from this severity on (default: where the verdict is a leak).",
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
    judged_by = options.read_policy(
        policy,
        proxy,
        tunnel,
        vpn_endpoint,
        exit_ip,
        client,
        lan,
        resolver,
        allow,
        strict,
        require,
        no_infer,
    )
    outputs = Outputs(html, csv, parquet, evidence, evidence_per_finding)
    paths, unreadable = _expand(files, recursive)
    several = len(files) > 1 or recursive
    if several and not merge and outputs.any:
        raise PcapleakError(f"{outputs.any} writes one report; give one file, or add --merge")
    listed = all_flows or outputs.tables
    documents, failed = _read(paths, judged_by, merge, listed, quiet)
    if json is not None and documents:
        from pcapleak.report.json import to_json

        write_text(json, to_json(documents if several and not merge else documents[0]))
    if documents and outputs.any:
        outputs.write(documents[0])
    if json != "-":
        _print(documents, quiet, verbose)
    status = exit_status(documents, fail_on)
    if exit_zero:
        status = 0
    raise typer.Exit(2 if unreadable or failed else status)


def exit_status(documents: Sequence[Document], fail_on: Threshold | None) -> int:
    """1 if any report leaks, else 3 if any is inconclusive, else 0."""
    if any(_fails(document, fail_on) for document in documents):
        return 1
    return 3 if any(each.verdict.result == "inconclusive" for each in documents) else 0


def _fails(document: Document, fail_on: Threshold | None) -> bool:
    if fail_on is None:
        return document.verdict.result == "leak"
    order = [severity.value for severity in Threshold]
    failing = order[: order.index(fail_on.value) + 1]
    return any(finding.severity in failing for finding in document.findings)


def _expand(files: list[str], recursive: bool) -> tuple[list[str], int]:
    """The captures meant, and how many of the inputs hold none; those are named."""
    from pcapleak.capture import find_captures
    from pcapleak.errors import CaptureError

    paths: list[str] = []
    failed = 0
    for file in files:
        try:
            found = list(find_captures([file], recursive=recursive))
            if not found:
                raise CaptureError(file, "holds no capture", "name another folder")
            paths += found
        except CaptureError as error:
            _complain(error)
            failed += 1
    return paths, failed


def _complain(error: PcapleakError) -> None:
    from pcapleak.report.text import safe

    typer.echo(f"pcapleak: {safe(error, 2000)}", err=True)


def _read(
    paths: list[str], policy: Policy, merge: bool, all_flows: bool, quiet: bool
) -> tuple[list[Document], int]:
    """The reports of what can be read, and how many inputs could not; those are named."""
    from pcapleak.api import analyze as analyze_files
    from pcapleak.cli.progress import progress_bar
    from pcapleak.errors import CaptureError

    documents: list[Document] = []
    unreadable = 0
    groups = [paths] if merge else [[path] for path in paths]
    for group in groups:
        while group:
            try:
                with progress_bar(group, quiet) as progress:
                    report = analyze_files(
                        group, policy, merge=True, all_flows=all_flows, progress=progress
                    )
            except CaptureError as error:
                _complain(error)
                unreadable += 1
                group = [path for path in group if path != error.path]
                continue
            documents.append(report.document)
            break
    return documents, unreadable


def _print(documents: Sequence[Document], quiet: bool, verbose: bool) -> None:
    from pcapleak.cli.console import page_console
    from pcapleak.report.terminal import print_report, print_verdict

    console = page_console(sys.stdout)
    for number, document in enumerate(documents):
        if number:
            console.print()
        if quiet:
            print_verdict(document, console)
        else:
            print_report(document, console, verbose=verbose)
