"""`pcapleak guard`."""

from __future__ import annotations

from typing import Annotated

import typer

from pcapleak.cli import live_options as options
from pcapleak.cli.option_groups import grouped
from pcapleak.cli.options import PolicyOptions
from pcapleak.cli.status import FailOn


@grouped
def guard(
    *,
    command: Annotated[
        list[str],
        typer.Argument(metavar="-- COMMAND...", help="The command to run, with its arguments."),
    ],
    iface: options.Ifaces = None,
    policy: PolicyOptions,
    keep_root_for_processes: options.KeepRoot = False,
    json: options.Json = None,
    jsonl: options.Jsonl = None,
    record: options.Record = None,
    record_megabytes: options.RecordMegabytes = 1024,
    evidence: options.Evidence = None,
    pre: options.Pre = 10.0,
    post: options.Post = 5.0,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="NAME",
            help="Whom the command runs as (default: the user behind sudo, else nobody).",
            rich_help_panel=options.AUTOMATION,
        ),
    ] = None,
    fail_on: FailOn = None,
) -> None:
    """Run a command and watch while it runs: the exit status is the verdict, not the command's.

    The command runs without a way to more rights, in an environment of its own, and cannot touch
    the watch or its files. It fails to show that nothing leaks where nothing went through the
    tunnel or proxy meanwhile. Everything the machine sends counts, not only what the command
    sends. What the command leaves running is ended with the watch.
    """
    judged_by = policy.read_for_watch()
    from pcapleak.cli.live_plan import Plan
    from pcapleak.cli.running import run

    plan = Plan(
        judged_by,
        ifaces=iface or (),
        keep_root=keep_root_for_processes,
        json=json,
        jsonl=jsonl,
        plain=True,
        record=record,
        record_bytes=record_megabytes * 1_000_000,
        evidence=evidence,
        pre_s=pre,
        post_s=post,
        fail_on=fail_on,
        command=command,
        user=user,
    )
    raise typer.Exit(run(plan))
