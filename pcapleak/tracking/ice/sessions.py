"""Sessions for the report: the join of links, names and browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pcapleak.document import Candidate, CandidateSetShape, IceSession, Time
from pcapleak.model import Interface
from pcapleak.tracking.ice.agents import Agent, collect_sockets, group_sockets
from pcapleak.tracking.ice.candidates import CandidateBuilder
from pcapleak.tracking.ice.engine import guess_engine, guess_only_browser, infer_mode
from pcapleak.tracking.ice.hidden import attach_names
from pcapleak.tracking.ice.hosts import Hosts
from pcapleak.tracking.ice.shape import candidate_set_shape
from pcapleak.tracking.ice.signalled import join_signalled, signalled_only
from pcapleak.tracking.names import NameTracker
from pcapleak.tracking.signalling import SignallingTracker

if TYPE_CHECKING:
    from pcapleak.tracking.ice.tracker import IceTracker


def build_sessions(
    tracker: IceTracker,
    names: NameTracker,
    signalling: SignallingTracker,
    interfaces: list[Interface],
) -> list[IceSession]:
    """The sessions in the order they began; of equal ones the lower address first."""
    records = list(names.records.values())
    hosts = Hosts(tracker.links.values(), records, interfaces)
    agents = group_sockets(collect_sockets(tracker.links), hosts)
    agents = attach_names(agents, records, hosts)
    only = guess_only_browser(tracker.browsers)
    sessions: list[IceSession] = []
    named = {
        entry.username_fragment
        for entry in signalling.lines()
        if entry.line.type == "host" and entry.line.ip is None
    }
    for agent in agents:
        if named:
            agent.signalled_name = any(not named.isdisjoint(one.fragments) for one in agent.sockets)
        guess = guess_engine(agent, tracker.browsers, hosts, only)
        if guess.engine == "firefox":
            agent.names = [name for name in agent.names if not name.nsec]
        mode = infer_mode(agent, guess, tracker.browsers, hosts)
        if mode.mode == 1:
            agent.names = []
        candidates: list[Candidate] = []
        if agent.local:
            candidates = CandidateBuilder(agent, guess.engine, mode, interfaces).build()
        shape = candidate_set_shape(candidates) if agent.local else CandidateSetShape()
        said = _Said(agent)
        sessions.append(
            IceSession(
                id=f"ice-{len(sessions) + 1}",
                client_addresses=_client_addresses(agent),
                engine=guess.engine,
                engine_reason=guess.reason,
                username_fragments=list(said.fragments),
                peer_username_fragments=list(said.peer_fragments),
                tie_breakers=[f"{tie:016x}" for tie in sorted(agent.tie_breakers)],
                first_time=Time(agent.first_ns),
                last_time=Time(agent.last_ns),
                ip_handling_mode=mode,
                candidate_set_shape=shape,
                candidates=candidates,
                role=said.role,
                checks=said.checks,
                nominated=list(said.nominated),
                flows=sorted({link.flow for link in agent.links}),
            )
        )
    join_signalled(sessions, signalling.lines())
    for session in signalled_only(sessions, signalling.lines()):
        session.id = f"ice-{len(sessions) + 1}"
        sessions.append(session)
    return sessions


def _client_addresses(agent: Agent) -> list[str]:
    addresses = dict.fromkeys(agent.addresses)
    for name in agent.names:
        for address in name.addresses:
            if not address.is_unspecified:
                addresses.setdefault(address)
    return [str(address) for address in addresses]


class _Said:
    """What a session's checks say."""

    def __init__(self, agent: Agent) -> None:
        self.fragments: dict[str, None] = {}
        """Its username fragments, in the order they were first sent."""
        self.peer_fragments: dict[str, None] = {}
        """Those of the agents it checked."""
        self.checks = 0
        self.nominated: dict[str, None] = {}
        """Pairs whose nominating check was answered (RFC 8445 section 8.1.1)."""
        latest: dict[str, int] = {}
        for i, socket in enumerate(agent.checking):
            self.fragments |= socket.fragments
            if i < len(agent.sockets):
                self.peer_fragments |= socket.peer_fragments
            for link in socket.out:
                if link.checks is None:
                    continue
                self.checks += link.checks.count
                for role, sighting in link.roles.items():
                    latest[role] = max(latest.get(role, 0), sighting.last_ns)
                if link.nominated is not None:
                    back = socket.back.get(link.key)
                    if back is not None and back.check_answers:
                        self.nominated[f"{link.key.source} {link.key.destination}"] = None
        self.role = _role(latest)


def _role(latest: dict[str, int]) -> Literal["controlling", "controlled"] | None:
    """The role of its latest checks: a conflict (487) changes it."""
    if not latest:
        return None
    controlling, controlled = latest.get("controlling", -1), latest.get("controlled", -1)
    return "controlling" if controlling > controlled else "controlled"
