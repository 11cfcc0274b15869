"""The candidates of a session, as its page would have read them."""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import IPv4Address, IPv6Address

from pcapleak.track.ice.agents import Agent
from pcapleak.track.ice.predict import Base, Prediction
from pcapleak.track.ice.session import Candidate, CandidateType, Engine, Mode
from pcapleak.track.ice.sockets import Socket
from pcapleak.track.names import NameRecord
from pcapleak.track.sightings import Sighting, merge_frames
from pcapleak.values.evidence import Inference
from pcapleak.values.packets import SECOND, Endpoint, IPAddress

_PION_UFRAG = re.compile("[A-Za-z]{16}")
"""pion's username fragments; it asks servers from sockets that are no host candidates. Of the
programs that are no browsers it alone joins multicast DNS as it gathers, to resolve names."""

_RELOADED = "a page loaded anew meanwhile would have had no name announced: too many were waiting"
_RESUMED = "the browser was still announcing names of before when the recording began"
_GAP = "not all that this host announced was recorded"
_ALIKE = "several sockets asked servers from there at once, of one page or of several browsers"
_WITHDRAWN = "withdrawn in one message with another name of the session's page"

GATHERED_NS = 9 * SECOND
"""libwebrtc asks a STUN server anew every 10 s; what is learned then is no new candidate."""


class CandidateBuilder:
    """Builds the candidates of one local session."""

    def __init__(
        self, agent: Agent, engine: Engine, mode: Mode, *, resolves_names: bool = False
    ) -> None:
        self.agent = agent
        self.engine = engine
        self.mode = mode.mode
        self.fragment = next(
            (fragment for socket in agent.sockets for fragment in socket.fragments), None
        )
        self.prediction = Prediction(agent, engine, mode)
        self.wildcard = self.prediction.wildcard
        fragments = [fragment for one in agent.sockets for fragment in one.fragments]
        self.is_pion = agent.lettered is False and (
            any(_PION_UFRAG.fullmatch(fragment) for fragment in fragments)
            or (resolves_names and engine == "unknown" and not fragments)
        )
        self.found: list[Candidate] = []
        self.used: set[str] = set()
        self.alike: Counter[IPAddress] = Counter()
        """How many sockets asked servers from an address."""
        self.turn_ranks = _turn_ranks(agent.sockets)

    def build(self) -> list[Candidate]:
        """The candidates, host first."""
        bases = _bases([one for one in self.agent.sockets if not one.layers])
        udp = [base for base in bases if base.socket.transport == "udp"]
        self._match_names(udp)
        hosts_shown = self.mode != 3 and not (self.wildcard and self.agent.is_mute)
        for base in udp:
            # libwebrtc opens sockets for TURN alone; Firefox's serve for all candidates.
            is_host = base.gathers_host or self.engine == "firefox"
            if hosts_shown and is_host and not (self.is_pion and base.asked):
                self._host(base)
        if hosts_shown and not self.relay_only:
            for name in self.agent.names:
                if name.name not in self.used and not name.is_wildcard:
                    self._announced(name)
        for base in udp:
            self._reflexive(base)
            self._peer_reflexive(base)
        for base in bases:
            if base.socket.transport == "tcp" and any(link.checks for link in base.links):
                self._tcp(base)
        for socket in self.agent.sockets:
            self._relays(socket)
        return self.found

    @property
    def relay_only(self) -> bool:
        """Names, an allocation over TCP, and no gathering by UDP though nothing was in the
        way: what a page with `iceTransportPolicy: "relay"` does. Behind a proxy TURN over TCP
        is what passes, and says nothing."""
        sockets = self.agent.sockets
        if not sockets or self.agent.udp:
            return False
        return all(one.relayed and not one.layers for one in sockets)

    # Names

    def _match_names(self, bases: list[Base]) -> None:
        """Tell which name stands for which socket: by address, or where a wildcard socket's
        packets leave from another address than the announced one, by family."""
        names = [name for name in self.agent.names if not name.is_wildcard]
        self.alike = Counter(base.local.address for base in bases if base.asked)
        for base in bases:
            exact = [name for name in names if base.local.address in name.addresses]
            if not exact and self.wildcard:
                version = base.local.address.version
                exact = [
                    name for name in names if any(a.version == version for a in name.addresses)
                ]
            base.names = exact
            self.used.update(name.name for name in exact)

    def _link(self, base: Base, name: NameRecord) -> Inference:
        if len(base.names) > 1:
            count = len(base.names) - 1
            return Inference("low", [f"announced for this address, as {count} other names were"])
        others = self.agent.unsure.get(name.name)
        if others is not None:
            return Inference("low", [_doubt(others)])
        if name.name in self.agent.withdrawn:
            return Inference("medium", [_WITHDRAWN])
        if base.local.address in name.addresses:
            seen = "announced for this address"
            if name.name in self.agent.reloaded:
                return Inference("low", [f"{seen}, for an earlier session", _RELOADED])
            if name.name in self.agent.inherited:
                return Inference("medium", [f"{seen}, for an earlier session of its page"])
            if name.name in self.agent.resumed:
                return Inference("low", [seen, _RESUMED])
            if name.name in self.agent.gapped:
                return Inference("medium", [seen, _GAP])
            if self.alike[base.local.address] > 1:
                return Inference("medium", [seen, _ALIKE])
            return Inference("high", [f"{seen} while the session gathered"])
        why = "the only name of this family announced while the session gathered"
        return Inference("medium", [why])

    # Host candidates

    def _host(self, base: Base) -> None:
        name = base.names[-1] if base.names else None
        address = base.local.address
        if name is not None and address not in name.addresses:
            address = next(iter(name.addresses))
        sent = [link.bare or link.checks or link.allocates for link in base.links]
        reasons = ["packets left from this socket"]
        if name is None:
            reasons += self._doubt(base)
        candidate = self._candidate(
            "host", base, Endpoint(address, base.local.port), [*sent, name.said if name else None]
        )
        if name is not None:
            candidate.mdns_name = name.name
            candidate.mdns_link = self._link(base, name)
        candidate.reasons = reasons
        if len(reasons) > 1:
            candidate.evidence = "inferred"
        self._finish(candidate, base, address)

    def _doubt(self, base: Base) -> list[str]:
        """Why the page may read something else than a host candidate of this address."""
        if self.engine == "firefox":
            return [
                "Firefox hides the address behind a name that it does not announce, unless "
                "obfuscate_host_addresses is off, and reads none with no_host"
            ]
        if self.wildcard and not self.agent.names:
            return ["a name may hide the address, or nothing does, or the page reads none (Mode 3)"]
        if self.engine == "unknown" and not any(link.checks for link in base.links):
            return ["some programs query servers from sockets that are not host candidates"]
        return []

    def _announced(self, name: NameRecord) -> None:
        """A candidate of which only the name was seen."""
        address = next(one for one in name.addresses if not one.is_unspecified)
        frames, count = merge_frames([name.said] if name.said else name.sightings)
        certainty = Inference("high", ["announced while the session gathered"])
        others = self.agent.unsure.get(name.name)
        if others is not None:
            certainty = Inference("low", [_doubt(others)])
        elif name.name in self.agent.withdrawn:
            certainty = Inference("medium", [_WITHDRAWN])
        elif name.name in self.agent.inherited:
            certainty = Inference("medium", ["announced for an earlier session of its page"])
        elif name.name in self.agent.gapped:
            certainty = Inference("medium", [*certainty.reasons, _GAP])
        verb = "announced" if name.said is not None else "withdrawn"
        candidate = Candidate(
            "host",
            "udp",
            address,
            None,
            base_address=address,
            mdns_name=name.name,
            mdns_link=certainty,
            interface=min(name.interfaces, default=0),
            username_fragment=self.fragment,
            evidence="inferred",
            frames=frames,
            frame_count=count,
            reasons=[f"its name was {verb}; no packet left its port"],
        )
        self._finish(candidate, None, address)

    def _tcp(self, base: Base) -> None:
        """ICE over TCP: the side that connects has an active candidate, with port 9."""
        active = any(link.forward for link in base.links)
        endpoint = Endpoint(base.local.address, 9 if active else base.local.port)
        checks = [link.checks for link in base.links]
        candidate = self._candidate("host", base, endpoint, checks)
        candidate.protocol = "tcp"
        candidate.base_port = base.local.port
        candidate.reasons = ["connectivity checks over TCP"]
        candidate.tcptype = "active" if active else "passive"
        self._finish(candidate, base, base.local.address)

    # Reflexive candidates

    def _reflexive(self, base: Base) -> None:
        seen: set[Endpoint] = set()
        asked: set[Endpoint] = set()
        for socket in base.sockets:
            told = [pair for pair in socket.answered if pair[1].answers]
            for link, back in sorted(told, key=lambda pair: pair[0].seen.first_ns):
                server = link.key.destination
                if server in asked:
                    continue
                asked.add(server)
                mapped, sighting = min(back.answers.items(), key=lambda one: one[1].first_ns)
                if self.agent.late and sighting.first_ns - self.agent.first_ns > GATHERED_NS:
                    continue
                if mapped not in seen and not self._redundant(base, mapped):
                    seen.add(mapped)
                    self._srflx(base, mapped, server, [link.bare, sighting])
        if self.engine == "firefox":
            for socket in base.sockets:
                for link, back in socket.answered:
                    for allocation, sighting in back.allocations.items():
                        mapped_ = allocation.mapped
                        if mapped_ is None or mapped_ in seen or self._redundant(base, mapped_):
                            continue
                        seen.add(mapped_)
                        self._srflx(base, mapped_, link.key.destination, [sighting])

    def _redundant(self, base: Base, mapped: Endpoint) -> bool:
        """Equal to the host candidate (RFC 8445 section 5.1.3), which browsers compare by the
        socket's own address: a wildcard socket's is none, and a hidden one counts as other."""
        return mapped == base.local and not self.wildcard and self.engine != "firefox"

    def _srflx(
        self, base: Base, mapped: Endpoint, server: Endpoint, seen: list[Sighting | None]
    ) -> None:
        candidate = self._candidate("srflx", base, mapped, seen)
        candidate.server = server
        candidate.reasons = [f"{server} answered that it saw the client at {mapped}"]
        self._relate(candidate, base.local)
        self._finish(candidate, base, mapped.address)

    def _relate(self, candidate: Candidate, base: Endpoint) -> None:
        """The related address, as the engine writes it: hidden ones are all zeros."""
        hides = self.engine == "firefox" or (
            self.engine in ("chromium", "webkit") and self.mode != 1
        )
        if hides:
            # Behind a NAT64 a candidate is of another family than its base.
            candidate.related_address = _unspecified(candidate.address or base.address)
            candidate.related_port = 0
        else:
            candidate.related_address = base.address
            candidate.related_port = base.port

    def _peer_reflexive(self, base: Base) -> None:
        known = {socket.local for socket in base.sockets}
        for socket in base.sockets:
            for _, back in socket.answered:
                known.update(back.answers)
        for socket in base.sockets:
            for link, back in socket.answered:
                for mapped, sighting in back.check_answers.items():
                    if mapped in known or socket.relayed:
                        continue
                    known.add(mapped)
                    candidate = self._candidate("prflx", base, mapped, [sighting])
                    self._relate(candidate, base.local)
                    candidate.reasons = [
                        f"the peer {link.key.destination} saw its checks from here"
                    ]
                    self._finish(candidate, base, mapped.address)

    # Relays

    def _relays(self, socket: Socket) -> None:
        seen: set[Endpoint] = set()
        for link, back in socket.answered:
            for allocation, sighting in back.allocations.items():
                if allocation.relayed in seen:
                    continue
                seen.add(allocation.relayed)
                base = Base([socket])
                seen_there: list[Sighting | None] = [link.allocates, sighting]
                candidate = self._candidate("relay", base, allocation.relayed, seen_there)
                candidate.protocol = "tcp" if allocation.transport == "tcp" else "udp"
                candidate.server = link.key.destination
                if self.relay_only and self.agent.names:
                    zeros = _unspecified(allocation.relayed.address)
                    candidate.related_address, candidate.related_port = zeros, 0
                    candidate.reasons.append(
                        "names were announced but nothing gathered by UDP: taken for relay only, "
                        "where a page reads no related address; one that names servers over TCP "
                        "alone looks the same"
                    )
                elif allocation.mapped is not None:
                    candidate.related_address = allocation.mapped.address
                    candidate.related_port = allocation.mapped.port
                turn = self.turn_ranks.get((link.key.transport, link.key.destination), 1)
                self._finish(candidate, base, allocation.relayed.address, turn)

    # What all have

    def _candidate(
        self,
        kind: CandidateType,
        base: Base,
        endpoint: Endpoint,
        seen: list[Sighting | None],
    ) -> Candidate:
        frames, count = merge_frames(seen)
        return Candidate(
            kind,
            "udp",
            endpoint.address,
            endpoint.port,
            base_address=base.local.address,
            base_port=base.local.port,
            interface=base.socket.out[0].key.interface,
            username_fragment=self.fragment,
            frames=frames,
            frame_count=count,
        )

    def _finish(
        self, candidate: Candidate, base: Base | None, hidden: IPAddress, turn: int | None = 0
    ) -> None:
        """Fill in what the engine computes, and keep the candidate."""
        self.prediction.complete(candidate, base, hidden, turn)
        self.found.append(candidate)


def _turn_ranks(sockets: list[Socket]) -> dict[tuple[str, Endpoint], int | None]:
    """TURN servers' places in the page's list from its end: Chromium asks them in order, by
    each family. Those over TCP wait for their connection, so where both are asked it is not
    known."""
    asked: dict[tuple[str, Endpoint], int] = {}
    for link in (link for socket in sockets for link in socket.out):
        if link.allocates is not None:
            server = (link.key.transport, link.key.destination)
            first = link.allocates.first_ns
            asked[server] = min(asked.get(server, first), first)
    ranks: dict[tuple[str, Endpoint], int | None] = {}
    for version in (4, 6):
        mine = [one for one in asked if one[1].address.version == version]
        mine.sort(key=lambda one: asked[one], reverse=True)
        mixed = len({transport for transport, _ in mine}) > 1
        ranks |= {server: None if mixed else place for place, server in enumerate(mine, 1)}
    return ranks


def _doubt(others: list[Agent]) -> str:
    """Why a name may be of another session."""
    if not others:
        return "several browsers of this host announced names"
    names = ", ".join(f"ice-{other.number}" for other in others[:4])
    more = ", ..." if len(others) > 4 else ""
    return f"of the same host, {names}{more} can have asked for this name as well"


def _unspecified(address: IPAddress) -> IPAddress:
    return IPv4Address(0) if address.version == 4 else IPv6Address(0)


def _bases(sockets: list[Socket]) -> list[Base]:
    """Sockets by port and family, in the order they were first seen."""
    bases: dict[tuple[str, int, int], list[Socket]] = {}
    for socket in sorted(sockets, key=lambda one: one.first_ns):
        place = (socket.transport, socket.local.address.version, socket.local.port)
        bases.setdefault(place, []).append(socket)
    return [Base(together) for together in bases.values()]
