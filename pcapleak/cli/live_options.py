"""The options that `live` and `guard` share."""

from __future__ import annotations

import shlex
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pcapleak.cli.completion import INTERFACE
from pcapleak.cli.durations import seconds
from pcapleak.cli.outputs import OUTPUT
from pcapleak.errors import PcapleakError

SOURCE = "Source"
EVIDENCE = "Evidence"
AUTOMATION = "Automation"


class Via(StrEnum):
    """What packets are captured with."""

    RING = "ring"
    SCAPY = "scapy"
    DUMPCAP = "dumpcap"
    TCPDUMP = "tcpdump"
    STDIN = "-"


USUAL = Via.RING if sys.platform == "linux" else Via.DUMPCAP
"""What packets are captured with unless told otherwise."""

Ifaces = Annotated[
    list[str] | None,
    typer.Option(
        "--iface",
        "-i",
        metavar="IFACE",
        autocompletion=INTERFACE,
        help="Watch this interface, by its name in `pcapleak interfaces` (default: all; on Linux"
        " also those that appear later).",
        rich_help_panel=SOURCE,
    ),
]
ViaOption = Annotated[
    Via,
    typer.Option(
        "--via",
        metavar="WAY",
        help="How to capture: ring (the kernel's), scapy (its socket), dumpcap, tcpdump, or - to"
        " read a capture from standard input.",
        rich_help_panel=SOURCE,
    ),
]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        metavar="EXPRESSION",
        help="A libpcap filter, applied in the kernel; the verdict says that it saw nothing else.",
        rich_help_panel=SOURCE,
    ),
]
KeepRoot = Annotated[
    bool,
    typer.Option(
        "--keep-root-for-processes",
        help="Keep a root helper (it never sees packets) to name other users' programs.",
        rich_help_panel=SOURCE,
    ),
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="PATH",
        help="Write the report as JSON, every few seconds and at the end"
        " (- is standard output, at the end).",
        rich_help_panel=OUTPUT,
    ),
]
Jsonl = Annotated[
    Path | None,
    typer.Option(
        "--jsonl",
        metavar="PATH",
        help="Write events as they happen, one JSON object per line (- is standard output).",
        rich_help_panel=OUTPUT,
    ),
]
Plain = Annotated[
    bool,
    typer.Option(
        "--plain",
        help="Print one line per event instead of a screen (the default without a terminal).",
        rich_help_panel=OUTPUT,
    ),
]
Record = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="DIR",
        help="Write all packets to rotated pcapng files in this folder.",
        rich_help_panel=EVIDENCE,
    ),
]
RecordMegabytes = Annotated[
    int,
    typer.Option(
        "--record-megabytes",
        metavar="MB",
        min=8,
        help="The most these files may take together; the oldest is deleted first.",
        rich_help_panel=EVIDENCE,
    ),
]
Evidence = Annotated[
    Path | None,
    typer.Option(
        "--evidence",
        metavar="PATH",
        help="Write the packets around each finding as a pcapng with the reasons in comments.",
        rich_help_panel=EVIDENCE,
    ),
]
Pre = Annotated[
    float,
    typer.Option(
        "--pre",
        metavar="TIME",
        parser=seconds,
        help="How much to keep from before a finding.",
        rich_help_panel=EVIDENCE,
    ),
]
Post = Annotated[
    float,
    typer.Option(
        "--post",
        metavar="TIME",
        parser=seconds,
        help="How much to keep from after a finding.",
        rich_help_panel=EVIDENCE,
    ),
]
Exec = Annotated[
    str | None,
    typer.Option(
        "--exec",
        metavar="CMD",
        help="Run this for each finding of --fail-on's severity (default: high), with its id,"
        " severity and message as arguments; no shell is involved.",
        rich_help_panel=AUTOMATION,
    ),
]


def command(text: str | None) -> list[str]:
    """The program of --exec and its arguments. Raises `PcapleakError` where there is none such."""
    if text is None:
        return []
    try:
        words = shlex.split(text)
        if sys.platform == "win32":
            # Backslashes part folders there.
            words = [word.strip('"') for word in shlex.split(text, posix=False)]
    except ValueError as error:
        raise PcapleakError(f"--exec: '{text}' cannot be read: {str(error).lower()}") from error
    program = shutil.which(words[0]) if words else None
    if program is not None and program.lower().endswith((".bat", ".cmd")):
        raise PcapleakError(
            f"--exec: Windows has a shell read what '{words[0]}' is given, which are words of "
            "packets; give a program instead"
        )
    if program is None:
        raise PcapleakError(
            f"--exec: there is no program '{words[0] if words else ''}' that may be run; check its "
            "name, or give its whole path"
        )
    return words
