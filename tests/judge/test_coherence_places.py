"""Where addresses are: wrapped ones, special ranges, the user's own data, the tables."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path

import numpy as np
import pytest
from mmdb_writer import database
from places import VECTORS

from pcapleak.errors import PolicyError
from pcapleak.judge.coherence import databases
from pcapleak.judge.coherence.databases import (
    Database,
    GeoMap,
    Located,
    normalise,
    system_databases,
)
from pcapleak.judge.coherence.kinds import network_kind, same_company
from pcapleak.judge.coherence.places import (
    ASN_TABLE,
    COUNTRY_TABLES,
    EGRESS_TABLE,
    Atlas,
    locate,
)
from pcapleak.judge.coherence.tables import load_table
from pcapleak.track.public_resolvers import (
    OPERATORS,
    PROVIDER_NAMES,
    is_resolver_name,
    operator_at,
    operator_named,
)
from pcapleak.values.addresses import range_kind, unwrap

GEO = VECTORS / "geo.tsv"
DATA = Path(databases.__file__).parent / "data"

MAP = """
["203.0.113.0/24"]
country = "de"
asn = 64501
organisation = "Example Access"
kind = "residential"

["203.0.113.128/25"]
country = ["AT", "CH"]

["2002:cb00:7100::/40"]
country = "FR"
"""


def chart(tmp_path: Path, text: str = MAP) -> Atlas:
    path = tmp_path / "map.toml"
    path.write_text(text)
    return Atlas((), (str(path),))


@pytest.mark.parametrize(
    ("text", "inner", "how"),
    [
        ("203.0.113.7", "203.0.113.7", None),
        ("2001:db8::7", "2001:db8::7", None),
        ("::ffff:203.0.113.7", "203.0.113.7", "IPv4-mapped"),
        ("2002:cb00:7107::1", "203.0.113.7", "6to4"),
        # RFC 4380 section 4: the client's address is the last 32 bits, inverted.
        ("2001:0:c633:640a:8000:63bf:34ff:8ef8", "203.0.113.7", "Teredo"),
        ("64:ff9b::203.0.113.7", "203.0.113.7", "NAT64"),
        ("64:ff9b:1::203.0.113.7", "64:ff9b:1::cb00:7107", None),
    ],
)
def test_an_address_that_carries_another_is_unwrapped(
    text: str, inner: str, how: str | None
) -> None:
    assert unwrap(ip_address(text)) == (ip_address(inner), how)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("192.0.2.1", "documentation"),
        ("198.51.100.30", "documentation"),
        ("203.0.113.7", "documentation"),
        ("2001:db8:50::42", "documentation"),
        ("3fff::1", "documentation"),
        ("10.66.0.2", "private"),
        ("172.31.255.255", "private"),
        ("192.168.50.42", "private"),
        ("100.64.0.1", "shared (CGNAT)"),
        ("fd00::1", "unique local"),
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.251", "multicast"),
        ("ff02::fb", "multicast"),
        ("198.18.0.1", "benchmarking"),
        ("240.0.0.1", "reserved"),
        ("64:ff9b:1::1", "local NAT64"),
        ("192.31.196.1", "AS112"),
        ("192.175.48.6", "AS112"),
        ("192.52.193.1", "AMT"),
        ("192.88.99.1", "6to4 relay"),
        ("2001:4:112::1", "AS112"),
        ("2001:20::1", "ORCHID"),
        ("2001:1::1", "protocol assignment"),
        ("5f00::1", "segment routing"),
        ("4000::1", "unallocated"),
        ("8000::1", "unallocated"),
        ("3000::1", "unallocated"),
        ("2d00::1", "unallocated"),
        ("172.32.0.1", None),
        ("100.128.0.1", None),
        ("2003::1", None),
        ("2c0f:fb50::1", None),
        ("2a00:1450::1", None),
    ],
)
def test_special_ranges_are_nowhere(text: str, kind: str | None) -> None:
    """Each has its word, and an address of one has no country, network or kind."""
    address = ip_address(text)
    assert range_kind(address) == kind
    if kind is not None:
        place = locate(address)
        assert place.special == kind
        assert not place.locatable
        assert (place.countries, place.asn, place.kind.kind) == ((), None, "unknown")


@pytest.mark.parametrize(
    "text",
    [
        "::ffff:203.0.113.7",
        "2001:0:c633:640a:8000:63bf:34ff:8ef8",
        "64:ff9b::203.0.113.7",
        "203.0.113.7",
    ],
)
def test_a_map_gives_places_also_to_carried_addresses(tmp_path: Path, text: str) -> None:
    place = chart(tmp_path).locate(ip_address(text))
    assert place.country == "DE"
    assert place.sure
    assert (place.asn, place.organisation) == (64501, "Example Access")
    assert (place.kind.kind, place.kind.confidence) == ("residential", "certain")


def test_a_map_may_speak_of_the_address_that_carries(tmp_path: Path) -> None:
    assert chart(tmp_path).locate(ip_address("2002:cb00:7107::1")).country == "FR"


def test_the_narrowest_range_of_a_map_counts(tmp_path: Path) -> None:
    """Several countries stand for sources that differ."""
    place = chart(tmp_path).locate(ip_address("203.0.113.200"))
    assert place.countries == ("AT", "CH")
    assert place.confidence == "low"
    assert not place.sure
    assert place.country is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("country = 1", "country must be a table"),
        ('["203.0.113.0/33"]', "no address range"),
        ('["203.0.113.0/24"]\ncountry = "Germany"', "no country's code"),
        ('["203.0.113.0/24"]\nland = "DE"', "no such key"),
        ('["203.0.113.0/24"]\nkind = "home"', "none of"),
        ('["203.0.113.0/24"]\nasn = "AS64500"', "no number"),
        ('["203.0.113.0/24"]\norganisation = 1', "no text"),
        ("[", "not TOML"),
    ],
)
def test_a_wrong_map_is_refused_with_the_reason(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(PolicyError, match="--geo-map") as error:
        if text.startswith("country"):
            chart(tmp_path, text.replace("country = 1", '"203.0.113.0/24" = 1'))
        else:
            chart(tmp_path, text)
    assert says.split()[-1] in str(error.value)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"--geo-map: .*none\.toml cannot be read"):
        GeoMap(tmp_path / "none.toml")
    with pytest.raises(PolicyError, match=r"--geo-db: .*none\.mmdb cannot be read"):
        Database(tmp_path / "none.mmdb")
    (tmp_path / "text.mmdb").write_text("no database")
    with pytest.raises(PolicyError, match="not a MaxMind-format database"):
        Database(tmp_path / "text.mmdb")


def test_own_databases_come_before_the_tables(tmp_path: Path) -> None:
    """What they do not know is still looked up; two of them that differ leave it open."""
    one, two = tmp_path / "one.mmdb", tmp_path / "two.mmdb"
    one.write_bytes(database({"12.35.69.0/24": {"country": {"iso_code": "CH"}}}))
    two.write_bytes(database({"12.35.69.0/24": {"country": {"iso_code": "AT"}}}))
    alone = Atlas((str(one),)).locate(ip_address("12.35.69.130"))
    assert alone.sources == {"one.mmdb (Test-Country)": ("CH",)}
    assert alone.confidence == "high"
    assert alone.asn == 7018
    both = Atlas((str(one), str(two))).locate(ip_address("12.35.69.130"))
    assert both.countries == ("AT", "CH")
    assert both.confidence == "low"
    other = Atlas((str(one),)).locate(ip_address("12.35.70.1"))
    assert other.countries == ("US",)
    assert Atlas((str(one),)).locate(ip_address("2003::1")).countries == ("DE",)


def test_the_report_can_name_what_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "own.mmdb"
    path.write_bytes(database({"12.35.69.0/24": {"country_code": "CH"}}, epoch=1_700_000_000))
    atlas = Atlas((str(path),))
    atlas.locate(ip_address("12.35.69.130"))
    assert next((one.name, one.date) for one in atlas.used) == (
        "own.mmdb (Test-Country)",
        "2023-11-14",
    )


def test_a_broken_database_says_nothing(tmp_path: Path) -> None:
    """Its tree leads past its data: no error, and the tables answer."""
    whole = database({"12.35.69.0/24": {"country_code": "CH"}})
    at = whole.index(b"country_code")
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(whole[: at - 2] + b"\xff\xff" + whole[at:])
    assert Atlas((str(broken),)).locate(ip_address("12.35.69.130")).countries == ("US",)


@pytest.mark.parametrize(
    ("record", "located"),
    [
        ({"country": {"iso_code": "DE"}}, Located(("DE",))),
        ({"country_code": "de"}, Located(("DE",))),
        ({"country": "DE", "asn": "AS64500", "as_name": "A"}, Located(("DE",), 64500, "A")),
        ({"asn": 64500, "org": "A"}, Located((), 64500, "A")),
        (
            {"autonomous_system_number": 64500, "autonomous_system_organization": "A"},
            Located((), 64500, "A"),
        ),
        ({"registered_country": {"iso_code": "DE"}}, Located(("DE",))),
        ({"traits": {"user_type": "cellular"}}, Located(kind="mobile")),
        ({"is_hosting_provider": True}, Located(kind="hosting")),
        ({"is_anonymous_vpn": True, "is_hosting_provider": True}, Located(kind="vpn")),
        ({"hosting": "true", "relay": "true"}, Located(kind="relay")),
        ({"traits": {"is_anycast": True}}, Located(anycast=True)),
        ({"country": {"names": {"en": "x"}}, "asn": "none"}, Located()),
        ({"country": "Germany", "asn": True}, Located()),
    ],
)
def test_vendors_records_are_read_alike(record: dict[str, object], located: Located) -> None:
    assert normalise(record) == located


def test_system_databases_that_do_not_open_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pcapleak" / "geo"
    folder.mkdir(parents=True)
    (folder / "good.mmdb").write_bytes(database({"12.35.69.0/24": {"country_code": "CH"}}))
    (folder / "bad.mmdb").write_text("nothing")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(databases, "SYSTEM_FOLDERS", ())
    assert system_databases() == (str(folder / "good.mmdb"),)


def test_anycast_is_not_locatable() -> None:
    """Public resolvers and shared relays have countries in every table, and are in none."""
    for text in ("1.1.1.1", "8.8.8.8", "9.9.9.9", "208.67.222.222", "2606:4700:4700::1111"):
        place = locate(ip_address(text))
        assert place.anycast
        assert not place.locatable
        assert place.asn is not None


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("9.9.9.10", "Quad9"),
        ("1.1.1.3", "Cloudflare"),
        ("2606:4700:4700::1112", "Cloudflare"),
        ("8.8.4.4", "Google"),
        ("2001:4860:4860::6464", "Google"),
        ("146.112.41.2", "OpenDNS"),
        ("208.67.222.123", "OpenDNS"),
        ("94.140.15.16", "AdGuard"),
        ("45.90.30.77", "NextDNS"),
        ("2a07:a8c0::12", "NextDNS"),
        ("2a07:a8c1::12", "NextDNS"),
        ("76.76.10.5", "Control D"),
        ("2606:1a40:1::3", "Control D"),
        ("194.242.2.4", "Mullvad"),
        ("185.228.169.11", "CleanBrowsing"),
        ("4.2.2.6", "Level 3"),
        ("156.154.71.2", "UltraDNS"),
        ("64.6.65.6", "UltraDNS"),
        ("77.88.8.88", "Yandex"),
        ("223.6.6.6", "AliDNS"),
        ("119.29.29.29", "DNSPod"),
        ("114.114.115.115", "114DNS"),
        ("193.110.81.9", "dns0.eu"),
        ("74.82.42.42", "Hurricane Electric"),
        ("185.222.222.222", "DNS.SB"),
        ("149.112.122.30", "CIRA"),
        ("8.20.247.20", "Comodo"),
        ("103.86.96.100", "NordVPN"),
        ("194.169.169.169", "Surfshark"),
        # A resolver's company at an address that no list has.
        ("45.90.31.250", "NextDNS"),
        ("146.112.255.1", "OpenDNS"),
    ],
)
def test_public_resolvers_are_known_by_prefix_and_are_in_no_country(
    text: str, operator: str
) -> None:
    place = locate(ip_address(text))
    assert (place.resolver, place.countries, place.confidence) == (operator, (), None)


@pytest.mark.parametrize("text", ["4.2.2.8", "8.8.9.8", "68.105.28.11", "75.75.75.75", "9.9.8.9"])
def test_a_providers_resolver_and_the_next_prefix_are_no_public_one(text: str) -> None:
    assert locate(ip_address(text)).resolver is None


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("dns.quad9.net", "Quad9"),
        ("abc123.dns.nextdns.io", "NextDNS"),
        ("phone-77aa.dns.controld.com", "Control D"),
        ("1a2b3c4d.d.adguard-dns.com", "AdGuard"),
        ("adblock.dns.mullvad.net", "Mullvad"),
        ("x.cloudflare-gateway.com", "Cloudflare"),
        ("www.dns0.eu", None),
        ("quad9.net", None),
        ("notdns.google", None),
        ("doh.xfinity.com", None),
        ("", None),
    ],
)
def test_public_resolvers_are_known_by_name(name: str, operator: str | None) -> None:
    """Customers' own names below an operator's too; a site about one is none."""
    assert operator_named(name) == operator


def test_every_resolver_of_the_list_is_well_written() -> None:
    """Prefixes are prefixes, names are in lower case, and no name is a provider's and public."""
    for operator in OPERATORS:
        for network in operator.networks:
            assert operator_at(ip_network(network)[0]) is not None
        for name in operator.names:
            assert name == name.lower()
            assert operator_named(name) == operator.name
            assert is_resolver_name(name)
    assert not PROVIDER_NAMES & {name for operator in OPERATORS for name in operator.names}


def test_relays_inside_other_systems_are_relays() -> None:
    """iCloud Private Relay comes out of Akamai, Fastly and Cloudflare, whose own addresses are a
    content network's."""
    relay = locate(ip_address("172.225.5.1"))
    assert (relay.kind.kind, relay.kind.confidence, relay.anycast) == ("relay", "high", True)
    for text in ("151.101.1.1", "104.16.1.1", "23.32.3.7"):
        assert locate(ip_address(text)).kind.kind == "cdn"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Charter Communications Inc", "Charter Communications LLC", True),
        ("Proton AG", "ProtonVPN Proton AG", True),
        ("Bharti Airtel Ltd. AS for GPRS Service", "Bharti Airtel Ltd., Telemedia Services", True),
        ("Vodafone GmbH", "Vodafone Limited", True),
        ("Telecom Italia S.p.A.", "Telecom Argentina S.A.", False),
        ("Deutsche Telekom AG", "Deutsche Glasfaser Holding GmbH", False),
        ("China Telecom", "China Unicom", False),
        # Names of general words alone are still one name.
        ("Deutsche Telekom AG", "Deutsche Telekom AG", True),
        ("China Telecom", "China Telecom (Group)", True),
        ("Telecom", "Telecom Ltd", False),
        ("True Online", "TRUE INTERNET Co.,Ltd.", True),
        ("Hong Kong Broadband Network Ltd.", "Hong Kong Cable TV Ltd", False),
        ("Example Access", "Example Hosting", False),
        (None, "Example", False),
    ],
)
def test_systems_of_one_company_are_known_by_its_name(
    one: str | None, other: str | None, same: bool
) -> None:
    assert same_company(one, other) is same
    assert same_company(other, one) is same


@pytest.mark.parametrize(
    ("asn", "name", "kind", "confidence"),
    [
        (24940, "Hetzner Online GmbH", "hosting", "high"),
        (209103, "ProtonVPN Proton AG", "vpn", "high"),
        (13335, "Cloudflare, Inc.", "cdn", "high"),
        (21928, "T-Mobile USA, Inc.", "mobile", "medium"),
        (3320, "Deutsche Telekom AG", "residential", "medium"),
        (64500, "Example Cloud Hosting", "hosting", "low"),
        (64500, "ROOMVPN Example", "vpn", "medium"),
        (64500, "Example Networks AB Mullvad", "vpn", "medium"),
        (64500, "Contabo GmbH", "hosting", "medium"),
        (64500, "Cox Communications Inc.", "residential", "medium"),
        (64500, "China Mobile communications corporation", "mobile", "medium"),
        (64500, "Vodafone Cloud Services", "hosting", "low"),
        (64500, "Example Mobile", "mobile", "low"),
        (64500, "Example Telecom", "residential", "low"),
        (64500, "RCS & RDS SA", "residential", "medium"),
        (64500, "Example-Data-Center", "hosting", "low"),
        (64500, "Cyber-Telecom", "residential", "low"),
        (64500, "Example University", "unknown", None),
        (None, None, "unknown", None),
    ],
)
def test_kinds_of_networks_say_how_sure_they_are(
    asn: int | None, name: str | None, kind: str, confidence: str | None
) -> None:
    found = network_kind(asn, name)
    assert (found.kind, found.confidence) == (kind, confidence)


def rows() -> list[list[str]]:
    lines = GEO.read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("column", [1, 2, 3])
def test_tables_say_what_their_sources_say(column: int) -> None:
    """Two hundred addresses, looked up in the packed tables, against what a MaxMind reader found
    in the sources."""
    table = load_table((*COUNTRY_TABLES, ASN_TABLE)[column - 1])
    expected = [row[column] for row in rows()]
    addresses = [ip_address(row[0]) for row in rows()]
    assert len(addresses) == 200

    def text(label: object) -> str:
        return "" if label is None else str(label[0] if isinstance(label, tuple) else label)

    assert [text(table.find(address)) for address in addresses] == expected


def test_sources_agree_where_they_are_said_to() -> None:
    """Of 200 addresses spread over homes, phones, clouds and VPNs the two countries agree for
    177, the system with two other tables for 186 and 191: a network is the surer sign."""
    agreeing = Counter(
        {
            "country": sum(row[1] == row[2] for row in rows()),
            "DB-IP system": sum(row[3] == row[4] for row in rows()),
            "iptoasn system": sum(row[3] == row[5] for row in rows()),
        }
    )
    assert agreeing == {"country": 177, "DB-IP system": 186, "iptoasn system": 191}


def test_sources_that_differ_make_a_place_uncertain() -> None:
    """Every one of the 200 is sure exactly where its two sources agree on a locatable place."""
    for text, one, other, *_ in rows():
        place = locate(ip_address(text))
        if place.anycast:
            assert (place.countries, place.confidence) == ((), None)
            continue
        assert place.countries == tuple(sorted({one, other}))
        assert place.confidence == ("high" if one == other else "low")
        assert place.sure == (one == other and not place.anycast)


def test_the_tables_are_small() -> None:
    """All embedded data together: 5 MB of the wheel at the most."""
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 5_000_000


def test_every_table_tells_its_source_date_and_licence() -> None:
    for name in (*COUNTRY_TABLES, ASN_TABLE, EGRESS_TABLE):
        table = load_table(name)
        assert table.source
        assert table.licence
        assert table.built.startswith("2026-")
        for version in (4, 6):
            blocks = [table.block(version, number) for number in range(table.count(version))]
            starts = np.concatenate([block[0] for block in blocks])
            assert starts[0] == 0
            assert (starts[1:] > starts[:-1]).all()
