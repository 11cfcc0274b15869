"""`pcapleak geo`."""

from __future__ import annotations

import json as json_text
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pcapleak.report.document import PlaceEntry

STALE_DAYS = 180
"""From here on the age of data is told: some 2 % of addresses change hands in half a year."""


def geo(
    addresses: Annotated[
        list[str], typer.Argument(metavar="ADDRESS...", help="IPv4 or IPv6 addresses.")
    ],
    geo_db: Annotated[
        list[str] | None,
        typer.Option(
            "--geo-db",
            metavar="FILE",
            help=(
                "A MaxMind-format database, consulted before the system's and the built-in tables."
            ),
        ),
    ] = None,
    geo_map: Annotated[
        list[str] | None,
        typer.Option(
            "--geo-map", metavar="FILE", help="A TOML file that assigns places to address ranges."
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per address, with every field.")
    ] = False,
) -> None:
    """Print where addresses are, what network they are of, and how sure the data are.

    Nothing is asked over the network: the data come with pcapleak, or are your own.
    """
    from pcapleak.judge.coherence.databases import system_databases
    from pcapleak.judge.coherence.places import Atlas
    from pcapleak.policy.parsers import parse_address
    from pcapleak.report.coherence import place_entry
    from pcapleak.report.shape import to_data

    asked = [parse_address(text, "geo") for text in addresses]
    chart = Atlas((*(geo_db or ()), *system_databases()), tuple(geo_map or ()))
    entries = [place_entry(chart.locate(address)) for address in asked]
    if json:
        for entry in entries:
            typer.echo(json_text.dumps(to_data(entry)))
        return
    for entry in entries:
        _print(entry)
    if chart.used:
        typer.echo()
    for source in chart.used:
        date = f" of {source.date}" if source.date else ""
        age = _age(source.date)
        typer.echo(f"from {source.name}{date} ({source.licence}){age}")


def _age(date: str) -> str:
    """A remark where data are so old that blocks of addresses have moved since."""
    from datetime import UTC, datetime

    if not date:
        return ""
    days = (datetime.now(UTC) - datetime.fromisoformat(date).replace(tzinfo=UTC)).days
    return f": {days} days old; give a newer one by --geo-db" if days > STALE_DAYS else ""


def _print(entry: PlaceEntry) -> None:
    from pcapleak.judge.coherence.zones import country_name
    from pcapleak.report.phrases import place_sureness
    from pcapleak.report.text import safe

    typer.echo(entry.address)
    rows = []
    if entry.note:
        rows.append(("note", entry.note))
    if entry.countries:
        names = " or ".join(f"{country_name(code)} ({code})" for code in entry.countries)
        rows.append(("country", f"{names}, {place_sureness(entry)}"))
    said = "; ".join(f"{name}: {code}" for name, code in entry.sources.items())
    if len(entry.sources) > 1 and entry.countries:
        rows.append(("", said))
    elif said and not entry.countries:
        rows.append(("registered", said))
    if entry.asn is not None:
        rows.append(("network", f"AS{entry.asn} {entry.organisation or ''}".rstrip()))
    if entry.kind != "unknown":
        rows.append(("kind", f"{entry.kind}, {_KIND_BY[entry.kind_confidence or 'low']}"))
    if not rows:
        rows.append(("", "not found in any source"))
    for label, text in rows:
        typer.echo(f"  {label:10} {safe(text)}")


_KIND_BY = {
    "certain": "a map of yours",
    "high": "from a list of networks or ranges",
    "medium": "from its network or company, which may have others",
    "low": "from a word in the organisation's name",
}
