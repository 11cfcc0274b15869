"""A fleet as text, JSON, HTML and Parquet."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec.structs import asdict

from pcapleak.errors import PcapleakError
from pcapleak.fleet.fleet import Fleet, Row, page_name
from pcapleak.report.output import OutputFile, make_folder
from pcapleak.report.text import safe
from pcapleak.values.findings import Severity
from pcapleak.values.words import count, listed

if TYPE_CHECKING:
    from rich.console import Console

MAX_REASON = 160
"""Characters of a reason in a table; the JSON has all."""

SHOWN = 20
"""Lines of a table on the page; the JSON has all."""

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def tables(fleet: Fleet) -> list[Table]:
    """Title, headings and lines of each table that has any."""
    folder = _folder(fleet)
    found: list[Table] = [
        (
            "Captures",
            ("capture", "verdict", *list(Severity)[:4], "exposed", "why"),
            [
                (
                    row.path.removeprefix(folder),
                    row.result,
                    *map(str, row.severities[:4]),
                    _few(row.exposed),
                    _brief(row),
                )
                for row in sorted(fleet.rows, key=_worst_first)
            ],
        ),
        (
            "Hosts",
            ("address", "captures", "leaking", "findings", "exposed"),
            [
                (
                    host.address,
                    str(host.captures),
                    str(host.leaking),
                    _few(host.findings),
                    _few(host.exposed),
                )
                for host in fleet.hosts
            ],
        ),
        (
            "Recurring exposed addresses",
            ("address", "captures"),
            [(one.value, _few(one.captures)) for one in fleet.addresses],
        ),
        (
            "Recurring names",
            ("name", "captures"),
            [(one.value, _few(one.captures)) for one in fleet.names],
        ),
        (
            "Calls recorded at both ends",
            ("fragments", "one end", "other end"),
            [
                (
                    f"{one.own}:{one.peer}",
                    f"{one.capture} {one.session} ({_few(one.addresses)})",
                    f"{other.capture} {other.session} ({_few(other.addresses)})",
                )
                for one, other in fleet.calls
            ],
        ),
    ]
    return [table for table in found if table[2]]


_ORDER = ("leak", "error", "inconclusive", "no-leak", "no-policy")


def _brief(row: Row) -> str:
    """The first sentences of a row's reason, as many as fit whole; the row names its capture."""
    brief, *others = re.split(r"(?<=\.) ", row.reason.removeprefix(f"{row.path}: "))
    for sentence in others:
        if len(brief) + len(sentence) >= MAX_REASON:
            break
        brief += f" {sentence}"
    return shorten(brief, MAX_REASON, placeholder=" ...")


def _few(values: Sequence[str], limit: int = 3) -> str:
    return listed(values, limit)


def headline(fleet: Fleet) -> str:
    """How many captures came to what."""
    results = [row.result for row in fleet.rows]
    parts = [f"{results.count(name)} {name}" for name in _ORDER if name in results]
    return f"{count(len(results), 'capture')}: {', '.join(parts)}" if parts else "no captures"


def print_fleet(fleet: Fleet, console: Console) -> None:
    """The tables, each cut to what a page holds."""
    from rich.table import Table as RichTable
    from rich.text import Text

    console.print(Text(headline(fleet), style="bold"))
    for title, headings, lines in [*_captures(fleet), *tables(fleet)[1:]]:
        table = RichTable(title=title, title_justify="left", box=None, pad_edge=False)
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for line in lines[:SHOWN]:
            table.add_row(*(Text(safe(cell, 200)) for cell in line))
        console.print()
        console.print(table)
        if len(lines) > SHOWN:
            console.print(Text(f"and {len(lines) - SHOWN} more", style="dim"))


def _captures(fleet: Fleet) -> list[Table]:
    """The captures in a line or two each: why a capture came to its verdict, in identifiers, and
    in words only where there is nothing to look up."""
    folder = _folder(fleet)
    lines: list[tuple[str, ...]] = [
        (
            row.path.removeprefix(folder),
            row.result,
            _few(row.exposed, 2),
            _brief(row) if row.result in ("error", "inconclusive") else _few(row.findings),
        )
        for row in sorted(fleet.rows, key=_worst_first)
    ]
    title = f"Captures in {folder}" if folder else "Captures"
    return [(title, ("capture", "verdict", "exposed", "findings, or why"), lines)] if lines else []


def to_json(fleet: Fleet) -> str:
    """Everything, ending in a newline."""
    data = {
        "captures": [asdict(row) for row in fleet.rows],
        "hosts": [asdict(host) for host in fleet.hosts],
        "recurring_names": [asdict(one) for one in fleet.names],
        "recurring_addresses": [asdict(one) for one in fleet.addresses],
        "calls": [
            {"one": call.one._asdict(), "other": call.other._asdict()} for call in fleet.calls
        ],
    }
    return json.dumps(data, indent=2).replace("\x7f", "\\u007f") + "\n"


def to_html(fleet: Fleet, pages: str = "") -> str:
    """One self-contained page; each capture leads to its own in the folder `pages`, if given."""
    from pcapleak.report.writers.html import render

    captures, *others = tables(fleet) or [("Captures", (), [])]
    rows = sorted(fleet.rows, key=_worst_first)
    links = [f"{quote(pages)}/{quote(page_name(row))}" if pages and row.key else "" for row in rows]
    return render(
        "fleet.html.j2",
        headline=headline(fleet),
        folder=_folder(fleet),
        captures=captures,
        results=[row.result for row in rows],
        links=links,
        tables=others,
    )


def _worst_first(row: Row) -> tuple[int, str]:
    return _ORDER.index(row.result), row.path


def _folder(fleet: Fleet) -> str:
    """The folder that all captures are in, with a slash; empty where they share none."""
    folders = [row.path.rpartition("/")[0] for row in fleet.rows]
    if not folders or any("://" in row.path for row in fleet.rows) or not all(folders):
        return ""
    try:
        common = os.path.commonpath(folders)
    except ValueError:
        return ""
    return f"{common}/" if common not in ("", "/") else ""


def write_parquet(fleet: Fleet, folder: Path) -> None:
    """`captures`, `hosts`, `names`, `addresses` and `calls`, each a file.

    Raises `PcapleakError` where pyarrow is missing.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise PcapleakError(
            f"{error.name} is not installed; install it with: pip install pyarrow"
        ) from error
    make_folder(folder)
    texts = pa.list_(pa.string())
    fragments = {"own": pa.string(), "peer": pa.string(), "capture": pa.string()}
    rows = [
        {
            **{k: v for k, v in asdict(row).items() if k not in ("sides", "severities")},
            **dict(zip(Severity, row.severities, strict=True)),
        }
        for row in fleet.rows
    ]
    columns = {
        **dict.fromkeys(("path", "key", "result", "reason", "kind"), pa.string()),
        **dict.fromkeys(("packets", "bytes", "sessions", *Severity), pa.int64()),
        **dict.fromkeys(("findings", "clients", "exposed", "names"), texts),
    }
    recurring = {"value": pa.string(), "captures": texts}
    host = {
        "address": pa.string(),
        "captures": pa.int64(),
        "leaking": pa.int64(),
        "findings": texts,
        "exposed": texts,
    }
    side = pa.struct({**fragments, "session": pa.string(), "addresses": texts})
    calls = [{"one": one._asdict(), "other": other._asdict()} for one, other in fleet.calls]
    for name, entries, schema in (
        ("captures", rows, columns),
        ("hosts", list(map(asdict, fleet.hosts)), host),
        ("names", list(map(asdict, fleet.names)), recurring),
        ("addresses", list(map(asdict, fleet.addresses)), recurring),
        ("calls", calls, {"one": side, "other": side}),
    ):
        table = pa.Table.from_pylist(_encodable(entries), schema=pa.schema(schema))
        with OutputFile(folder / f"{name}.parquet") as file:
            parquet.write_table(table, file)


def _encodable(value: Any) -> Any:
    """`value` with all text as UTF-8 can have it: the name of a file may be any bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list | tuple) else value
