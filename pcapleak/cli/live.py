"""`pcapleak live`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcapleak.cli import live_options as options
from pcapleak.cli.durations import seconds
from pcapleak.cli.option_groups import grouped
from pcapleak.cli.options import PolicyOptions
from pcapleak.cli.outputs import OUTPUT
from pcapleak.cli.status import FailOn


@grouped
def live(
    *,
    iface: options.Ifaces = None,
    policy: PolicyOptions,
    via: options.ViaOption = options.USUAL,
    filter_: options.Filter = None,
    keep_root_for_processes: options.KeepRoot = False,
    pages: Annotated[
        list[Path] | None,
        typer.Option(
            "--page",
            metavar="FILE",
            help="What the page read, held against the packets: waited for until the browser saves"
            " it, as the page of `pcapleak page` does.",
            rich_help_panel=options.SOURCE,
        ),
    ] = None,
    json: options.Json = None,
    jsonl: options.Jsonl = None,
    plain: options.Plain = False,
    tui: Annotated[
        bool,
        typer.Option(
            "--tui",
            help="Show an interactive screen: sort, filter, pause, open findings.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    record: options.Record = None,
    record_megabytes: options.RecordMegabytes = 1024,
    evidence: options.Evidence = None,
    pre: options.Pre = 10.0,
    post: options.Post = 5.0,
    duration: Annotated[
        float | None,
        typer.Option(
            "--duration",
            metavar="TIME",
            parser=seconds,
            help="Stop after this long, 90 (seconds), 5m or 1h30m say.",
            rich_help_panel=options.AUTOMATION,
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            metavar="PACKETS",
            help="Stop after this many packets.",
            rich_help_panel=options.AUTOMATION,
        ),
    ] = None,
    until_leak: Annotated[
        bool,
        typer.Option(
            "--until-leak",
            help="Stop as soon as the verdict is a leak.",
            rich_help_panel=options.AUTOMATION,
        ),
    ] = False,
    exec_: options.Exec = None,
    fail_on: FailOn = None,
) -> None:
    """Watch this machine's interfaces; findings appear as they come, the report at the end.

    What should hold is learned from the machine's settings, and shown before the watch starts.
    Ctrl-C, SIGTERM, --duration or --count ends it. It needs the right to capture, gives up
    every other right at once, and sends nothing. Exit status: as `pcapleak analyze` has it.
    """
    judged_by = policy.read_for_watch()
    from pcapleak.cli.live_plan import Plan
    from pcapleak.cli.running import run

    if pages:
        from pcapleak.report.output import check_distinct

        given = {f"--page {number}": path for number, path in enumerate(pages, 1)}
        named = {"--json": json, "--jsonl": jsonl, "--evidence": evidence, **given}
        check_distinct({option: path for option, path in named.items() if path is not None})
    plan = Plan(
        judged_by,
        ifaces=iface or (),
        via=via,
        filter=filter_,
        keep_root=keep_root_for_processes,
        pages=pages or (),
        json=json,
        jsonl=jsonl,
        plain=plain,
        tui=tui,
        record=record,
        record_bytes=record_megabytes * 1_000_000,
        evidence=evidence,
        pre_s=pre,
        post_s=post,
        duration=duration,
        count=count,
        until_leak=until_leak,
        fail_on=fail_on,
        exec=options.command(exec_),
    )
    raise typer.Exit(run(plan))
