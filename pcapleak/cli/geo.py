"""`pcapleak geo`."""

from __future__ import annotations

import json as json_text
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pcapleak.report.document import PlaceEntry


def geo(
    addresses: Annotated[
        list[str], typer.Argument(metavar="ADDRESS...", help="IPv4 or IPv6 addresses.")
    ],
    geo_db: Annotated[
        list[str] | None,
        typer.Option(
            "--geo-db",
            metavar="FILE",
            help="A MaxMind-format database, asked before the system's and the embedded tables.",
        ),
    ] = None,
    geo_map: Annotated[
        list[str] | None,
        typer.Option("--geo-map", metavar="FILE", help="A TOML file that gives ranges a place."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object an address, with every field.")
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
        typer.echo(f"from {source.name}{date} ({source.licence})")


def _print(entry: PlaceEntry) -> None:
    from pcapleak.judge.coherence.zones import country_name
    from pcapleak.report.text import safe

    typer.echo(entry.address)
    rows = []
    if entry.note:
        rows.append(("note", entry.note))
    if entry.countries:
        names = " or ".join(f"{country_name(code)} ({code})" for code in entry.countries)
        rows.append(("country", f"{names}, {_SURE[entry.confidence or 'low']}"))
        if len(entry.sources) > 1:
            said = "; ".join(f"{name}: {code}" for name, code in entry.sources.items())
            rows.append(("", said))
    if entry.asn is not None:
        rows.append(("network", f"AS{entry.asn} {entry.organisation or ''}".rstrip()))
    if entry.kind != "unknown":
        rows.append(("kind", f"{entry.kind}, {_SURE[entry.kind_confidence or 'low']}"))
    if not rows:
        rows.append(("", "no source knows it"))
    for label, text in rows:
        typer.echo(f"  {label:8} {safe(text)}")


_SURE = {
    "certain": "certain (a map of yours)",
    "high": "high confidence",
    "medium": "medium confidence",
    "low": "low confidence",
}
