"""What a page says of itself that packets leave open: its browser's engine, and by what it read of
host candidates the mode of RFC 8828."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pcapleak.decode.ice.page import PageCandidate, PageFacts, PageTest
from pcapleak.track.ice.engine import EngineGuess
from pcapleak.track.ice.session import Mode, PageRow, Session
from pcapleak.values.addresses import classify
from pcapleak.values.evidence import CONFIDENCES, Confidence


class Told(NamedTuple):
    """What of a session a page tells beyond its packets."""

    engine: EngineGuess | None = None
    mode: Mode | None = None


def told_by_pages(rows: Iterable[PageRow], facts: Mapping[str, PageFacts]) -> dict[str, Told]:
    """What pages tell of sessions, by their ids; nothing of those that packets say as much of."""
    files: dict[str, list[PageRow]] = {}
    for row in rows:
        if row.path is not None:
            files.setdefault(row.path, []).append(row)
    found: dict[str, Told] = {}
    for path, read in files.items():
        sessions = {row.session.id: row.session for row in read if row.session is not None}
        test = facts[path].test if path in facts else None
        mode = _mode([row.told for row in read if row.told is not None], test)
        engine = None
        if test is not None and test.engine is not None:
            engine = EngineGuess(test.engine, "the page's User-Agent", "high")
        for session in sessions.values():
            told = Told(
                engine if session.engine == "unknown" else None,
                mode if mode is not None and _says_more(mode, session) else None,
            )
            if any(told):
                found.setdefault(session.id, told)
    return found


def _mode(told: Sequence[PageCandidate], test: PageTest | None) -> Mode | None:
    hosts = [one for one in told if one.type == "host" and one.protocol == "udp"]
    raw = {one.ip for one in hosts if one.ip is not None}
    if hosts and not raw:
        if any(one.address is not None for one in hosts):
            return Mode(2, "high", ["the page read a host candidate behind a .local name"])
        return None
    # An interface may have several addresses of its own by IPv6, by IPv4 seldom.
    several = sorted(str(one) for one in raw if one.version == 4 and classify(one) != "loopback")
    if len(several) > 1:
        return Mode(1, "high", [f"the page read {', '.join(several)} as host candidates"])
    if raw and test is not None:
        shown = ", ".join(sorted(map(str, raw)))
        if test.microphone:
            why = f"the page had a microphone permission and read {shown} in clear"
            return Mode(1, "high", [why])
        why = f"the page read {shown} in clear and had no microphone permission"
        return Mode(2, "low", [why])
    # Only pcapleak's own page says that nothing is left out.
    if test is None or not test.complete or test.relay_only or hosts:
        return None
    if any(one.type == "srflx" for one in told):
        return Mode(3, "high", ["the page read what a server answered, and no host candidate"])
    return None


def _says_more(mode: Mode, session: Session) -> bool:
    known = session.mode
    if session.engine == "other":
        return False
    return known.mode is None or _rank(mode.confidence) < _rank(known.confidence)


def _rank(confidence: Confidence | None) -> int:
    return len(CONFIDENCES) if confidence is None else CONFIDENCES.index(confidence)
