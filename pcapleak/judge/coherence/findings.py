"""PL401 to PL405 from pairs with the exit, PL406 from sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pcapleak.judge.clients import CONFIDENCES
from pcapleak.judge.coherence.compare import Comparison
from pcapleak.judge.coherence.places import Place
from pcapleak.judge.coherence.text import network, where
from pcapleak.judge.coherence.vectors import Sign, VectorName
from pcapleak.judge.findings.catalogue import CATALOGUE
from pcapleak.report.document import MAX_FRAMES, Confidence, Finding, Time
from pcapleak.track.ice.session import Session

Signs = Mapping[VectorName, Sign]
Pairs = Mapping[tuple[VectorName, VectorName], Comparison]

_IDS: dict[VectorName, str] = {"time zone": "PL403", "language": "PL404", "resolver": "PL405"}

_UNUSUAL = ("relay-only", "srflx-only", "srflx-equals-interface", "raw-host")
"""Shapes that a browser at home, with nothing set and no camera granted, does not gather."""


def coherence_findings(signs: Signs, pairs: Pairs) -> list[Finding]:
    """What contradicts the exit, surely."""
    found = []
    for (one, other), comparison in pairs.items():
        place = comparison.one
        if one != "exit" or comparison.verdict != "disagree" or place is None:
            continue
        if other == "webrtc":
            found += _addresses(signs, comparison, place)
        else:
            message = _message(other, signs[other], place, comparison)
            found.append(_finding(_IDS[other], signs, other, comparison, message))
    return found


def _addresses(signs: Signs, comparison: Comparison, place: Place) -> list[Finding]:
    shown = comparison.other
    assert shown is not None
    found = []
    if comparison.aspects["country"] == "disagree":
        message = (
            f"The page would see an exit {where(place)} ({place.address}) and a WebRTC address "
            f"{where(shown)} ({shown.address})"
        )
        found.append(_finding("PL401", signs, "webrtc", comparison, message))
    if comparison.aspects["network"] == "disagree":
        message = (
            f"The page would see an exit {network(place)} and a WebRTC address {network(shown)}"
        )
        found.append(_finding("PL402", signs, "webrtc", comparison, message))
    return found


def _message(name: VectorName, sign: Sign, place: Place, comparison: Comparison) -> str:
    if name == "time zone":
        return f"The page would see an exit {where(place)} and a clock set to {sign.text}"
    if name == "language":
        return f"The page would see an exit {where(place)} and a browser that asks for {sign.text}"
    resolver = comparison.other
    assert resolver is not None
    return (
        f"The page would see an exit {where(place)} {network(place)}, its name servers a "
        f"resolver {where(resolver)} {network(resolver)}"
    )


def _finding(
    number: str, signs: Signs, name: VectorName, comparison: Comparison, message: str
) -> Finding:
    entry = CATALOGUE[number]
    exit_, other = signs["exit"], signs[name]
    place = comparison.other
    value = other.text if place is None else str(place.address)
    exit_address = "" if comparison.one is None else str(comparison.one.address)
    frames = other.frames[:MAX_FRAMES]
    listed = ", ".join(map(str, frames))
    return Finding(
        id=number,
        name=entry.name,
        severity=entry.severity,
        confidence=_weakest(comparison, exit_, other),
        interface=None,
        subject=f"exit {exit_address}, {name} {value}",
        message=f"{message}.",
        remedy=entry.remedy,
        frames=frames,
        frame_count=len(frames),
        display_filter=f"frame.number in {{{listed}}}" if frames else "",
        addresses=[] if name != "webrtc" or place is None else [str(place.address)],
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
    return max(("high", *known), key=CONFIDENCES.index)


def shape_findings(sessions: Sequence[Session]) -> list[Finding]:
    """PL406, once for each shape that no plain browser's candidates have."""
    entry = CATALOGUE["PL406"]
    shapes: dict[str, list[Session]] = {}
    for session in sessions:
        shape = session.shape
        # Names that only signalling shows (Firefox's) hide addresses too.
        sure = session.engine == "other" or session.mode.mode == 1
        if shape.shape in _UNUSUAL and (sure or shape.shape != "raw-host"):
            shapes.setdefault(shape.shape, []).append(session)
    found = []
    for name, alike in shapes.items():
        frames = sorted(
            {frame for session in alike for one in session.candidates for frame in one.frames}
        )
        clients = dict.fromkeys(str(one) for session in alike for one in session.client_addresses)
        found.append(
            Finding(
                id=entry.id,
                name=entry.name,
                severity=entry.severity,
                confidence="medium",
                interface=None,
                subject=f"{name} of {', '.join(list(clients)[:4])}",
                message=f"The candidates are {name}: {_SHAPES[name]}.",
                remedy=entry.remedy,
                first_time=Time(min(one.first_ns for one in alike)),
                last_time=Time(max(one.last_ns for one in alike)),
                frames=frames[:MAX_FRAMES],
                frame_count=len(frames),
                display_filter="stun",
                reasons=alike[0].shape.reasons,
            )
        )
    return found


_SHAPES = {
    "relay-only": "a page gets no address but the relay's, as where all other ways are barred",
    "srflx-only": "no host candidate beside what servers saw, as a policy or Mode 3 has it",
    "srflx-equals-interface": "servers see the interface's own address: a server or a tunnel, "
    "seldom a home",
    "raw-host": "host addresses are not hidden behind names: camera or microphone was granted, "
    "or it is no browser",
}
