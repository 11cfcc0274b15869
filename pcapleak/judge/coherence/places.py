"""Where an address is, and how sure the sources are of it. Nothing is asked over a network."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from msgspec import Struct, field

from pcapleak.judge.coherence.databases import Database, DataFile, GeoMap, Located
from pcapleak.judge.coherence.kinds import UNKNOWN, Kind, network_kind
from pcapleak.judge.coherence.tables import load_table
from pcapleak.track.public_resolvers import SYSTEMS as RESOLVER_SYSTEMS
from pcapleak.track.public_resolvers import operator_at
from pcapleak.values.addresses import range_kind, unwrap
from pcapleak.values.evidence import Confidence
from pcapleak.values.packets import IPAddress

COUNTRY_TABLES = ("country-user", "country-dbip")
ASN_TABLE = "asn"
EGRESS_TABLE = "egress"
"""Ranges of VPNs and relays inside other companies' systems."""

_CODES = {"FX": "FR", "ZZ": None}
"""Codes in the tables that ISO 3166 has for something else: a part of France, and no country."""

NOWHERE = ("relay", "cdn")
"""Kinds of networks whose addresses are in many places, or are no place of their users."""


class Place(Struct, frozen=True):
    """What the sources say of one address."""

    address: IPAddress
    inner: IPAddress
    """The IPv4 address it carries, or itself: what was looked up."""
    carried_by: str | None = None
    """How it carries that: IPv4-mapped, 6to4, Teredo, NAT64."""
    special: str | None = None
    """The special-purpose range it is in: such an address is nowhere, unless a map says so."""
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Countries by the source that says so."""
    confidence: Confidence | None = None
    """Of the country: certain from a map, high where sources agree or the user's own database
    says so, medium from one source, low where sources differ."""
    asn: int | None = None
    organisation: str | None = None
    kind: Kind = UNKNOWN
    anycast: bool = False
    """Answers from many places: no country is its own."""
    resolver: str | None = None
    """Who runs the public resolver that this is."""

    @property
    def countries(self) -> tuple[str, ...]:
        """Every country that some source names; none for what is in many places."""
        if self.anycast:
            return ()
        return tuple(sorted({code for codes in self.sources.values() for code in codes}))

    @property
    def locatable(self) -> bool:
        """It is in some country, though perhaps an uncertain one."""
        return bool(self.sources) and not self.anycast

    @property
    def sure(self) -> bool:
        """One country, surely enough that another one contradicts it."""
        return (
            self.locatable and len(self.countries) == 1 and self.confidence in ("certain", "high")
        )

    @property
    def country(self) -> str | None:
        """The country, where the sources name one."""
        return self.countries[0] if self.locatable and len(self.countries) == 1 else None


class Atlas:
    """The sources in the order they are believed: maps, the user's databases, the tables.

    Raises `PolicyError` for a file that cannot be used. The embedded tables are loaded when
    the first address needs them.
    """

    def __init__(self, databases: tuple[str, ...] = (), maps: tuple[str, ...] = ()) -> None:
        self._maps = [GeoMap(Path(path)) for path in maps]
        self._databases = [Database(Path(path)) for path in databases]
        self._used: dict[str, DataFile] = {}
        self._kept = lru_cache(maxsize=4096)(self._locate)

    def locate(self, address: IPAddress) -> Place:
        """The place of one address."""
        return self._kept(address)

    @property
    def used(self) -> list[DataFile]:
        """The sources that have been asked."""
        return list(self._used.values())

    def _locate(self, address: IPAddress) -> Place:
        inner, carried_by = unwrap(address)
        for one in self._maps:
            mapped = one.find(inner) if inner == address else _either(one, address, inner)
            if mapped != Located():
                self._note(one.about)
                return self._mapped(address, inner, carried_by, one.about.name, mapped)
        special = range_kind(inner)
        if special is not None:
            return Place(address, inner, carried_by, special)
        own = [(one.about, one.find(inner)) for one in self._databases]
        sources: dict[str, tuple[str, ...]] = {}
        for about, said in own:
            self._note(about)
            if said.countries:
                sources[about.name] = said.countries
        theirs = bool(sources)
        if not theirs:
            sources = self._embedded_countries(inner)
        asn, organisation = next(
            ((said.asn, said.organisation) for _, said in own if said.asn is not None),
            (None, None),
        )
        if asn is None:
            asn, organisation = self._embedded_system(inner)
        kind = next(
            (
                Kind(said.kind, "high", f"{about.name} says so")
                for about, said in own
                if said.kind is not None
            ),
            self._embedded_kind(inner, asn, organisation),
        )
        resolver = operator_at(inner)
        if resolver is None and asn in RESOLVER_SYSTEMS:
            resolver = organisation
        anycast = (
            any(said.anycast for _, said in own) or kind.kind in NOWHERE or resolver is not None
        )
        agree = len(set(sources.values())) == 1
        confidence: Confidence | None = None
        if anycast:
            pass
        elif sources and agree:
            confidence = "high" if theirs or len(sources) > 1 else "medium"
        elif sources:
            confidence = "low"
        return Place(
            address,
            inner,
            carried_by,
            None,
            sources,
            confidence,
            asn,
            organisation,
            kind,
            anycast,
            resolver,
        )

    @staticmethod
    def _mapped(
        address: IPAddress, inner: IPAddress, carried_by: str | None, name: str, said: Located
    ) -> Place:
        sources: dict[str, tuple[str, ...]] = (
            {name: said.countries}
            if len(said.countries) < 2
            else {f"{name} ({code})": (code,) for code in said.countries}
        )
        confidence: Confidence = "low" if len(said.countries) > 1 else "certain"
        kind = network_kind(said.asn, said.organisation)
        if said.kind is not None:
            kind = Kind(said.kind, "certain", f"{name} says so")
        return Place(
            address,
            inner,
            carried_by,
            None,
            sources if said.countries else {},
            confidence if said.countries else None,
            said.asn,
            said.organisation,
            kind,
            said.anycast or kind.kind in NOWHERE,
            operator_at(inner) if said.anycast else None,
        )

    def _embedded_countries(self, address: IPAddress) -> dict[str, tuple[str, ...]]:
        sources: dict[str, tuple[str, ...]] = {}
        for name in COUNTRY_TABLES:
            table = load_table(name)
            self._note(DataFile(table.source, table.built, table.licence))
            code = _CODES.get(found := table.find(address), found)
            if code is not None:
                sources[table.source] = (str(code),)
        return sources

    def _embedded_system(self, address: IPAddress) -> tuple[int | None, str | None]:
        table = load_table(ASN_TABLE)
        self._note(DataFile(table.source, table.built, table.licence))
        found = table.find(address)
        return (None, None) if found is None else (int(found[0]), str(found[1]) or None)

    def _embedded_kind(self, address: IPAddress, asn: int | None, organisation: str | None) -> Kind:
        """A range's own kind, a relay's or VPN's, before its system's."""
        table = load_table(EGRESS_TABLE)
        found = table.find(address)
        if found is None:
            return network_kind(asn, organisation)
        self._note(DataFile(table.source, table.built, table.licence))
        return Kind(found[0], "high", f"it is in {found[1]}'s list of egress addresses")

    def _note(self, about: DataFile) -> None:
        self._used.setdefault(about.name, about)


def _either(one: GeoMap, address: IPAddress, inner: IPAddress) -> Located:
    """A map may give a place to the address as it is written, or to the one inside."""
    found = one.find(address)
    return found if found != Located() else one.find(inner)


@lru_cache(maxsize=8)
def atlas(databases: tuple[str, ...] = (), maps: tuple[str, ...] = ()) -> Atlas:
    """The atlas of these files, opened once."""
    return Atlas(databases, maps)


def locate(address: IPAddress) -> Place:
    """The place of an address by the embedded tables alone."""
    return atlas().locate(address)
