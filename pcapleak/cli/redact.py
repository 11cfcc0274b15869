"""`pcapleak redact`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from pcapleak.cli.confinement import OWN_PROCESS, confine


def redact(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN", help="The capture to redact.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The pcapng to write.")],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="Rename using the key in this file, so that several captures match; the file "
            "is created if missing. Default: a key that is thrown away.",
        ),
    ] = None,
    keep_payload: Annotated[
        bool,
        typer.Option("--keep-payload", help="Keep payloads that cannot be rewritten."),
    ] = False,
) -> None:
    """Write a capture that can be shown to strangers, and still gives the same findings.

    Addresses keep their class and their common prefixes, names and credentials their length.
    Checksums and FINGERPRINT are made anew; MESSAGE-INTEGRITY is blanked. What cannot be
    rewritten is blanked; names, comments and TLS secrets of the file are left out. In the end
    what was written is searched for every original address: what reads like one is blanked.
    """
    from pcapleak.cli.key_file import KeyFile
    from pcapleak.redact import redact_capture
    from pcapleak.report.output import Committer, OutputFile, protect

    protect([source])
    with ExitStack() as stack:
        used = stack.enter_context(KeyFile(key))
        if str(source) == "-" or str(target) == "-":
            redact_capture(source, target, used.key)  # which says why not
        output = OutputFile(target, through=False)
        stack.callback(output.discard)
        if context.obj is OWN_PROCESS:
            stack.enter_context(Committer([output, used]))
            confine([source], [])
        done = redact_capture(source, output, used.key, keep_payload=keep_payload)
        used.commit()
    notes = [f"{done.packets} packets", f"{done.addresses} addresses renamed, none left"]
    if done.forgotten:
        notes[-1] = f"all addresses renamed, of the first {done.addresses} none left"
    if done.blanked:
        notes.append(f"{done.blanked} payloads blanked")
    if done.coincidences:
        notes.append(f"{done.coincidences} payloads blanked that read like an address")
    if done.unreadable:
        notes.append(f"{done.unreadable} frames without an IP packet blanked whole")
    notes += [f"left out: {what}" for what in done.dropped]
    if done.truncated:
        notes.append("the input is truncated, which the copy does not show")
    typer.echo(f"{target}: {'; '.join(notes)}")
