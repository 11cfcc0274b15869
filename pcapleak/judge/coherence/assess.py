"""The check that detectors of VPNs make, made for the client itself: does one story hold?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from msgspec.structs import replace

from pcapleak.judge.coherence.compare import (
    WORST,
    WORST_KNOWN,
    Comparison,
    compare_addresses,
    compare_exits,
    compare_language,
    compare_resolver,
    compare_subnet,
    compare_zone,
    compare_zone_language,
    worst_of_best,
)
from pcapleak.judge.coherence.databases import DataFile
from pcapleak.judge.coherence.nat import NatProfile, nat_profiles
from pcapleak.judge.coherence.places import Atlas, Place, atlas
from pcapleak.judge.coherence.text import Conclusion, conclusions, pair_sentence, story
from pcapleak.judge.coherence.vectors import VECTORS, Sign, VectorName, find_signs
from pcapleak.judge.findings import contradictions
from pcapleak.judge.judgement import Judgement
from pcapleak.policy.policy import Network, Policy
from pcapleak.track.state import State
from pcapleak.values.addresses import inside
from pcapleak.values.findings import Finding

Places = dict[VectorName, list[Place]]
Result = Literal["coherent", "incoherent", "uncertain", "unknown"]
Pairs = dict[tuple[VectorName, VectorName], Comparison]


class Pair(NamedTuple):
    """Two vectors held against each other, whatever came of it."""

    names: tuple[VectorName, VectorName]
    comparison: Comparison
    sentence: str
    """Why, for a person."""


class Coherence(NamedTuple):
    """Whether the address that WebRTC shows agrees with the rest of the story."""

    vectors: list[tuple[Sign, list[Place]]]
    """Each with where its addresses are."""
    pairs: list[Pair]
    result: Result
    sentence: str
    conclusions: list[Conclusion]
    """By kind of observer."""
    nat: list[NatProfile]
    sources: list[DataFile]
    """Where the places are from."""


def assess(state: State, judgement: Judgement, policy: Policy) -> tuple[Coherence, list[Finding]]:
    """The five vectors, every pair of them, and what contradicts the exit.

    Nothing is located, and no table loaded, unless there are two vectors to hold against each
    other.
    """
    signs, hosts = find_signs(state, judgement, policy)
    known = [name for name in VECTORS if signs[name].known]
    places: Places = {name: [] for name in VECTORS}
    chart = atlas(policy.geo_databases, policy.geo_maps)
    exits = signs["exit"]
    both = len({address.version for address in exits.addresses}) > 1 and not exits.guessed
    if len(known) > 1 or both:
        places = {name: [chart.locate(one) for one in signs[name].addresses] for name in VECTORS}
        places["resolver"] = [_named(place, signs["resolver"]) for place in places["resolver"]]
    first_ns = min((each.first_ns for each in state.captures if each.first_ns), default=0)
    pairs = _pairs(known, signs, places, first_ns)
    if both and sum(one.confirmed for one in judgement.tunnels) < 2:
        pairs["exit", "exit"] = _families(places["exit"])
    exposed = list(map(str, judgement.verdict.exposed)) if exits.known else []
    if hosts:
        for comparison in pairs.values():
            _doubt(comparison, hosts)
    tunnels = {number for number, one in enumerate(judgement.roles) if one.role == "tunnel"}
    coherence = Coherence(
        vectors=[(signs[name], places[name]) for name in VECTORS],
        pairs=[
            Pair(names, comparison, pair_sentence(names, signs, comparison))
            for names, comparison in pairs.items()
        ],
        result=_result(list(pairs.values()), exposed),
        sentence=story(signs, places, exposed) if pairs else "",
        conclusions=conclusions(signs, places, pairs),
        nat=nat_profiles(state, tunnels),
        sources=_sources(chart, places),
    )
    return coherence, contradictions(signs, pairs)


def _pairs(
    known: Sequence[VectorName], signs: dict[VectorName, Sign], places: Places, first_ns: int
) -> Pairs:
    beside: list[Place] = []
    pairs: Pairs = {}
    zone, tags = signs["time zone"], signs["language"].tags
    for one, other in combinations(known, 2):
        worst = WORST
        mine, theirs = places[one], places[other]
        if other == "webrtc":
            ranges = signs[one].ranges
            table = [[_as_exits(a, b, ranges) for a in mine] for b in theirs]
            beside = [
                place
                for place, row in zip(theirs, table, strict=True)
                if all(each.verdict == "disagree" for each in row)
            ]
        elif other == "resolver" and mine:
            home = beside if one == "exit" else ()
            table = [[_asked(a, b, signs["resolver"], home) for a in mine] for b in theirs]
            worst = WORST_KNOWN
        elif mine or theirs:
            told = [
                compare_language(place, tags)
                if "language" in (one, other)
                else compare_zone(place, zone.text or "", zone.countries, first_ns)
                for place in mine or theirs
            ]
            # A tunnel's exits are one place to be; of other addresses each tells by itself.
            table = [told] if one == "exit" else [[each] for each in told]
        else:
            table = [[compare_zone_language(zone.text or "", zone.countries, tags)]]
        pairs[one, other] = worst_of_best(table, worst)
    return pairs


def _families(exits: Sequence[Place]) -> Comparison:
    """The IPv4 exits and the IPv6 exits of one tunnel."""
    old = [place for place in exits if place.address.version == 4]
    new = [place for place in exits if place.address.version == 6]
    return worst_of_best([[compare_exits(one, other) for one in old] for other in new])


def _asked(one: Place, resolver: Place, sign: Sign, home: Sequence[Place]) -> Comparison:
    subnet = sign.subnets.get(resolver.address)
    if subnet is None:
        encrypted = resolver.address in sign.encrypted
        return compare_resolver(one, resolver, home, encrypted=encrypted)
    comparison = compare_subnet(one, resolver)
    if one.inner in subnet:
        comparison.verdict, comparison.reason = "agree", f"it is in {subnet}"
    return comparison


def _named(place: Place, sign: Sign) -> Place:
    """A resolver that was asked under a public one's name is that one, wherever it is."""
    operator = sign.operators.get(place.address)
    if operator is None or place.address in sign.subnets:
        return place
    return replace(place, resolver=operator, anycast=True, confidence=None)


def _as_exits(one: Place, other: Place, ranges: Sequence[Network]) -> Comparison:
    """Any address of the exit's ranges is the exit."""
    comparison = compare_addresses(one, other)
    if comparison.verdict != "agree" and inside(other.inner, ranges):
        comparison.verdict = "agree"
        comparison.reason = f"{other.inner} is in the exit's range"
    return comparison


def _doubt(comparison: Comparison, hosts: Sequence[str]) -> None:
    """The signs of several people need not agree."""
    if comparison.verdict == "disagree":
        comparison.verdict = "uncertain"
        some = ", ".join(hosts[:4]) + (" and more" if len(hosts) > 4 else "")
        comparison.reason += (
            f"; but the signs come from several hosts ({some}): name one with --client"
        )


def _result(pairs: Sequence[Comparison], exposed: Sequence[str]) -> Result:
    """Nothing is coherent where the client's own address shows beside the exit."""
    verdicts = {comparison.verdict for comparison in pairs}
    if "disagree" in verdicts:
        return "incoherent"
    if "uncertain" in verdicts or ("agree" in verdicts and exposed):
        return "uncertain"
    return "coherent" if "agree" in verdicts else "unknown"


def _sources(chart: Atlas, places: Places) -> list[DataFile]:
    """The data that had something to say, or were asked and had not."""
    if not any(place.special is None for found in places.values() for place in found):
        return []
    return chart.used
