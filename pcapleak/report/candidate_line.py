"""A candidate's line, as its engine would have written it."""

from __future__ import annotations

from pcapleak.decode.ice.candidate import format_candidate
from pcapleak.track.ice.session import Candidate, Session


def candidate_line(candidate: Candidate, session: Session) -> str:
    """The line as signalling or a page shows it, or as the page would read it, with `?` for
    what packets do not show."""
    if candidate.told is not None:
        return format_candidate(candidate.told)
    firefox = session.engine == "firefox"
    words = [
        f"candidate:{candidate.foundation or '?'}",
        _component(candidate.priority),
        candidate.protocol.upper() if firefox else candidate.protocol,
        _or_open(candidate.priority),
        _address(candidate),
        _or_open(candidate.port),
        "typ",
        candidate.type,
    ]
    if candidate.type != "host":
        words += ["raddr", _or_open(candidate.related_address)]
        words += ["rport", _or_open(candidate.related_port)]
    if candidate.tcptype is not None:
        words += ["tcptype", candidate.tcptype]
    if session.engine in ("chromium", "webkit"):
        words += ["generation", "0", "ufrag", candidate.username_fragment or "?"]
        words += _network(candidate, session)
    return " ".join(words)


def _address(candidate: Candidate) -> str:
    if candidate.mdns_name is not None:
        return candidate.mdns_name
    if candidate.is_hidden is None:
        return "?"
    return "?.local" if candidate.is_hidden else _or_open(candidate.address)


def _network(candidate: Candidate, session: Session) -> list[str]:
    if session.is_wildcard or session.mode.mode == 4:
        return ["network-cost", "999"]
    if session.mode.mode != 1:
        return []
    if candidate.network is None:
        return ["network-id", "?"]
    cost = ["network-cost", str(candidate.network.cost)] if candidate.network.cost else []
    return ["network-id", str(candidate.network.id), *cost]


def _or_open(value: object) -> str:
    return "?" if value is None else str(value)


def _component(priority: int | None) -> str:
    """256 - component are the low bits (RFC 8445 section 5.1.2.1)."""
    return "1" if priority is None else str(256 - (priority & 0xFF))
