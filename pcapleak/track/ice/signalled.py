"""Candidate lines that were signalled, joined with the candidates packets show."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import get_args

from pcapleak.decode.ice.candidate import CandidateLine
from pcapleak.track.ice.foundations import bases_of_line
from pcapleak.track.ice.session import Candidate, CandidateType, Mode, Session
from pcapleak.track.ice.shape import candidate_set_shape
from pcapleak.track.sightings import Budget
from pcapleak.track.signalling import SignalledLine
from pcapleak.values.evidence import Inference
from pcapleak.values.packets import IPAddress

_TYPES: dict[str, CandidateType] = {kind: kind for kind in get_args(CandidateType)}
"""Other agents' words are left out."""

MAX_PROVEN = 128
"""Lines whose foundation is run backwards, over all sessions: about 6 ms each where the address
is in no packet, so 0.8 s."""
MAX_JOINED = 256
"""Lines of one username fragment that are joined; each is held against those before it."""


def join_signalled(sessions: Iterable[Session], lines: Iterable[SignalledLine]) -> None:
    """Complete the sessions' candidates by the lines that were signalled for them."""
    by_fragment: dict[str, list[SignalledLine]] = {}
    for entry in lines:
        if entry.username_fragment is not None and entry.line.type in _TYPES:
            by_fragment.setdefault(entry.username_fragment, []).append(entry)
    if not by_fragment:
        return
    budget = Budget(MAX_PROVEN)
    for session in sessions:
        for fragment in session.username_fragments:
            for entry in by_fragment.get(fragment, ())[:MAX_JOINED]:
                _prove(session, _join(session, entry), entry.line, budget)


def signalled_only(sessions: Iterable[Session], lines: Iterable[SignalledLine]) -> list[Session]:
    """Sessions of which nothing but a client's own lines was seen: recorded where the signalling
    passes and WebRTC does not, or never begun. Those with packets are `sessions`."""
    known = {fragment for session in sessions for fragment in session.username_fragments}
    found: dict[tuple[str | None, IPAddress], list[SignalledLine]] = {}
    for entry in lines:
        if entry.own and entry.line.type in _TYPES and entry.username_fragment not in known:
            found.setdefault((entry.username_fragment, entry.sender.address), []).append(entry)
    budget = Budget(MAX_PROVEN)
    return [
        _unseen(fragment, sender, own[:MAX_JOINED], budget)
        for (fragment, sender), own in found.items()
    ]


def _unseen(
    fragment: str | None, sender: IPAddress, entries: list[SignalledLine], budget: Budget
) -> Session:
    session = Session(
        id="",
        client_addresses=[sender],
        engine="unknown",
        engine_reason="nothing but its signalling was seen",
        first_ns=min(entry.seen.first_ns for entry in entries),
        last_ns=max(entry.seen.last_ns for entry in entries),
        username_fragments=[] if fragment is None else [fragment],
    )
    for entry in entries:
        _prove(session, _join(session, entry), entry.line, budget)
    session.shape = candidate_set_shape(session.candidates)
    if any(candidate.mdns_name for candidate in session.candidates):
        reason = "signalled a host candidate behind a .local name"
        session.mode = Mode(2, "high", [reason])
    return session


def _join(session: Session, entry: SignalledLine) -> Candidate:
    """The candidate a line speaks of, completed by it."""
    line = entry.line
    frame = entry.seen.frames[0]
    said = f"signalled over {entry.channel} in frame {frame}"
    candidate = next((one for one in session.candidates if _same(one, line)), None)
    if candidate is None:
        candidate = _signalled(entry)
        session.candidates.append(candidate)
    elif candidate.port is None:
        candidate.port = line.port
        candidate.evidence = "signalled"
    elif candidate.evidence == "inferred":
        candidate.evidence = "observed"
    if candidate.mdns_name is None and line.address.lower().endswith(".local"):
        candidate.mdns_name = line.address.lower()
        if candidate.address is not None:
            reasons = [f"{said} with this name and the socket's port"]
            candidate.mdns_link = Inference("certain", reasons)
    if candidate.priority != line.priority:
        candidate.priority = line.priority
        candidate.priority_source = "signalled"
    candidate.told = line
    candidate.reasons.append(said)
    return candidate


def _same(candidate: Candidate, line: CandidateLine) -> bool:
    """Whether packets showed this candidate: type, transport, and address or name, and port."""
    if candidate.type != line.type or candidate.protocol != line.transport.lower():
        return False
    if candidate.port is not None and candidate.port != line.port:
        return False
    if line.ip == candidate.address if line.ip else line.address.lower() == candidate.mdns_name:
        return True
    hidden = candidate.mdns_name is None and line.address.lower().endswith(".local")
    return hidden and candidate.port == line.port and _family_fits(candidate, line)


def _family_fits(candidate: Candidate, line: CandidateLine) -> bool:
    """A name says no family; where both of a session's sockets have this port, the address
    class in libwebrtc's priority would."""
    if candidate.address is None:
        return False
    wanted = {30: 4, 40: 6, 50: 6}.get(line.priority >> 8 & 0xFF)
    return wanted is None or candidate.address.version == wanted


def _signalled(entry: SignalledLine) -> Candidate:
    line = entry.line
    return Candidate(
        _TYPES[line.type],
        "tcp" if line.transport.lower() == "tcp" else "udp",
        line.ip,
        line.port,
        related_address=_address(line.related_address),
        related_port=line.related_port,
        mdns_name=line.address.lower() if line.ip is None else None,
        username_fragment=entry.username_fragment,
        evidence="signalled",
        frames=list(entry.seen.frames),
        frame_count=entry.seen.count,
        reasons=["no packet of this candidate was seen"],
    )


def _prove(session: Session, candidate: Candidate, line: CandidateLine, budget: Budget) -> None:
    """Let the foundation confirm, or find, the address behind a name."""
    if candidate.type != "host" or not candidate.mdns_name or not budget.left:
        return
    budget.left -= 1
    known = [address for address in (candidate.address, *session.client_addresses) if address]
    bases = bases_of_line(line, known, session.tie_breakers)
    if len(bases) != 1:
        return
    (base,) = bases
    salt = "no tie-breaker" if base.tie_breaker is None else "the session's tie-breaker"
    how = "confirms" if base.known else "gives away"
    reason = f"foundation {line.foundation} {how} {base.address}, with {salt}"
    candidate.address = candidate.address or base.address
    candidate.mdns_link = Inference("certain" if base.known else "high", [reason])


def _address(text: str | None) -> IPAddress | None:
    try:
        return None if text is None else ip_address(text)
    except ValueError:
        return None  # a name
