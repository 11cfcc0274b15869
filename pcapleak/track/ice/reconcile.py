"""Page-side evidence held against packets, candidate by candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pcapleak.decode.ice.page import PageCandidate
from pcapleak.track.ice.foundations import find_bases
from pcapleak.track.ice.session import Candidate, PageRow, Session
from pcapleak.values.evidence import Inference

MAX_SEARCHES = 64
"""Foundations run backwards for one file, at about 5 ms each."""

_PLACEHOLDER = 9
"""The port of a TCP candidate that only connects (RFC 6544 section 4.5)."""


def reconcile(
    sessions: Sequence[Session], pages: Mapping[str, Sequence[PageCandidate]]
) -> list[PageRow]:
    """One row for each candidate that files told, then for those that only packets show.

    `pages` are the own candidates, and those of peers, by the file that told them.

    Sessions are completed on the way: a page's name, port, and proof by foundation.
    """
    rows = []
    claimed: set[int] = set()
    searches = 0
    everything = [(path, candidate) for path, told in pages.items() for candidate in told]
    for path, candidate in everything:
        if candidate.side == "remote":
            continue
        session, match = _match(candidate, sessions, claimed)
        row = PageRow(path, candidate, match, session)
        if match is not None and session is not None:
            claimed.add(id(match))
            row.reasons = _complete(match, candidate)
        else:
            row.reasons = [_unseen(candidate)]
        if candidate.foundation is not None and searches < MAX_SEARCHES:
            searches += 1
            row.reasons += _prove(candidate, match, sessions)
        rows.append(row)
    rows += [
        PageRow(None, None, candidate, session, ["packets show it, the page did not tell it"])
        for session in sessions
        for candidate in session.candidates
        if id(candidate) not in claimed
    ]
    return rows


def _match(
    told: PageCandidate, sessions: Sequence[Session], claimed: set[int]
) -> tuple[Session | None, Candidate | None]:
    """The candidate of a session that is the page's, the surest match first."""
    best: tuple[int, Session, Candidate] | None = None
    for session in sessions:
        for candidate in session.candidates:
            if id(candidate) in claimed:
                continue
            sure = _likeness(told, candidate)
            if sure and told.username_fragment in session.username_fragments:
                sure += 8
            if sure and (best is None or sure > best[0]):
                best = sure, session, candidate
    return (best[1], best[2]) if best is not None else (None, None)


def _likeness(told: PageCandidate, candidate: Candidate) -> int:
    """How surely both are one: 0 for not at all."""
    if told.type != candidate.type or told.protocol != candidate.protocol:
        return 0
    if told.port is not None and candidate.port not in (None, told.port):
        return 0
    port = told.port is not None and told.port == candidate.port
    address = told.ip
    named = told.address is not None and told.address == candidate.mdns_name
    if named or (address is not None and address == candidate.address):
        return 4 if port else 2
    hides = told.address is None or told.address.endswith(".local")
    if not hides or (candidate.mdns_name is not None and told.address is not None):
        return 0
    if not port or not _class_fits(told, candidate):
        return 0
    return 3


def _class_fits(told: PageCandidate, candidate: Candidate) -> bool:
    """Whether libwebrtc's address class in the priority, if there is one, has the family."""
    if told.priority is None or candidate.address is None:
        return True
    wanted = {30: 4, 40: 6, 50: 6}.get(told.priority >> 8 & 0xFF)
    return wanted is None or candidate.address.version == wanted


def _complete(candidate: Candidate, told: PageCandidate) -> list[str]:
    """Take from the page what packets did not show."""
    reasons = ["seen by the page and on the wire"]
    if candidate.port is None and told.port is not None:
        candidate.port = told.port
        reasons.append("its port from the page")
    name = told.address if told.address and told.address.endswith(".local") else None
    if candidate.mdns_name is None and name is not None:
        candidate.mdns_name = name
        candidate.mdns_link = Inference("certain", ["the page has this name at this port"])
        reasons.append("its name from the page")
    if told.ip is not None:
        candidate.is_hidden = False
    if told.priority is not None and candidate.priority != told.priority:
        candidate.priority, candidate.priority_source = told.priority, "signalled"
    if told.line is not None:
        candidate.told = told.line
    return reasons


def _unseen(told: PageCandidate) -> str:
    if told.protocol == "tcp" and told.port == _PLACEHOLDER:
        return "a TCP candidate that only connects sends nothing until a peer listens"
    if told.type in ("srflx", "relay"):
        return "no packet supports it: no recorded server answered with this address"
    return "no packet left this port, and its name was not announced"


def _prove(told: PageCandidate, match: Candidate | None, sessions: Sequence[Session]) -> list[str]:
    """What the foundation says of a host candidate's address."""
    if told.type != "host" or told.foundation is None or not told.foundation.isdecimal():
        return []
    if len(told.foundation) < 4:
        return []  # a counter, as Firefox's
    hidden = told.address is None or told.address.endswith(".local")
    if not hidden:
        return []
    ties = {tie for session in sessions for tie in session.tie_breakers}
    known = {address for session in sessions for address in session.client_addresses}
    bases = find_bases(
        told.foundation,
        "host",
        told.protocol,
        addresses=sorted(known, key=str),
        tie_breakers=sorted(ties),
    )
    if len(bases) != 1:
        return []
    (base,) = bases
    how = "confirms" if base.known else "gives away"
    reason = f"foundation {told.foundation} {how} {base.address}"
    if match is not None and match.mdns_name is not None:
        match.address = match.address or base.address
        match.mdns_link = Inference("certain" if base.known else "high", [reason])
    return [reason]
