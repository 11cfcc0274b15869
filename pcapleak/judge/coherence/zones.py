"""Time zones and countries, as the time zone database pairs them (its package, no system's)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


_UNLISTED = {"XK": "Europe/Belgrade"}
"""Kosovo has a code in data on addresses and none in ISO 3166, and so no line in the database."""


@cache
def _zones() -> dict[str, tuple[str, ...]]:
    """Zones by country code, and the other way round under the zone's name."""
    table: dict[str, list[str]] = {}
    for line in _read("zone.tab"):
        code, _, name, *_ = line.split("\t")
        table.setdefault(name, []).append(code)
        table.setdefault(code, []).append(name)
    for code, name in _UNLISTED.items():
        table.setdefault(name, []).append(code)
        table.setdefault(code, []).append(name)
    return {key: tuple(values) for key, values in table.items()}


@cache
def _links() -> dict[str, str]:
    """Other names of zones (`L TARGET NAME` in tzdata.zi)."""
    lines = (line.split() for line in _read("tzdata.zi") if line.startswith("L "))
    return {name: target for _, target, name in lines}


@cache
def country_names() -> dict[str, str]:
    """ISO 3166 codes and English short names."""
    return {line[:2]: line[3:] for line in _read("iso3166.tab")}


def country_name(code: str) -> str:
    """A country's English name; what is no country's code stays as it is."""
    return _SHORT.get(code) or country_names().get(code, code)


_SHORT = {"GB": "United Kingdom", "KR": "South Korea", "KP": "North Korea", "XK": "Kosovo"}
"""Where the database's names are written for its own use, `Britain (UK)`, or it has none."""


def _database() -> Path:
    return Path(str(import_module("tzdata").__file__)).with_name("zoneinfo")


def _read(name: str) -> list[str]:
    text = (_database() / name).resolve().read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@cache
def _names() -> dict[str, str]:
    """Zones' names as the database writes them, by the same in lower case."""
    return {name.lower(): name for name in _read("../zones")}


def canonical_zone(name: str) -> str | None:
    """A zone's name as the database writes it, given in any case; None for what is no zone."""
    return _names().get(name.strip().lower())


@cache
def _load(name: str) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo

    known = canonical_zone(name)
    if known is None:
        return None
    with _database().joinpath(*known.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=known)


_ABBREVIATION = re.compile(r"(?!PRC|ROC|ROK)[A-Z]{3}(\d[A-Z]{3})?")

_SILENT = frozenset(
    (
        "UTC",
        "GMT",
        "UCT",
        "ZULU",
        "UNIVERSAL",
        "GREENWICH",
        "GMT0",
        "GMT+0",
        "GMT-0",
        "ICELAND",
        "FACTORY",
    )
)


def is_silent(name: str) -> bool:
    """Whether browsers report the zone to all, wherever they are: UTC by its names, `Factory`
    (nobody has set the clock), and Atlantic/Reykjavik, which Firefox (from 128) reports where it
    resists fingerprinting, and with it Tor Browser, Mullvad Browser and LibreWolf."""
    return name.upper().removeprefix("ETC/") in _SILENT or name == "Atlantic/Reykjavik"


def zone_countries(name: str) -> tuple[str, ...]:
    """Countries whose zone this is; none for one that is nobody's, such as UTC or CET."""
    if _ABBREVIATION.fullmatch(name):
        return ()
    known = _zones().get(name) if "/" in name else None
    if known is None and name in _links():
        known = _zones().get(_links()[name])
    return known or ()


_MOTHER = {
    territory: mother
    for mother, territories in (
        ("AU", "CC CX HM NF"),
        ("DK", "FO GL"),
        ("FI", "AX"),
        ("FR", "BL GF GP MF MQ NC PF PM RE TF WF YT"),
        ("GB", "AI BM FK GG GI GS IM IO JE KY MS PN SH TC VG"),
        ("NL", "AW BQ CW SX"),
        ("NO", "BV SJ"),
        ("NZ", "CK NU TK"),
        ("US", "AS GU MP PR UM VI"),
    )
    for territory in territories.split()
}


def mother(code: str) -> str:
    """The country that an overseas territory belongs to, which sources name as often as the
    territory itself; any other country is its own."""
    return _MOTHER.get(code, code)


def related(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two sets of countries share one, territories counted with their mother country."""
    return not {mother(code) for code in one}.isdisjoint(mother(code) for code in other)


def same_clock(name: str, country: str, ts_ns: int) -> bool:
    """Whether some zone of the country shows the time that `name` shows at `ts_ns`."""
    zone = _load(name)
    if zone is None:
        return False
    when = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
    shown = when.astimezone(zone).utcoffset()
    others = map(_load, _zones().get(country, ()))
    return any(other and when.astimezone(other).utcoffset() == shown for other in others)
