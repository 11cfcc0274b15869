"""The check that detectors of VPNs make, made for the client itself: does one story hold?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from pcapleak.judge import Judgement
from pcapleak.judge.addresses import inside
from pcapleak.judge.coherence.compare import (
    Comparison,
    compare_addresses,
    compare_language,
    compare_resolver,
    compare_zone,
    compare_zone_language,
    worst_of_best,
)
from pcapleak.judge.coherence.findings import coherence_findings, shape_findings
from pcapleak.judge.coherence.nat import nat_profiles
from pcapleak.judge.coherence.places import Atlas, Place, atlas
from pcapleak.judge.coherence.text import conclusions, pair_sentence, story
from pcapleak.judge.coherence.vectors import VECTORS, Sign, VectorName, find_signs
from pcapleak.policy.policy import Network, Policy
from pcapleak.report.document import (
    Coherence,
    Contradiction,
    GeoSource,
    PlaceEntry,
    Vector,
)
from pcapleak.track.state import State
from pcapleak.values.findings import Finding

Places = dict[VectorName, list[Place]]
Pairs = dict[tuple[VectorName, VectorName], Comparison]


def assess(state: State, judgement: Judgement, policy: Policy) -> tuple[Coherence, list[Finding]]:
    """The five vectors, every pair of them, and what contradicts the exit.

    Nothing is located, and no table loaded, unless there are two vectors to hold against each
    other.
    """
    signs, hosts = find_signs(state, judgement, policy)
    known = [name for name in VECTORS if signs[name].known]
    places: Places = {name: [] for name in VECTORS}
    chart = atlas(policy.geo_databases, policy.geo_maps)
    if len(known) > 1:
        places = {name: [chart.locate(one) for one in signs[name].addresses] for name in VECTORS}
    first_ns = min((each.first_ns for each in state.captures if each.first_ns), default=0)
    pairs = _pairs(known, signs, places, first_ns)
    if hosts:
        for comparison in pairs.values():
            _doubt(comparison, hosts)
    tunnels = {number for number, one in enumerate(judgement.roles) if one.role == "tunnel"}
    coherence = Coherence(
        vectors=[_vector(signs[name], places[name]) for name in VECTORS],
        contradictions=[
            Contradiction(
                vectors=list(names),
                verdict=comparison.verdict,
                sentence=pair_sentence(names, signs, comparison),
                aspects={name: str(verdict) for name, verdict in comparison.aspects.items()},
            )
            for names, comparison in pairs.items()
        ],
        result=_result(list(pairs.values())),
        sentence=story(signs, places) if len(known) > 1 else "",
        conclusions=conclusions(signs, places, pairs),
        nat=nat_profiles(state, tunnels),
        sources=_sources(chart, places),
    )
    findings = coherence_findings(signs, pairs) + shape_findings(state.sessions)
    return coherence, findings


def _pairs(
    known: Sequence[VectorName], signs: dict[VectorName, Sign], places: Places, first_ns: int
) -> Pairs:
    beside: list[Place] = []
    pairs: Pairs = {}
    zone, tags = signs["time zone"], signs["language"].tags
    for one, other in combinations(known, 2):
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
            table = [[compare_resolver(a, b, home) for a in mine] for b in theirs]
        elif mine or theirs:
            located = mine or theirs
            table = [
                [
                    compare_language(place, tags)
                    if "language" in (one, other)
                    else compare_zone(place, zone.text or "", zone.countries, first_ns)
                ]
                for place in located
            ]
        else:
            table = [[compare_zone_language(zone.text or "", zone.countries, tags)]]
        pairs[one, other] = worst_of_best(table)
    return pairs


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
        comparison.reason += f"; but the signs are of several hosts ({some}): give --client"


def _result(
    pairs: Sequence[Comparison],
) -> Literal["coherent", "incoherent", "uncertain", "unknown"]:
    verdicts = {comparison.verdict for comparison in pairs}
    if "disagree" in verdicts:
        return "incoherent"
    if "uncertain" in verdicts:
        return "uncertain"
    return "coherent" if "agree" in verdicts else "unknown"


def _vector(sign: Sign, places: Sequence[Place]) -> Vector:
    countries = {code for place in places if not place.anycast for code in place.countries}
    return Vector(
        name=sign.name,
        value=sign.text or ", ".join(map(str, sign.addresses)) or None,
        provenance=sign.provenance,
        confidence=sign.confidence,
        countries=sorted(countries) if places else list(sign.countries),
        details=sign.details,
        places=[place_entry(place) for place in places],
        frames=sign.frames,
    )


def place_entry(place: Place) -> PlaceEntry:
    """A place as the report has it."""
    notes = [f"{place.special} address"] if place.special is not None else []
    if place.carried_by is not None:
        notes.append(f"{place.carried_by}, carries {place.inner}")
    if place.anycast:
        notes.append("answers from many places: not locatable")
    return PlaceEntry(
        address=str(place.address),
        countries=list(place.countries),
        sources={name: ", ".join(codes) for name, codes in place.sources.items()},
        confidence=place.confidence,
        asn=place.asn,
        organisation=place.organisation,
        kind=place.kind.kind,
        kind_confidence=place.kind.confidence,
        note="; ".join(notes),
    )


def _sources(chart: Atlas, places: Places) -> list[GeoSource]:
    """The data that had something to say, or were asked and had not."""
    if not any(place.special is None for found in places.values() for place in found):
        return []
    return [GeoSource(*about) for about in chart.used]
