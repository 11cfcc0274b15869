"""PL407: what a page read and what packets show of its session cannot both be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from pcapleak.decode.ice.page import PageCandidate
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make
from pcapleak.track.ice.session import Candidate, PageRow, Session
from pcapleak.values.endpoints import words_of
from pcapleak.values.evidence import MAX_FRAMES, Confidence, Evidence
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress, Service

MAX_ROWS = 256
"""Candidates of pages that are held against all sessions."""

KIND = FindingKind(
    id="PL407",
    name="page-contradicts-wire",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("candidates that a page reads", ("the page",)),
    has_causes=False,
    when=(
        "What the page read (--page) and what the packets of its session show cannot both be "
        "true: a spoofed or rewritten candidate."
    ),
    meaning=(
        "A server told the browser one address and the page read another, or the page read a "
        "host address that only the NAT has, or a relay address that was never allocated. "
        "Something between the browser and the page, such as an extension, rewrites candidates. "
        "It does not change the packets, nor fool those who see them."
    ),
    confirm=(
        "Compare XOR-MAPPED-ADDRESS in the socket's Binding success response, or "
        "XOR-RELAYED-ADDRESS in its Allocate success response, with the candidate line that the "
        "page has."
    ),
    remedy=(
        "The packets still show the true addresses. To hide them, use a setting that keeps them "
        "off the wire (WebRtcIPHandling, or WebRtcIPHandlingUrl for individual sites), not one "
        "that rewrites what pages read."
    ),
    sources=("RFC 8445 section 5.1.1", "RFC 8656 section 7.4", "W3C webrtc-pc section 4.8.1"),
    weaknesses=(
        "A candidate that caused no packet, or whose packets were not recorded, contradicts "
        "nothing and is no finding; nor are several addresses of one NAT. Evidence from a "
        "different page or run than the recorded one contradicts it by mistake."
    ),
)


class _Conflict(NamedTuple):
    """What the packets say instead."""

    says: str
    shown: list[Candidate]
    confidence: Confidence


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each candidate of a page that packets contradict."""
    rows = [row for row in scene.state.page_rows if row.told is not None][:MAX_ROWS]
    claimed = {id(row.candidate) for row in rows if row.candidate is not None}
    for row in rows:
        told = row.told
        if told is None or row.candidate is not None or told.ip is None:
            continue
        own = _sessions_of(row, rows)
        conflict = None
        if told.type == "srflx" and told.protocol == "udp":
            conflict = _reflexive(told, told.ip, scene.state.sessions, own, claimed)
        elif told.type == "host":
            conflict = _host(told.ip, scene.state.sessions)
        elif told.type == "relay":
            conflict = _relay(scene, told, told.ip, own, claimed)
        if conflict is not None:
            yield _finding(row, told, conflict)


def _sessions_of(row: PageRow, rows: Iterable[PageRow]) -> list[Session]:
    """The sessions that the same file tells other candidates of."""
    found: dict[int, Session] = {}
    for other in rows:
        if other.path == row.path and other.candidate is not None and other.session is not None:
            found[id(other.session)] = other.session
    return list(found.values())


def _reflexive(
    told: PageCandidate,
    address: IPAddress,
    sessions: list[Session],
    own: list[Session],
    claimed: set[int],
) -> _Conflict | None:
    """Servers told the socket another address than the page read, and never the page's; or one
    allocated the page's as a relay."""
    known = [
        candidate
        for session in sessions
        for candidate in session.candidates
        if candidate.type in ("srflx", "prflx") and candidate.address is not None
    ]
    if any(candidate.address == address for candidate in known):
        return None
    relays = [
        candidate
        for session in sessions
        for candidate in session.candidates
        if candidate.type == "relay" and (candidate.address, candidate.port) == (address, told.port)
    ]
    if relays:
        return _Conflict(f"{relays[0].server} allocated it as a relay", relays, "high")
    alike = [one for one in known if one.address and one.address.version == address.version]
    same = [
        one for one in alike if told.port is not None and told.port in (one.port, one.base_port)
    ]
    if same:
        return _Conflict(_told_instead(same), same, "high")
    mine = {id(candidate) for session in own for candidate in session.candidates}
    unread = [
        one for one in alike if id(one) in mine and id(one) not in claimed and one.type == "srflx"
    ]
    if unread and len(unread) == sum(1 for one in alike if id(one) in mine):
        return _Conflict(_told_instead(unread), unread, "medium")
    return None


def _told_instead(shown: list[Candidate]) -> str:
    first = shown[0]
    who = "a peer" if first.server is None else str(first.server)
    return f"{who} told this browser that it is at {first.address} port {first.port}"


def _host(address: IPAddress, sessions: list[Session]) -> _Conflict | None:
    """The page read as a host's address what only a NAT before the host has."""
    mine = {one for session in sessions for one in session.client_addresses}
    if address in mine:
        return None
    shown = [
        candidate
        for session in sessions
        for candidate in session.candidates
        if candidate.type == "srflx"
        and candidate.address == address
        and candidate.base_address not in (None, address)
    ]
    if not shown:
        return None
    says = (
        f"{address} is what {shown[0].server} saw of the NAT in front of "
        f"{shown[0].base_address}, from which the packets left"
    )
    return _Conflict(says, shown, "high")


def _relay(
    scene: Scene, told: PageCandidate, address: IPAddress, own: list[Session], claimed: set[int]
) -> _Conflict | None:
    """No server allocated this address, though the way to it was recorded in clear."""
    relays = [
        candidate
        for session in own or scene.state.sessions
        for candidate in session.candidates
        if candidate.type == "relay"
    ]
    if any(one.address == address and one.port == told.port for one in relays):
        return None
    unread = [one for one in relays if id(one) not in claimed]
    if unread and len(unread) == len(relays):
        first = unread[0]
        says = f"{first.server} allocated {first.address} port {first.port}"
        return _Conflict(says, unread, "high" if first.address == address else "medium")
    if relays or not _only_asked(scene, address):
        return None
    asked = [
        candidate
        for session in own or scene.state.sessions
        for candidate in session.candidates
        if candidate.server is not None and candidate.server.address == address
    ]
    if not asked:
        return None
    says = f"{address} only answered Binding requests, and no packet asked it to relay"
    return _Conflict(says, asked, "medium")


def _only_asked(scene: Scene, address: IPAddress) -> bool:
    """Whether all traffic with a server is STUN without TURN, by UDP."""
    flows = scene.state.flows
    high, low = (np.uint64(word) for word in words_of(address))
    rows = np.flatnonzero(
        ((flows.resp_hi == high) & (flows.resp_lo == low))
        | ((flows.orig_hi == high) & (flows.orig_lo == low))
    )
    services = flows.services[rows]
    udp = flows.protocol[rows] == np.uint8(17)
    stun = (services & np.uint32(int(Service.STUN))) != 0
    turn = (services & np.uint32(int(Service.TURN | Service.CHANNEL_DATA))) != 0
    return bool(len(rows)) and bool((udp & stun & ~turn).all())


def _finding(row: PageRow, told: PageCandidate, conflict: _Conflict) -> Finding:
    frames = sorted({frame for one in conflict.shown for frame in one.frames})[:MAX_FRAMES]
    listed = ", ".join(map(str, frames))
    port = "" if told.port is None else f" port {told.port}"
    return make(
        KIND,
        subject=f"{told.type} {told.address}{port} of {row.path}",
        message=f"The page read {told.address}{port} as {told.type}, but {conflict.says}.",
        evidence=Evidence(frames, sum(one.frame_count for one in conflict.shown), None, None),
        interface=None,
        display_filter=f"frame.number in {{{listed}}}" if frames else "",
        confidence=conflict.confidence,
        reasons=[told.text],
    )
