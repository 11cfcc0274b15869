"""`pcapleak live`."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from pcapleak.cli import options
from pcapleak.cli.analyze import OUTPUT, VERDICT, Threshold, exit_status
from pcapleak.cli.outputs import write_text

if TYPE_CHECKING:
    from pcapleak.watch import Update, Watch


def live(
    iface: Annotated[
        list[str] | None,
        typer.Option("--iface", "-i", metavar="IFACE", help="Watch this interface (default: all)."),
    ] = None,
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
    duration: Annotated[
        float | None, typer.Option("--duration", metavar="SECONDS", help="Stop after this long.")
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="PATH",
            help="Write the report as JSON at the end (- is standard output).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    fail_on: Annotated[
        Threshold | None,
        typer.Option(
            "--fail-on",
            metavar="SEVERITY",
            help="Exit 1 from this severity on (default: where the verdict is a leak).",
            rich_help_panel=VERDICT,
        ),
    ] = None,
) -> None:
    """Watch this machine's interfaces; findings appear as they come, the report at the end.

    Ctrl-C, SIGTERM or --duration ends it. It needs the right to capture, and sends nothing.
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
    from pcapleak.capture.live.source import LiveSource
    from pcapleak.watch import Watch

    with LiveSource(tuple(iface or ())) as source:
        running = Watch(source, judged_by)
        _run(running, duration)
        document = running.document()
    if json is not None:
        from pcapleak.report.json import to_json

        write_text(json, to_json(document))
    if json != "-":
        from pcapleak.cli.console import page_console
        from pcapleak.report.terminal import print_report

        print_report(document, page_console(sys.stdout))
    raise typer.Exit(exit_status([document], fail_on))


def _run(running: Watch, duration: float | None) -> None:
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    end_s = None if duration is None else time.monotonic() + duration
    typer.echo(f"pcapleak: watching {running.source.path.removeprefix('live:')}", err=True)
    while not stopped and (end_s is None or time.monotonic() < end_s):
        update = running.step()
        if update is not None:
            _print_update(update)


def _print_update(update: Update) -> None:
    from pcapleak.report.text import safe

    if update.verdict is not None:
        typer.echo(f"verdict: {update.verdict}", err=True)
    for finding in update.findings:
        typer.echo(safe(f"{finding.severity} {finding.id} {finding.message}", 2000), err=True)
