"""PL401 to PL405 from pairs with the exit, PL406 from sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pcapleak.judge.coherence.compare import Comparison
from pcapleak.judge.coherence.places import Place
from pcapleak.judge.coherence.text import network, the_exit, where
from pcapleak.judge.coherence.vectors import Sign, VectorName
from pcapleak.judge.finding_builder import make
from pcapleak.judge.findings import (
    candidate_set_shape,
    coherence_country,
    coherence_language,
    coherence_network,
    coherence_resolver,
    coherence_time_zone,
)
from pcapleak.track.ice.session import Session
from pcapleak.values.evidence import MAX_FRAMES, Confidence, Evidence, weakest
from pcapleak.values.findings import Finding, FindingKind, Severity

Signs = Mapping[VectorName, Sign]
Pairs = Mapping[tuple[VectorName, VectorName], Comparison]

_KINDS: dict[VectorName, FindingKind] = {
    "time zone": coherence_time_zone.KIND,
    "resolver": coherence_resolver.KIND,
}

_UNUSUAL = ("relay-only", "srflx-only", "srflx-equals-interface", "raw-host")
"""Shapes that a browser at home, with nothing set and no camera granted, does not gather."""


def coherence_findings(signs: Signs, pairs: Pairs) -> list[Finding]:
    """What contradicts the exit, surely."""
    found = []
    for (one, other), comparison in pairs.items():
        place = comparison.one
        if one != "exit" or comparison.verdict != "disagree" or place is None:
            continue
        if other == "exit":
            found.append(_two_exits(signs, comparison, place))
        elif other == "webrtc":
            found += _addresses(signs, comparison, place)
        elif other == "language":
            message = _message(other, signs, comparison)
            finding = _finding(coherence_language.KIND, signs, other, comparison, message)
            found.append(finding if _clock_too(pairs) else replace(finding, severity=Severity.LOW))
        else:
            message = _message(other, signs, comparison)
            found.append(_finding(_KINDS[other], signs, other, comparison, message))
    return found


def _clock_too(pairs: Pairs) -> bool:
    """Whether the clock is as foreign as the languages: who lives abroad has the local time."""
    zone = pairs.get(("exit", "time zone"))
    tongue = pairs.get(("time zone", "language"))
    return (
        zone is not None
        and zone.verdict == "disagree"
        and tongue is not None
        and tongue.verdict == "agree"
    )


def _two_exits(signs: Signs, comparison: Comparison, place: Place) -> Finding:
    other = comparison.other
    assert other is not None
    message = (
        f"The page would see an IPv4 exit {where(place)} ({place.address}) and an IPv6 exit "
        f"{where(other)} ({other.address})"
    )
    finding = _finding(coherence_country.KIND, signs, "exit", comparison, message)
    return replace(
        finding,
        remedy="Use exits of one country for IPv4 and IPv6, or close IPv6 inside the tunnel.",
    )


def _addresses(signs: Signs, comparison: Comparison, place: Place) -> list[Finding]:
    shown = comparison.other
    assert shown is not None
    found = []
    exit_ = the_exit(signs["exit"])
    if comparison.aspects["country"] == "disagree":
        message = (
            f"The page would see {exit_} {where(place)} ({place.address}) and a WebRTC address "
            f"{where(shown)} ({shown.address})"
        )
        found.append(_finding(coherence_country.KIND, signs, "webrtc", comparison, message))
    if comparison.aspects["network"] == "disagree":
        message = (
            f"The page would see {exit_} {network(place)} and a WebRTC address {network(shown)}"
        )
        found.append(_finding(coherence_network.KIND, signs, "webrtc", comparison, message))
    return found


def _message(name: VectorName, signs: Signs, comparison: Comparison) -> str:
    sign, place = signs[name], comparison.one
    assert place is not None
    page = f"The page would see {the_exit(signs['exit'])} {where(place)}"
    if name == "time zone":
        return f"{page} and a clock set to {sign.text}"
    if name == "language":
        return f"{page} and a browser that asks for {sign.text}"
    other = comparison.other
    assert other is not None
    what = "a resolver"
    if other.address in sign.subnets:
        what = f"the client's own network {sign.subnets[other.address]}"
    return f"{page} {network(place)}, its name servers {what} {where(other)} {network(other)}"


def _finding(
    kind: FindingKind, signs: Signs, name: VectorName, comparison: Comparison, message: str
) -> Finding:
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


def shape_findings(sessions: Sequence[Session]) -> list[Finding]:
    """PL406, once for each shape that no plain browser's candidates have."""
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
            make(
                candidate_set_shape.KIND,
                subject=f"{name} of {', '.join(list(clients)[:4])}",
                message=f"The candidates are {name}: {_SHAPES[name]}.",
                evidence=Evidence(
                    frames,
                    len(frames),
                    min(one.first_ns for one in alike),
                    max(one.last_ns for one in alike),
                ),
                interface=None,
                display_filter="stun",
                confidence="medium",
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
