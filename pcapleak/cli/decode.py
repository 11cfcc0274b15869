"""`pcapleak decode`."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated

import typer

from pcapleak.cli.completion import PROTOCOL
from pcapleak.cli.confinement import OWN_PROCESS, confine

MAX_FRAMES = 10
"""Frames named of requests without an answer."""


def decode(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A capture; - is standard input.")
    ] = None,
    hex_text: Annotated[
        str | None,
        typer.Option("--hex", metavar="HEX", help="One message pasted in hexadecimal."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="PROTOCOL",
            autocompletion=PROTOCOL,
            help="Show only this protocol, such as stun, turn or mdns.",
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="PROTOCOL",
            help="The pasted message's protocol, if it is not recognised.",
        ),
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="An ICE agent's or TURN user's password, to check MESSAGE-INTEGRITY.",
        ),
    ] = None,
    username: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The TURN user, if messages do not name it."),
    ] = None,
    realm: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The TURN realm, if messages do not name it."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per message, with every field.")
    ] = False,
) -> None:
    """Print every message that can be decoded, one per line.

    Spaces, colons and 0x in --hex are ignored. Without --password, integrity is checked where
    signalling showed the ICE agents' passwords.
    """
    from pcapleak.errors import DecodeError, PcapleakError
    from pcapleak.explain.credentials import Credential
    from pcapleak.explain.messages import WORDS, decode_capture, decode_hex
    from pcapleak.explain.transactions import TransactionTable
    from pcapleak.report.text import safe

    if (source is None) == (hex_text is None):
        raise PcapleakError("give a capture, or one message with --hex")
    if password is None and (username or realm):
        raise PcapleakError("--username and --realm are used with --password; give that too")
    wanted = frozenset(word for text in only or () for word in text.split(","))
    for word in {*wanted, *([protocol] if protocol else [])} - set(WORDS):
        raise PcapleakError(f"unknown protocol {word!r}; choose from {', '.join(WORDS)}")
    if source is not None and context.obj is OWN_PROCESS:
        confine([] if str(source) == "-" else [Path(source)], [])
    transactions = TransactionTable()
    credential = None if password is None else Credential(password, username, realm)
    if source is not None:
        messages = decode_capture(source, wanted, credential=credential, transactions=transactions)
    else:
        try:
            messages = iter([decode_hex(hex_text or "", protocol, credential=credential)])
        except DecodeError as error:
            raise PcapleakError(
                f"{error}; give one whole message, or name its protocol with --as"
            ) from error
    found = False
    for message in messages:
        found = True
        typer.echo(json_text.dumps(message.to_json()) if json else safe(message.line(), 2000))
    if not found:
        what = f" of {', '.join(sorted(wanted))}" if wanted else " that pcapleak decodes"
        typer.echo(f"{source} contains no message{what}", err=True)
    if unanswered := transactions.unanswered():
        frames = ", ".join(str(lost.sends[0][0]) for lost in unanswered[:MAX_FRAMES])
        more = ", ..." if len(unanswered) > MAX_FRAMES else ""
        typer.echo(f"STUN requests without an answer: {len(unanswered)} ({frames}{more})", err=True)
