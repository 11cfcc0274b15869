"""`pcapleak guard`."""

from __future__ import annotations

from typing import Annotated

import typer

from pcapleak.cli import live_options as options
from pcapleak.cli import options as policy_options
from pcapleak.cli.status import VERDICT, Threshold


def guard(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="What to run, and its arguments.")
    ],
    iface: options.Ifaces = None,
    policy: policy_options.PolicyFile = None,
    proxy: policy_options.Proxies = None,
    tunnel: policy_options.Tunnels = None,
    vpn_endpoint: policy_options.VpnEndpoints = None,
    exit_ip: policy_options.Exits = None,
    client: policy_options.Clients = None,
    lan: policy_options.Lans = None,
    resolver: policy_options.Resolvers = None,
    allow: policy_options.Allows = None,
    strict: policy_options.Strict = False,
    require: policy_options.Requires = None,
    no_infer: policy_options.NoInfer = False,
    timezone: policy_options.Timezone = None,
    language: policy_options.Languages = None,
    geo_db: policy_options.GeoDatabases = None,
    geo_map: policy_options.GeoMaps = None,
    keep_root_for_processes: options.KeepRoot = False,
    json: options.Json = None,
    jsonl: options.Jsonl = None,
    record: options.Record = None,
    record_megabytes: options.RecordMegabytes = 1024,
    evidence: options.Evidence = None,
    pre: options.Pre = 10.0,
    post: options.Post = 5.0,
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
    """Run a command and watch while it runs: the exit status is the verdict, not the command's.

    The command runs as the user behind sudo (nobody where there is none) and without
    capabilities, as the watch itself does. Everything the machine sends counts, not only what
    the command sends.
    """
    judged_by = policy_options.read_policy(
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
        timezone,
        language,
        geo_db,
        geo_map,
    )
    from pcapleak.cli.running import Plan, run

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
    )
    raise typer.Exit(run(plan))
