"""Whether the addresses tell one story, as the report's schema has it."""

from __future__ import annotations

from collections.abc import Sequence

from pcapleak.judge.coherence import assess as judged
from pcapleak.judge.coherence.nat import NatProfile
from pcapleak.judge.coherence.places import Place
from pcapleak.judge.coherence.vectors import Sign
from pcapleak.report import document


def coherence_entry(coherence: judged.Coherence) -> document.Coherence:
    """The whole of it."""
    return document.Coherence(
        vectors=[_vector(sign, places) for sign, places in coherence.vectors],
        contradictions=[
            document.Contradiction(
                vectors=list(one.names),
                verdict=one.comparison.verdict,
                sentence=one.sentence,
                aspects={name: str(word) for name, word in one.comparison.aspects.items()},
            )
            for one in coherence.pairs
        ],
        result=coherence.result,
        sentence=coherence.sentence,
        conclusions=[
            document.Conclusion(one.observer, list(one.sees), one.conclusion)
            for one in coherence.conclusions
        ],
        nat=[_nat(one) for one in coherence.nat],
        sources=[document.GeoSource(*about) for about in coherence.sources],
    )


def _vector(sign: Sign, places: Sequence[Place]) -> document.Vector:
    countries = {code for place in places for code in place.countries}
    return document.Vector(
        name=sign.name,
        value=sign.text or ", ".join(map(sign.text_of, sign.addresses)) or None,
        provenance=sign.provenance,
        confidence=sign.confidence,
        countries=sorted(countries) if places else list(sign.countries),
        details=sign.details,
        places=[place_entry(place) for place in places],
        frames=sign.frames,
    )


def place_entry(place: Place) -> document.PlaceEntry:
    """Where an address is."""
    notes = [f"{place.special} address"] if place.special is not None else []
    if place.carried_by is not None:
        notes.append(f"{place.carried_by}, carries {place.inner}")
    if place.resolver is not None:
        notes.append(f"a public resolver of {place.resolver}")
    if place.anycast:
        notes.append("in many places: not locatable")
    return document.PlaceEntry(
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


def _nat(profile: NatProfile) -> document.NatProfile:
    return document.NatProfile(
        client=str(profile.client),
        interface=profile.interface,
        mapping=profile.mapping,
        port_preservation=profile.port_preservation,
        cgnat=profile.cgnat,
        public_addresses=[str(address) for address in profile.public_addresses],
        servers=[str(server) for server in profile.servers],
        reasons=list(profile.reasons),
        frames=list(profile.frames),
    )
