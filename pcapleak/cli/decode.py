"""`pcapleak decode`."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated

import typer


def decode(
    source: Annotated[
        str, typer.Argument(metavar="FILE|HEX", help="A capture, or one message pasted in hex.")
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="PROTOCOL", help="Only this protocol, as stun, turn or mdns."
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--as", metavar="PROTOCOL", help="What the pasted message is, if not told."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a message, with every field.")
    ] = False,
) -> None:
    """Print every message that can be decoded, one a line."""
    from pcapleak.decoding import PROTOCOLS, decode_capture, decode_hex
    from pcapleak.errors import DecodeError, PcapleakError
    from pcapleak.report.text import safe

    wanted = frozenset(word for text in only or () for word in text.split(","))
    for word in {*wanted, *([protocol] if protocol else [])} - set(PROTOCOLS):
        raise PcapleakError(f"no protocol is called {word!r}; there are {', '.join(PROTOCOLS)}")
    if source == "-" or Path(source).exists() or not _looks_like_hex(source):
        messages = decode_capture(source, wanted)
    else:
        try:
            messages = iter([decode_hex(source, protocol)])
        except DecodeError as error:
            raise PcapleakError(f"{error}; give one whole message") from error
    for message in messages:
        typer.echo(json_text.dumps(message.to_json()) if json else safe(message.line(), 2000))


def _looks_like_hex(text: str) -> bool:
    digits = text.replace("0x", "")
    return all(character in "0123456789abcdefABCDEF:, \n\t" for character in digits)
