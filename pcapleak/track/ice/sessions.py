"""Sessions for the report: the join of links, names and browsers."""

from __future__ import annotations

from collections.abc import Mapping

from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.decode.stun.proof import prove
from pcapleak.track.ice.agents import Agent, group_sockets
from pcapleak.track.ice.browsers import BrowserEvidence
from pcapleak.track.ice.candidates import CandidateBuilder
from pcapleak.track.ice.engine import clients_of, guess_engine, guess_only_browser
from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.ice.link_values import LinkKey
from pcapleak.track.ice.links import Link
from pcapleak.track.ice.mdns_join import attach_names
from pcapleak.track.ice.modes import infer_mode
from pcapleak.track.ice.multicast import Multicast
from pcapleak.track.ice.page_modes import Told
from pcapleak.track.ice.predict import is_wildcard
from pcapleak.track.ice.session import Candidate, Integrity, Role, Session, SetShape
from pcapleak.track.ice.shape import candidate_set_shape
from pcapleak.track.ice.signalled import join_signalled, signalled_only
from pcapleak.track.ice.sockets import collect_sockets
from pcapleak.track.names import NameTracker
from pcapleak.track.signalling import SignalledPassword, SignallingTracker
from pcapleak.values.packets import Endpoint, Interface, IPAddress

MAX_PROOFS = 16
"""Pairs of a session whose first check is proved: about 10 microseconds each."""


def build_sessions(
    links: Mapping[LinkKey, Link],
    browsers: BrowserEvidence,
    names: NameTracker,
    signalling: SignallingTracker,
    interfaces: list[Interface],
    multicast: Multicast,
    told: Mapping[str, Told],
) -> list[Session]:
    """The sessions in the order they began; of equal ones the lower address first.

    `told` is what pages say of them, by their ids.
    """
    records = list(names.records.values())
    hosts = Hosts(links.values(), records, interfaces)
    agents = group_sockets(collect_sockets(links), hosts)
    agents = attach_names(agents, records, hosts, multicast.end_ns)
    only = guess_only_browser(browsers)
    for number, agent in enumerate(agents, 1):
        agent.number = number
    sessions: list[Session] = []
    named = {
        entry.username_fragment
        for entry in signalling.lines()
        if entry.line.type == "host" and entry.line.ip is None
    }
    for agent in agents:
        if named:
            agent.signalled_name = any(not named.isdisjoint(one.fragments) for one in agent.sockets)
        page = told.get(_id(agent), Told())
        guess = page.engine or guess_engine(agent, browsers, hosts, only)
        if guess.engine == "firefox":
            agent.names = [name for name in agent.names if not name.nsec]
        mode = page.mode or infer_mode(
            agent, guess, clients_of(agent, browsers, hosts), multicast, names.cut
        )
        if mode.mode == 1:
            agent.names = []
        candidates: list[Candidate] = []
        if agent.local:
            joined = multicast.joined(agent.addresses, agent.began_ns)
            candidates = CandidateBuilder(agent, guess.engine, mode, resolves_names=joined).build()
        shape = SetShape()
        # Of what Firefox gathers without asking a server by UDP no packet tells, and a host
        # without IPv4 has no host candidates for its pages.
        hidden = not agent.udp if guess.engine == "firefox" else agent.is_mute and mode.mode == 2
        if agent.local and not hidden:
            shape = candidate_set_shape(candidates)
        said = _Said(agent)
        sessions.append(
            Session(
                id=_id(agent),
                client_addresses=_client_addresses(agent),
                engine=guess.engine,
                engine_reason=guess.reason,
                engine_confidence=guess.confidence,
                username_fragments=list(said.fragments),
                peer_username_fragments=list(said.peer_fragments),
                tie_breakers=sorted(agent.tie_breakers),
                first_ns=agent.first_ns,
                last_ns=agent.last_ns,
                mode=mode,
                is_wildcard=is_wildcard(agent, guess.engine, mode),
                shape=shape,
                candidates=candidates,
                role=said.role,
                checks=said.checks,
                nominated=list(said.nominated),
                integrity=_integrity(agent, signalling.passwords),
                flows=sorted({link.flow for link in agent.links}),
            )
        )
    join_signalled(sessions, signalling.lines())
    for session in signalled_only(sessions, signalling.lines()):
        session.id = f"ice-{len(sessions) + 1}"
        sessions.append(session)
    return sessions


def _id(agent: Agent) -> str:
    return f"ice-{agent.number}"


def _client_addresses(agent: Agent) -> list[IPAddress]:
    addresses = dict.fromkeys(_behind_relays(agent) or agent.addresses)
    for name in agent.names:
        for address in name.addresses:
            if not address.is_unspecified:
                addresses.setdefault(address)
    return list(addresses)


def _behind_relays(agent: Agent) -> list[IPAddress]:
    """The client's addresses where relays alone show a session: its checks come from a relay's
    address, in messages that it sends to the relay's server."""
    found = []
    for socket in agent.sockets:
        ends = socket.out[0].outer if "turn" in socket.layers else None
        if ends is not None and ends[1].address == socket.local.address:
            found.append(ends[0].address)
    return found


def _integrity(agent: Agent, passwords: Mapping[str, SignalledPassword]) -> Integrity | None:
    """What the first check of each of a session's pairs proves: the receiver's password makes
    it (RFC 8445 section 7.2.2)."""
    if not passwords:
        return None
    states: set[str] = set()
    reasons: list[str] = []
    for socket in agent.checking:
        for link in socket.out:
            if link.signed is None or len(reasons) == MAX_PROOFS:
                continue
            wire, frame = link.signed
            message = decode_stun(wire)
            shown = passwords.get((message.username or "").partition(":")[0])
            proof = None if shown is None else prove(message, shown.password)
            if shown is None or proof is None:
                continue
            states.add(proof)
            verb = "was" if proof == "ok" else "was not"
            said = f"signalled over {shown.channel} in frame {shown.frame}"
            reasons.append(f"the check in frame {frame} {verb} made with the password {said}")
    if not states:
        return None
    return Integrity("failed" if "bad" in states else "proved", reasons)


class _Said:
    """What a session's checks say."""

    def __init__(self, agent: Agent) -> None:
        self.fragments: dict[str, None] = {}
        """Its username fragments, in the order they were first sent."""
        self.peer_fragments: dict[str, None] = {}
        """Those of the agents it checked."""
        self.checks = 0
        self.nominated: dict[tuple[Endpoint, Endpoint], None] = {}
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
            for link, back in socket.answered:
                if link.nominated is not None and back.check_answers:
                    self.nominated[link.key.source, link.key.destination] = None
        self.role = _role(latest)


def _role(latest: dict[str, int]) -> Role | None:
    """The role of its latest checks: a conflict (487) changes it."""
    if not latest:
        return None
    controlling, controlled = latest.get("controlling", -1), latest.get("controlled", -1)
    return "controlling" if controlling > controlled else "controlled"
