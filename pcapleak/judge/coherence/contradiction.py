"""What findings of coherence share: a contradiction between a vector and the exit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pcapleak.judge.coherence.compare import Comparison
from pcapleak.judge.coherence.places import Place
from pcapleak.judge.coherence.text import the_exit, where
from pcapleak.judge.coherence.vectors import Sign, VectorName
from pcapleak.judge.finding_builder import make
from pcapleak.values.evidence import MAX_FRAMES, Confidence, Evidence, weakest
from pcapleak.values.findings import Finding, FindingKind

Signs = Mapping[VectorName, Sign]
Pairs = Mapping[tuple[VectorName, VectorName], Comparison]


def contradicted(pairs: Pairs, name: VectorName) -> Iterator[tuple[Comparison, Place]]:
    """The comparison of the exit with the vector `name`, and the exit's place, where they surely
    contradict each other."""
    comparison = pairs.get(("exit", name))
    if comparison is not None and comparison.verdict == "disagree" and comparison.one is not None:
        yield comparison, comparison.one


def page_sees(signs: Signs, place: Place) -> str:
    """How messages begin."""
    return f"The page would see {the_exit(signs['exit'])} {where(place)}"


def contradiction(
    kind: FindingKind, signs: Signs, name: VectorName, comparison: Comparison, message: str
) -> Finding:
    """A finding that a vector contradicts the exit."""
    exit_, other = signs["exit"], signs[name]
    place = comparison.other
    value = other.text if place is None else other.text_of(place.address)
    exit_address = "" if comparison.one is None else str(comparison.one.address)
    shown = None if place is None else other.seen_in.get(place.address)
    frames = (shown or other.frames)[:MAX_FRAMES]
    listed = ", ".join(map(str, frames))
    return make(
        kind,
        subject=f"exit {exit_address}, {name} {value}",
        message=f"{message}.",
        evidence=Evidence(frames, len(frames), None, None),
        interface=None,
        display_filter=f"frame.number in {{{listed}}}" if frames else "",
        confidence=_weakest(comparison, exit_, other),
        addresses=[] if name != "webrtc" or place is None else [place.address],
        reasons=[
            comparison.reason,
            f"exit: {exit_.provenance}",
            f"{name}: {other.provenance}",
        ],
    )


def _weakest(comparison: Comparison, *signs: Sign) -> Confidence:
    """As sure as the least sure of what it rests on; places are never better than high."""
    known: list[Confidence] = [sign.confidence for sign in signs if sign.confidence is not None]
    for place in (comparison.one, comparison.other):
        if place is not None and place.confidence is not None:
            known.append(place.confidence)
    return weakest("high", *known)
