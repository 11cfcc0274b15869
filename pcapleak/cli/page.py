"""`pcapleak page`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def page(
    out: Annotated[
        Path | None,
        typer.Argument(metavar="[OUT.html]", help="Where to write it (default: stdout)."),
    ] = None,
    stun: Annotated[
        list[str] | None,
        typer.Option(
            "--stun",
            metavar="URL",
            help="Ask this STUN server, stun:HOST[:PORT] (default: well-known public ones, which"
            " the page names before it starts).",
        ),
    ] = None,
    turn: Annotated[
        list[str] | None,
        typer.Option(
            "--turn",
            metavar="URL",
            help="Ask this TURN server for a relay, turn:HOST[:PORT][?transport=udp|tcp].",
        ),
    ] = None,
    turn_user: Annotated[
        str | None,
        typer.Option("--turn-user", metavar="NAME", help="The name it knows."),
    ] = None,
    turn_password: Annotated[
        str | None,
        typer.Option(
            "--turn-password",
            metavar="PASSWORD",
            help="The password; it stands in the page in clear.",
        ),
    ] = None,
) -> None:
    """Write a page that puts a browser's WebRTC to the test.

    Record, or watch with `pcapleak live --page FILE`; open the page in the browser under test,
    from the file or from any server, and press its button. It shows what a page can read, and
    saves it for --page, which holds it against the packets. pcapleak itself sends nothing.
    """
    from pcapleak.testpage.page import FILE_NAME, check_servers, write_page

    servers = check_servers(stun or (), turn or (), turn_user, turn_password)
    text = write_page(servers)
    if out is None or str(out) == "-":
        typer.echo(text, nl=False)
        return
    from pcapleak.report.output import write_text
    from pcapleak.report.text import safe

    write_text(out, text)
    typer.echo(
        safe(
            f"Wrote {out}. Record, open it in the browser under test, press Start and save the "
            f"reading, then: pcapleak analyze CAPTURE --page {FILE_NAME}",
            2000,
        )
    )
