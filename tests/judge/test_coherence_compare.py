"""Every pair of vectors and every outcome."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from pcapleak.judge.coherence.compare import (
    Comparison,
    Verdict,
    compare_addresses,
    compare_exits,
    compare_language,
    compare_resolver,
    compare_subnet,
    compare_zone,
    compare_zone_language,
    worst_of_best,
)
from pcapleak.judge.coherence.kinds import Kind, NetworkKind
from pcapleak.judge.coherence.places import Place
from pcapleak.report.document import Confidence
from pcapleak.values.addresses import unwrap

NS = 1_795_000_000_000_000_000


def place(
    text: str,
    *countries: str,
    asn: int | None = None,
    kind: NetworkKind = "unknown",
    sure: Confidence | None = None,
    special: str | None = None,
    anycast: bool = False,
    organisation: str | None = None,
) -> Place:
    """A place as sources that agree, or differ, would have it."""
    address = ip_address(text)
    inner, how = unwrap(address)
    confidence = sure or ("high" if len(countries) == 1 else "low")
    name = organisation or (None if asn is None else f"Network {asn}")
    return Place(
        address,
        inner,
        how,
        special,
        {f"source {code}": (code,) for code in countries},
        confidence if countries else None,
        asn,
        name,
        Kind(kind, None if kind == "unknown" else "high", ""),
        anycast,
    )


EXIT = place("192.0.2.1", "NL", asn=64500, kind="hosting")
HOME = place("203.0.113.7", "DE", asn=64501, kind="residential")

ADDRESSES: list[tuple[str, Place, Place, Verdict, str]] = [
    ("one address", EXIT, EXIT, "agree", "the same address"),
    ("another country and network", EXIT, HOME, "disagree", "in NL and in DE"),
    (
        "another network of the same country",
        EXIT,
        place("203.0.113.7", "NL", asn=64501),
        "disagree",
        "on different networks, Network 64500",
    ),
    (
        "one /24, though sources see two countries and networks",
        EXIT,
        place("192.0.2.200", "DE", asn=64501),
        "agree",
        "192.0.2.0/24",
    ),
    (
        "one VPN's exits in two countries",
        place("192.0.2.1", "NL", asn=64500, kind="vpn"),
        place("198.51.100.1", "SE", asn=64500, kind="vpn"),
        "agree",
        "exits of",
    ),
    (
        "a VPN's exit and another customer of its hosting company",
        place("192.0.2.1", "NL", asn=64500, kind="vpn"),
        place("198.51.100.1", "SE", asn=64500, kind="hosting"),
        "disagree",
        "in NL and in SE",
    ),
    (
        "one cloud's machines in two countries",
        EXIT,
        place("198.51.100.1", "SE", asn=64500, kind="hosting"),
        "disagree",
        "in NL and in SE",
    ),
    (
        "one cloud's machines in one country",
        EXIT,
        place("198.51.100.1", "NL", asn=64500, kind="hosting"),
        "uncertain",
        "same provider, a different address",
    ),
    (
        "a country and its overseas territory",
        place("192.0.2.1", "FR"),
        place("203.0.113.7", "RE"),
        "uncertain",
        "a territory's",
    ),
    (
        "two systems of one company",
        place("192.0.2.1", "NL", asn=64500, kind="vpn", organisation="Example"),
        place("198.51.100.1", "NL", asn=64509, kind="vpn", organisation="Example"),
        "agree",
        "Example",
    ),
    (
        "one provider's homes in one country",
        place("192.0.2.1", "DE", asn=64501, kind="residential"),
        HOME,
        "uncertain",
        "same provider, a different line",
    ),
    (
        "one provider's homes in two countries",
        place("192.0.2.1", "AT", asn=64501, kind="residential"),
        HOME,
        "disagree",
        "in AT and in DE",
    ),
    (
        "sources of the exit differ, no network known",
        place("192.0.2.1", "NL", "GB"),
        place("203.0.113.7", "DE"),
        "uncertain",
        "sources differ",
    ),
    (
        "sources of the WebRTC address differ",
        place("192.0.2.1", "NL"),
        place("203.0.113.7", "NL", "DE"),
        "uncertain",
        "sources differ on 203.0.113.7",
    ),
    (
        "both sides' sources differ in the same way",
        place("192.0.2.1", "NL", "DE"),
        place("203.0.113.7", "NL", "DE"),
        "uncertain",
        "sources differ",
    ),
    (
        "one source alone",
        place("192.0.2.1", "NL", sure="medium"),
        place("203.0.113.7", "DE"),
        "uncertain",
        "only one source",
    ),
    (
        "sources that differ do not hide another network",
        place("192.0.2.1", "NL", "GB", asn=64500),
        HOME,
        "disagree",
        "on different networks, Network 64500 (AS64500) and Network 64501",
    ),
    (
        "the same country, no network known",
        place("192.0.2.1", "DE"),
        place("203.0.113.7", "DE"),
        "agree",
        "both are in DE",
    ),
    (
        "another country, no network known",
        place("192.0.2.1", "NL"),
        place("203.0.113.7", "DE"),
        "disagree",
        "in NL and in DE",
    ),
    ("a documentation address", place("192.0.2.1", special="documentation"), HOME, "unknown", "is"),
    ("nobody knows", place("192.0.2.1"), HOME, "unknown", "no source knows"),
    (
        "a relay is nowhere, its network is another",
        place("192.0.2.1", "US", asn=64502, kind="relay", anycast=True),
        HOME,
        "disagree",
        "on different networks, Network 64502",
    ),
    (
        "a relay of an unknown network",
        place("192.0.2.1", "US", anycast=True),
        place("203.0.113.7", "DE"),
        "unknown",
        "many places",
    ),
    (
        "IPv4 exit, IPv6 address of its network",
        EXIT,
        place("2001:db8::1", "NL", asn=64500, kind="hosting"),
        "agree",
        "both are of",
    ),
    (
        "IPv4 exit, IPv6 address of the home",
        EXIT,
        place("2001:db8::1", "DE", asn=64501),
        "disagree",
        "in NL and in DE",
    ),
    (
        "one /48",
        place("2001:db8:1::1", "NL", asn=64500),
        place("2001:db8:1:ffff::1", "DE", asn=64501),
        "agree",
        "2001:db8:1::/48",
    ),
    ("6to4 of the exit", EXIT, place("2002:c000:201::1", "NL"), "agree", "the same address"),
    ("mapped exit", EXIT, place("::ffff:192.0.2.1", "NL"), "agree", "the same address"),
    ("NAT64 of the exit", EXIT, place("64:ff9b::192.0.2.1", "NL"), "agree", "the same address"),
    (
        "Teredo of the home",
        HOME,
        place("2001:0:c633:640a:8000:63bf:34ff:8ef8", "DE"),
        "agree",
        "the same address",
    ),
]


@pytest.mark.parametrize(
    ("one", "other", "verdict", "reason"),
    [case[1:] for case in ADDRESSES],
    ids=[case[0] for case in ADDRESSES],
)
def test_exit_and_webrtc(one: Place, other: Place, verdict: Verdict, reason: str) -> None:
    """The verdict and its reason are the same whichever is named first."""
    result = compare_addresses(one, other)
    assert (result.verdict, reason in result.reason) == (verdict, True), result.reason
    assert set(result.aspects) == {"country", "network", "kind", "prefix"}
    assert compare_addresses(other, one).verdict == verdict


def test_aspects_are_what_was_compared_whatever_the_verdict_made_of_it() -> None:
    """One pool in two countries agrees; the JSON still has the countries that differ."""
    one = place("192.0.2.1", "NL", asn=64500, kind="vpn")
    for other in (
        place("198.51.100.1", "SE", asn=64500, kind="vpn"),
        place("192.0.2.9", "SE", asn=64501),
    ):
        result = compare_addresses(one, other)
        assert (result.verdict, result.aspects["country"]) == ("agree", "disagree")


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        (place("2001:db8::1", "NL", asn=64500), "agree"),
        (place("2001:db8::1", "NL", asn=64777), "agree"),
        (place("2001:db8::1", "US", asn=64500), "disagree"),
        (place("2001:db8::1", "US", asn=64500, kind="hosting"), "disagree"),
        (place("2001:db8::1", "US", "NL", asn=64500), "uncertain"),
        (place("2001:db8::1", "US", anycast=True), "unknown"),
    ],
)
def test_exits_of_both_families_are_of_one_country(new: Place, verdict: Verdict) -> None:
    assert compare_exits(EXIT, new).verdict == verdict


@pytest.mark.parametrize(
    ("subnet", "verdict"),
    [
        (place("192.0.2.0", "NL", asn=64500), "agree"),
        # Another machine of the same company's, or one more of a VPN's exits.
        (place("198.51.100.0", "NL", asn=64500, kind="hosting"), "uncertain"),
        # The client's own network, in the exit's country too.
        (place("203.0.113.0", "NL", asn=64501), "disagree"),
        (place("203.0.113.0", "DE", asn=64501, kind="residential"), "disagree"),
        (place("203.0.113.0", "DE"), "disagree"),
        (place("203.0.113.0"), "unknown"),
    ],
)
def test_a_client_subnet_is_compared_as_the_clients_address(
    subnet: Place, verdict: Verdict
) -> None:
    assert compare_subnet(EXIT, subnet).verdict == verdict


@pytest.mark.parametrize(
    ("one", "other", "aspects"),
    [
        (EXIT, HOME, ("disagree", "disagree", "disagree", "disagree")),
        (EXIT, EXIT, ("agree", "agree", "agree", "agree")),
        (
            place("192.0.2.1", "NL", "GB"),
            place("2001:db8::1", "NL", asn=1),
            ("uncertain", "unknown", "unknown", "unknown"),
        ),
        (
            place("192.0.2.1", special="documentation"),
            place("198.51.100.1", special="documentation"),
            ("unknown", "unknown", "unknown", "disagree"),
        ),
    ],
)
def test_aspects_are_judged_one_by_one(
    one: Place, other: Place, aspects: tuple[str, str, str, str]
) -> None:
    assert tuple(compare_addresses(one, other).aspects.values()) == aspects


RESOLVERS: list[tuple[str, Place, Place, list[Place], Verdict]] = [
    ("the exit's network", EXIT, place("192.0.2.53", "NL", asn=64500), [], "agree"),
    ("another company of the country", EXIT, place("198.51.100.53", "NL", asn=1), [], "uncertain"),
    ("a hosting company's", EXIT, place("198.51.100.53", "NL", asn=1, kind="hosting"), [], "agree"),
    (
        "a hosting company's in another country",
        EXIT,
        place("198.51.100.53", "DE", asn=1, kind="hosting"),
        [],
        "uncertain",
    ),
    (
        "another provider's behind a home",
        HOME,
        place("198.51.100.53", "DE", asn=1, kind="residential"),
        [],
        "disagree",
    ),
    (
        "a telephone company's behind a home",
        HOME,
        place("198.51.100.53", "DE", asn=1, kind="mobile"),
        [],
        "disagree",
    ),
    (
        "its provider's other system",
        place("203.0.113.7", "US", asn=64501, organisation="Charter Communications Inc"),
        place("198.51.100.53", "US", asn=1, organisation="Charter Communications LLC"),
        [],
        "agree",
    ),
    ("another country", EXIT, place("198.51.100.53", "DE", asn=1), [], "disagree"),
    (
        "a provider for homes behind a hosting exit",
        EXIT,
        place("198.51.100.53", "NL", asn=1, kind="residential"),
        [],
        "disagree",
    ),
    (
        "the network of an address beside the exit",
        EXIT,
        place("203.0.113.53", "NL", asn=64501),
        [place("203.0.113.7", "NL", asn=64501)],
        "disagree",
    ),
    ("sources differ", EXIT, place("198.51.100.53", "DE", "NL", asn=1), [], "uncertain"),
    ("anycast", EXIT, place("8.8.8.8", "US", asn=15169, anycast=True), [], "unknown"),
    ("nobody knows", EXIT, place("198.51.100.53"), [], "unknown"),
    ("special", EXIT, place("198.51.100.53", special="documentation"), [], "unknown"),
    ("IPv6 of the country", EXIT, place("2001:db8::53", "NL"), [], "agree"),
    ("home and its provider's resolver", HOME, place("203.0.113.53", "DE", asn=9), [], "agree"),
    ("home and a foreign resolver", HOME, place("198.51.100.53", "US", asn=9), [], "disagree"),
]


@pytest.mark.parametrize(
    ("one", "resolver", "home", "verdict"),
    [case[1:] for case in RESOLVERS],
    ids=[case[0] for case in RESOLVERS],
)
def test_address_and_resolver(
    one: Place, resolver: Place, home: list[Place], verdict: Verdict
) -> None:
    result = compare_resolver(one, resolver, home)
    assert result.verdict == verdict, result.reason
    assert result.reason


def test_a_resolver_over_tls_that_no_list_has_is_at_most_uncertain() -> None:
    """Routers hand out plain resolvers; an encrypted one somebody chose."""
    resolver = place("198.51.100.53", "DE", asn=1)
    assert compare_resolver(EXIT, resolver).verdict == "disagree"
    assert compare_resolver(EXIT, resolver, encrypted=True).verdict == "uncertain"
    theirs = place("198.51.100.53", "DE", asn=1, kind="residential")
    assert compare_resolver(EXIT, theirs, encrypted=True).verdict == "disagree"


@pytest.mark.parametrize(
    ("where", "zone", "countries", "verdict"),
    [
        (place("192.0.2.1", "DE"), "Europe/Berlin", ["DE"], "agree"),
        # The same time by another country's name: whoever compares offsets sees nothing.
        (place("192.0.2.1", "NL"), "Europe/Berlin", ["DE"], "uncertain"),
        (place("192.0.2.1", "GB"), "Europe/Berlin", ["DE"], "disagree"),
        (place("192.0.2.1", "US"), "Europe/Berlin", ["DE"], "disagree"),
        (place("192.0.2.1", "US", "GB"), "Europe/Berlin", ["DE"], "uncertain"),
        (place("192.0.2.1", "US", sure="medium"), "Europe/Berlin", ["DE"], "uncertain"),
        (place("192.0.2.1", "US", "DE"), "Europe/Berlin", ["DE"], "uncertain"),
        (place("192.0.2.1", "US"), "UTC", [], "unknown"),
        # Firefox reports it to all where it resists fingerprinting.
        (place("192.0.2.1", "US"), "Atlantic/Reykjavik", ["IS"], "unknown"),
        (place("192.0.2.1", "IS"), "Atlantic/Reykjavik", ["IS"], "agree"),
        # Zones of no country are their offsets: -8 hours, -5, +1.
        (place("192.0.2.1", "DE"), "Etc/GMT+8", [], "disagree"),
        (place("192.0.2.1", "US"), "Etc/GMT+8", [], "agree"),
        (place("192.0.2.1", "DE"), "EST", [], "disagree"),
        (place("192.0.2.1", "DE"), "CET", [], "agree"),
        (place("192.0.2.1", "DE"), "Factory", [], "unknown"),
        (place("192.0.2.1", "US", "DE"), "EST", [], "uncertain"),
        # With the mother country and without.
        (place("192.0.2.1", "FR"), "Indian/Reunion", ["RE"], "agree"),
        (place("192.0.2.1", "RE"), "Indian/Reunion", ["RE"], "agree"),
        (place("192.0.2.1", "RE"), "Europe/Paris", ["FR"], "agree"),
        (place("192.0.2.1", "FR", "RE"), "Indian/Reunion", ["RE"], "agree"),
        (place("192.0.2.1", "DE"), "Indian/Reunion", ["RE"], "disagree"),
        (place("192.0.2.1", "XK"), "Europe/Belgrade", ["RS", "XK"], "agree"),
        (place("192.0.2.1", "XK"), "America/New_York", ["US"], "disagree"),
        (place("192.0.2.1", special="documentation"), "Europe/Berlin", ["DE"], "unknown"),
        (place("192.0.2.1", "US", anycast=True), "Europe/Berlin", ["DE"], "unknown"),
        (place("2001:db8::1", "GB"), "Europe/Berlin", ["DE"], "disagree"),
    ],
)
def test_address_and_time_zone(
    where: Place, zone: str, countries: list[str], verdict: Verdict
) -> None:
    result = compare_zone(where, zone, countries, NS)
    assert result.verdict == verdict, result.reason
    assert result.reason


@pytest.mark.parametrize(
    ("where", "tags", "verdict"),
    [
        (place("192.0.2.1", "DE"), ("de-DE", "de"), "agree"),
        (place("192.0.2.1", "US"), ("de-DE", "de"), "disagree"),
        (place("192.0.2.1", "NL"), ("de-DE", "de"), "uncertain"),
        (place("192.0.2.1", "DE"), ("en-US", "en"), "unknown"),
        (place("192.0.2.1", "DE"), ("eo",), "unknown"),
        (place("192.0.2.1", "RE"), ("fr-FR", "fr"), "agree"),
        (place("192.0.2.1", "US", "DE"), ("de-DE", "de"), "uncertain"),
        (place("192.0.2.1", "US", "GB"), ("de-DE", "de"), "uncertain"),
        (place("192.0.2.1", "US", sure="medium"), ("de-DE", "de"), "uncertain"),
        (place("192.0.2.1", special="documentation"), ("de",), "unknown"),
        (place("192.0.2.1", "US", anycast=True), ("de",), "unknown"),
        (place("2001:db8::1", "US"), ("de-DE", "de"), "disagree"),
    ],
)
def test_address_and_languages(where: Place, tags: tuple[str, ...], verdict: Verdict) -> None:
    result = compare_language(where, tags)
    assert result.verdict == verdict, result.reason
    assert result.reason


@pytest.mark.parametrize(
    ("zone", "countries", "tags", "verdict"),
    [
        ("Europe/Berlin", ["DE"], ("de-DE",), "agree"),
        ("Europe/Berlin", ["DE"], ("pl-PL",), "disagree"),
        ("Europe/Berlin", ["DE"], ("en-US",), "unknown"),
        ("UTC", [], ("de-DE",), "unknown"),
    ],
)
def test_time_zone_and_languages(
    zone: str, countries: list[str], tags: tuple[str, ...], verdict: Verdict
) -> None:
    result = compare_zone_language(zone, countries, tags)
    assert result.verdict == verdict
    assert result.reason


def test_of_several_addresses_the_worst_counts_beside_its_best_exit() -> None:
    """A VPN with two exits: WebRTC through one of them is no contradiction, a third address is."""
    agree, disagree, unknown = (Comparison(v) for v in ("agree", "disagree", "unknown"))
    assert worst_of_best([[disagree, agree]]).verdict == "agree"
    assert worst_of_best([[disagree, agree], [disagree, disagree]]).verdict == "disagree"
    assert worst_of_best([[agree], [unknown]]).verdict == "unknown"
