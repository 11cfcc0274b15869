"""Two vectors held against each other: agree, disagree, uncertain or unknown.

Sources that differ among themselves make a pair uncertain and never a contradiction, and an
address that answers from many places has no country to contradict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, field

from pcapleak.judge.coherence.kinds import same_company
from pcapleak.judge.coherence.languages import language_fit, telling
from pcapleak.judge.coherence.places import Place
from pcapleak.judge.coherence.zones import is_silent, mother, related, same_clock
from pcapleak.values.addresses import far_network

Verdict = Literal["agree", "disagree", "uncertain", "unknown"]

Order = tuple[Verdict, Verdict, Verdict, Verdict]

WORST: Order = ("disagree", "uncertain", "unknown", "agree")
WORST_KNOWN: Order = ("disagree", "uncertain", "agree", "unknown")
"""Where what says nothing must not hide what does: public resolvers beside a client subnet."""
_BEST: Order = ("agree", "uncertain", "unknown", "disagree")
_POOLED = ("vpn", "relay")
_SHARED = ("hosting", "vpn", "relay", "cdn")
_HOMES = ("residential", "mobile")
_SURE = ("certain", "high", "medium")


class Comparison(Struct):
    """The verdict, by which aspects, and for which of several addresses."""

    verdict: Verdict
    aspects: dict[str, Verdict] = field(default_factory=dict)
    """What each comparison by itself came to, whatever the verdict made of it."""
    reason: str = ""
    one: Place | None = None
    other: Place | None = None


def compare_addresses(one: Place, other: Place) -> Comparison:
    """Two addresses through which a client is seen, an exit and what WebRTC shows.

    One address, one /24 (or /48), or one VPN's or relay's own system is one egress pool; a
    cloud's system is not, nor is a provider's: there it is the same company at another address,
    which is uncertain. Another autonomous system contradicts whatever the countries say.
    """
    aspects = _aspects(one, other)
    result = Comparison("unknown", aspects, one=one, other=other)
    network, country = aspects["network"], aspects["country"]
    if one.inner == other.inner:
        result.verdict, result.reason = "agree", "they are the same address"
    elif aspects["prefix"] == "agree":
        result.verdict, result.reason = "agree", f"both are in {far_network(one.inner)}"
    elif network == "agree" and one.kind.kind in _POOLED and other.kind.kind in _POOLED:
        result.verdict, result.reason = "agree", f"both are exits of {_owner(one)}"
    elif network == "disagree" or country == "disagree":
        result.verdict = "disagree"
        result.reason = _difference(one, other, aspects)
    elif network == "agree" and one.inner.version == other.inner.version:
        what = "address" if one.kind.kind in _SHARED else "line"
        result.verdict = "uncertain"
        result.reason = f"both belong to {_owner(one)}: the same provider, a different {what}"
    elif network == "agree":
        result.verdict = "uncertain" if country == "uncertain" else "agree"
        result.reason = f"both are of {_owner(one)}"
    else:
        result.verdict = country
        result.reason = _country_reason(one, other, country)
    return result


def compare_exits(one: Place, other: Place) -> Comparison:
    """The IPv4 and the IPv6 exit of one tunnel: a page that has both addresses sees both."""
    aspects = _aspects(one, other)
    country = aspects["country"]
    reason = (
        _difference(one, other, {**aspects, "network": "unknown"})
        if country == "disagree"
        else _country_reason(one, other, country)
    )
    return Comparison(country, aspects, reason, one, other)


def compare_resolver(
    one: Place, resolver: Place, home: Sequence[Place] = (), *, encrypted: bool = False
) -> Comparison:
    """A client's visible address and the resolver that asks for it.

    A public resolver says nothing. Any other one is somebody's own: of another provider for
    homes or phones, or of the network of `home` (an address the client has beside the exit), it
    contradicts, in the same country too. A hosting company's may be a public one that no list
    has, and so may one that is asked over an encrypted transport, which nobody's router hands
    out: both are at most uncertain.
    """
    aspects = _aspects(one, resolver)
    result = Comparison("unknown", aspects, one=one, other=resolver)
    network, country = aspects["network"], aspects["country"]
    if resolver.anycast:
        who = f"{resolver.resolver}'s, and " if resolver.resolver else ""
        result.reason = f"{resolver.address} is {who}in many places at once"
    elif aspects["prefix"] == "agree" or network == "agree":
        result.verdict = "uncertain" if country == "disagree" else "agree"
        result.reason = f"both are of {_owner(one)}"
    elif any(same_network(resolver, place) for place in home):
        result.verdict = "disagree"
        result.reason = f"{_owner(resolver)} is the network outside the exit"
    elif network == "disagree" and resolver.kind.kind in _HOMES:
        result.verdict = "disagree"
        result.reason = (
            f"{_difference(one, resolver, aspects)}, and {_owner(resolver)} serves "
            f"{resolver.kind.kind} customers"
        )
    elif country == "disagree" and not encrypted and resolver.kind.kind not in _SHARED:
        result.verdict, result.reason = "disagree", _difference(one, resolver, aspects)
    elif country == "disagree":
        result.verdict = "uncertain"
        result.reason = f"{_difference(one, resolver, aspects)}; it may be a public resolver"
    elif network == "disagree" and resolver.kind.kind not in _SHARED:
        result.verdict = "uncertain"
        result.reason = f"{_difference(one, resolver, aspects)}; nothing shows whom it serves"
    else:
        result.verdict, result.reason = country, _country_reason(one, resolver, country)
    return result


def compare_subnet(one: Place, subnet: Place) -> Comparison:
    """A client's visible address and the client subnet that queries carry on (RFC 7871): the
    network of whoever asked, and so one more address of the client. A provider's customer has one
    in it; a cloud's system is not one customer's."""
    result = compare_addresses(one, subnet)
    own = result.aspects["network"] == "agree" and subnet.kind.kind not in _SHARED
    if result.verdict == "uncertain" and own:
        result.verdict = "agree"
        result.reason = f"both are of {_owner(one)}"
    return result


def compare_zone(place: Place, zone: str, countries: Sequence[str], ts_ns: int) -> Comparison:
    """An address and the time zone of the client's clock.

    Overseas territories belong to their mother countries here, whose code sources give their
    addresses as often. A zone of no country, `Etc/GMT+8` or `EST`, is its offset alone.
    """
    result = Comparison("unknown", one=place)
    alike = [code for code in place.countries if same_clock(zone, code, ts_ns)]
    if is_silent(zone) and not set(place.countries) & set(countries):
        result.reason = f"browsers report {zone} to all, wherever they are"
    elif not place.locatable:
        result.reason = _nowhere(place)
    elif countries and all(related([code], countries) for code in place.countries):
        result.verdict = "agree"
        result.reason = f"{zone} is a time zone of {_names(place.countries)}"
    elif not countries and len(alike) == len(place.countries):
        result.verdict = "agree"
        result.reason = f"clocks in {_names(place.countries)} show the same time as {zone}"
    elif not place.sure:
        result.verdict, result.reason = "uncertain", _doubt(place)
    elif alike:
        result.verdict = "uncertain"
        result.reason = f"clocks in {_names(place.countries)} show the same time as {zone}"
    else:
        result.verdict = "disagree"
        result.reason = f"{zone} is not in {_names(place.countries)}, and its clock differs"
    result.aspects["clock"] = result.verdict
    return result


def compare_language(place: Place, tags: tuple[str, ...]) -> Comparison:
    """An address and the languages the browser asks for."""
    if not place.locatable:
        return Comparison("unknown", {"language": "unknown"}, _nowhere(place), place)
    fits = [language_fit(tags, [code, mother(code)]) for code in place.countries]
    verdict: Verdict = fits[0]
    if len(set(fits)) > 1 or (verdict == "disagree" and not place.sure):
        verdict = "uncertain"
    return Comparison(
        verdict,
        {"language": verdict},
        _doubt(place)
        if verdict == "uncertain" and not place.sure
        else _language_reason(verdict, tags, place.countries),
        place,
    )


def compare_zone_language(zone: str, countries: Sequence[str], tags: tuple[str, ...]) -> Comparison:
    """The clock and the languages of a client."""
    verdict: Verdict = language_fit(tags, countries)
    reason = (
        f"{zone} belongs to no country"
        if not countries
        else _language_reason(verdict, tags, countries)
    )
    return Comparison(verdict, {"language": verdict}, reason)


def worst_of_best(table: Sequence[Sequence[Comparison]], worst: Order = WORST) -> Comparison:
    """Of several addresses the one that fits worst, each beside what fits it best."""
    best = [min(row, key=lambda each: _BEST.index(each.verdict)) for row in table]
    return min(best, key=lambda each: worst.index(each.verdict))


def _aspects(one: Place, other: Place) -> dict[str, Verdict]:
    return {
        "country": _country(one, other),
        "network": _network(one, other),
        "kind": _kind(one, other),
        "prefix": _prefix(one, other),
    }


def _country(one: Place, other: Place) -> Verdict:
    if not one.locatable or not other.locatable:
        return "unknown"
    if one.countries == other.countries and len(one.countries) == 1:
        return "agree"
    if related(one.countries, other.countries):
        return "uncertain"  # sources differ, or say an overseas territory's or its mother's code
    return "disagree" if one.sure and other.sure else "uncertain"


def _network(one: Place, other: Place) -> Verdict:
    if one.asn is None or other.asn is None:
        return "unknown"
    return "agree" if same_network(one, other) else "disagree"


def same_network(one: Place, other: Place) -> bool:
    """One autonomous system, or two of one company."""
    if one.asn is None or other.asn is None:
        return False
    return one.asn == other.asn or same_company(one.organisation, other.organisation)


def _kind(one: Place, other: Place) -> Verdict:
    if "unknown" in (one.kind.kind, other.kind.kind):
        return "unknown"
    if one.kind.kind == other.kind.kind:
        return "agree"
    sure = one.kind.confidence in _SURE and other.kind.confidence in _SURE
    return "disagree" if sure else "uncertain"


def _prefix(one: Place, other: Place) -> Verdict:
    if one.inner.version != other.inner.version:
        return "unknown"
    return "agree" if far_network(one.inner) == far_network(other.inner) else "disagree"


def _owner(place: Place) -> str:
    return place.organisation or (f"AS{place.asn}" if place.asn is not None else "one network")


def _names(countries: Sequence[str]) -> str:
    return " or ".join(countries)


def _nowhere(place: Place) -> str:
    if place.special is not None:
        return f"{place.address} is a {place.special} address, which has no place"
    if place.anycast:
        return f"{place.address} is used in many places"
    return f"no source knows where {place.address} is"


def _doubt(place: Place) -> str:
    if len(place.countries) > 1:
        return f"sources differ on {place.address}: {_names(place.countries)}"
    return f"only one source knows where {place.address} is"


def _country_reason(one: Place, other: Place, country: Verdict) -> str:
    for place in (one, other):
        if not place.locatable:
            return _nowhere(place)
    if one.sure and other.sure and country == "uncertain":
        return f"{_names(one.countries)} and {_names(other.countries)}: one is a territory's code"
    if country == "agree":
        return f"both are in {_names(one.countries)}"
    return _doubt(one if not one.sure else other)


def _difference(one: Place, other: Place, aspects: dict[str, Verdict]) -> str:
    parts = []
    if aspects["country"] == "disagree":
        parts.append(f"in {_names(one.countries)} and in {_names(other.countries)}")
    if aspects["network"] == "disagree":
        owners = f"{_owner(one)} (AS{one.asn}) and {_owner(other)} (AS{other.asn})"
        parts.append(f"on different networks, {owners}")
    return f"they are {', and '.join(parts)}"


def _language_reason(verdict: Verdict, tags: tuple[str, ...], countries: Sequence[str]) -> str:
    asked = ", ".join(tags[:3])
    where = _names(countries[:3])
    match verdict:
        case "agree":
            return f"common in {where}"
        case "disagree":
            return f"few in {where} ask for {asked}"
        case "uncertain":
            return f"some in {where} ask for {asked}"
    if not telling(tags):
        alone = all(tag.split("-")[0] == "en" for tag in tags)
        return f"{'English alone' if alone else asked} says nothing about a place"
    return f"{asked} belongs to no one country"
