"""The user's own sources: MaxMind-format databases, and TOML maps of ranges."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from msgspec import Struct

from pcapleak.errors import PolicyError
from pcapleak.judge.coherence.kinds import NetworkKind
from pcapleak.policy.policy import Network
from pcapleak.values.packets import IPAddress

if TYPE_CHECKING:
    import maxminddb

SYSTEM_FOLDERS = ("/usr/share/GeoIP", "/var/lib/GeoIP")
"""Where geoipupdate and the distributions put databases."""

MAX_MAP = 10_000
"""Ranges of one map: each look-up walks them all, and a class room's has a dozen."""


class Located(Struct, frozen=True):
    """What one source says of an address; what it does not know is empty."""

    countries: tuple[str, ...] = ()
    asn: int | None = None
    organisation: str | None = None
    kind: NetworkKind | None = None
    anycast: bool = False


class DataFile(NamedTuple):
    """A source, for the report."""

    name: str
    date: str
    licence: str


class Database:
    """One MaxMind-format database, whoever made it."""

    def __init__(self, path: Path) -> None:
        import maxminddb

        try:
            self._reader: maxminddb.Reader = maxminddb.open_database(str(path))
        except OSError as error:
            raise PolicyError(f"--geo-db: {path} cannot be read ({error.strerror})") from error
        except (maxminddb.InvalidDatabaseError, ValueError) as error:
            raise PolicyError(
                f"--geo-db: {path} is not a MaxMind-format database ({error}); give an .mmdb file"
            ) from error
        self._errors = (maxminddb.InvalidDatabaseError, ValueError)
        metadata = self._reader.metadata()
        self.version: int = metadata.ip_version
        date = datetime.fromtimestamp(metadata.build_epoch, UTC).date().isoformat()
        self.about = DataFile(f"{path.name} ({metadata.database_type})", date, "the user's own")

    def find(self, address: IPAddress) -> Located:
        """What it says of the address. A database that is broken there says nothing."""
        if address.version > self.version:
            return Located()
        try:
            record = self._reader.get(address)
        except self._errors:
            return Located()
        return normalise(record) if isinstance(record, dict) else Located()


def normalise(record: Mapping[str, object]) -> Located:
    """One vendor's record: MaxMind, DB-IP, IPinfo, IPLocate and ip-location-db name the same
    facts differently."""
    traits = record.get("traits")
    facts = {**record, **traits} if isinstance(traits, dict) else dict(record)
    country = _first(facts, "country", "country_code", "countryCode", "registered_country")
    if isinstance(country, dict):
        country = _first(country, "iso_code", "code")
    code = country.upper() if isinstance(country, str) and len(country) == 2 else None
    system = _first(facts, "autonomous_system_number", "asn", "as_number")
    organisation = _first(
        facts, "autonomous_system_organization", "as_name", "organization", "org", "name"
    )
    return Located(
        (code,) if code else (),
        _system(system),
        organisation if isinstance(organisation, str) else None,
        _kind(facts),
        _true(facts.get("is_anycast")) or _true(facts.get("anycast")),
    )


def _first(facts: Mapping[str, object], *names: str) -> object:
    return next((facts[name] for name in names if facts.get(name)), None)


def _system(value: object) -> int | None:
    if isinstance(value, str):
        digits = value.upper().removeprefix("AS")
        return int(digits) if digits.isascii() and digits.isdigit() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _true(value: object) -> bool:
    return value is True or value in ("true", "True", 1)


_FLAGS: tuple[tuple[NetworkKind, tuple[str, ...]], ...] = (
    ("relay", ("relay", "is_icloud_relay")),
    ("vpn", ("is_anonymous_vpn", "is_vpn", "vpn")),
    ("hosting", ("is_hosting_provider", "is_hosting", "hosting")),
)
_USERS: dict[str, NetworkKind] = {
    "residential": "residential",
    "cable/dsl": "residential",
    "cellular": "mobile",
    "mobile": "mobile",
    "hosting": "hosting",
    "isp": "residential",
}


def _kind(facts: Mapping[str, object]) -> NetworkKind | None:
    for kind, names in _FLAGS:
        if any(_true(facts.get(name)) for name in names):
            return kind
    users = _first(facts, "user_type", "connection_type", "type", "as_type")
    return _USERS.get(users.lower()) if isinstance(users, str) else None


class GeoMap:
    """Ranges with the places that a TOML file gives them: for laboratories and class rooms.

    Each table's name is a range: `["203.0.113.0/24"]` with `country` (a code, or a list of
    codes for sources that differ), `asn`, `organisation`, `kind` and `anycast`.
    """

    def __init__(self, path: Path) -> None:
        import tomllib

        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise PolicyError(f"--geo-map: {path} cannot be read ({error.strerror})") from error
        # tomllib fails at deep nesting by recursion, and at numbers of thousands of digits.
        except (ValueError, RecursionError) as error:
            raise PolicyError(f"--geo-map: {path}: not TOML ({error})") from error
        if len(data) > MAX_MAP:
            raise PolicyError(f"--geo-map: {path}: more than {MAX_MAP} ranges; give fewer")
        ranges = [self._range(f"--geo-map: {path}", text, table) for text, table in data.items()]
        self._ranges = sorted(ranges, key=lambda one: -one[0].prefixlen)
        self.about = DataFile(path.name, "", "the user's own")

    def find(self, address: IPAddress) -> Located:
        """What the narrowest range that holds the address says."""
        return next((place for network, place in self._ranges if address in network), Located())

    @staticmethod
    def _range(where: str, text: str, table: object) -> tuple[Network, Located]:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise PolicyError(
                f'{where}: [{text}] is not a range; write ["203.0.113.0/24"] above its keys'
            ) from None
        if not isinstance(table, dict):
            raise PolicyError(f'{where}: {text} must be a table; write ["{text}"]')
        unknown = set(table) - {"country", "asn", "organisation", "kind", "anycast"}
        if unknown:
            raise PolicyError(
                f"{where}: [{text}] {sorted(unknown)[0]}: no such key; the keys are country, asn, "
                "organisation, kind and anycast"
            )
        given = table.get("country", [])
        countries = [given] if isinstance(given, str) else given
        if not isinstance(countries, list) or not all(map(_is_code, countries)):
            raise PolicyError(
                f"{where}: [{text}] country: {given!r} is not a country code such as DE"
            )
        kind = table.get("kind")
        if kind is not None and kind not in get_args(NetworkKind):
            raise PolicyError(
                f"{where}: [{text}] kind: {kind!r} is none of {', '.join(get_args(NetworkKind))}"
            )
        asn, organisation = table.get("asn"), table.get("organisation")
        if asn is not None and (type(asn) is not int or not 0 <= asn < 1 << 32):
            raise PolicyError(f"{where}: [{text}] asn: {asn!r} is not a number such as 64500")
        if organisation is not None and not isinstance(organisation, str):
            raise PolicyError(f"{where}: [{text}] organisation: {organisation!r} is not text")
        codes = tuple(dict.fromkeys(code.upper() for code in countries))
        return network, Located(codes, asn, organisation, kind, table.get("anycast") is True)


def _is_code(value: object) -> bool:
    return isinstance(value, str) and len(value) == 2 and value.isascii() and value.isalpha()


def system_databases() -> tuple[str, ...]:
    """Usable databases in the user's data folder and the system's, in the order asked."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    found = [
        path
        for folder in (f"{home}/pcapleak/geo", *SYSTEM_FOLDERS)
        if os.access(folder, os.R_OK | os.X_OK)
        for path in sorted(Path(folder).glob("*.mmdb"))
    ]
    return tuple(str(path) for path in found if _opens(path))


def _opens(path: Path) -> bool:
    try:
        Database(path)
    except PolicyError:
        return False
    return True
