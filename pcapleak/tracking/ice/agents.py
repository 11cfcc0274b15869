"""Which sockets belong to one ICE session: a join over links, names and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pcapleak.model import Endpoint, IPAddress
from pcapleak.tracking.ice.hosts import Hosts, is_private
from pcapleak.tracking.ice.links import Link, LinkKey
from pcapleak.tracking.names import NameRecord
from pcapleak.tracking.sightings import Sighting

SECOND = 1_000_000_000

BURST_NS = 2 * SECOND
"""Sockets of one session begin to gather within this: one after the other, but a server's
name may have to be resolved first."""

MAX_SOCKETS = 64
"""Sockets that time alone gathers into one session; a browser opens a few for each address
and media section."""

PATH_CHANGE_NS = 60 * SECOND
"""A socket that lost its way goes on after a keep-alive or two."""

MAX_PATHS = 16
"""Earlier addresses looked at for one port and server."""

MAX_CONCURRENT = 64
"""Sessions looked at for a socket's burst: with the bound above, joining stays linear."""

AT_ONCE_NS = SECOND // 20
"""Sockets that begin this close were opened by one program (Ta is 50 ms, RFC 8445 section
14.2, and no two hosts load a page in the same instant)."""


@dataclass(eq=False)
class Socket:
    """A local transport address that gathered or checked, on all interfaces it left by.

    What is derived is computed once, so only when all links are in.
    """

    transport: str
    layers: tuple[str, ...]
    local: Endpoint
    out: list[Link] = field(default_factory=list)
    back: dict[LinkKey, Link] = field(default_factory=dict)
    """What came back, by the key of the link that asked."""

    @cached_property
    def first_ns(self) -> int:
        """When it began."""
        return min(link.seen.first_ns for link in self.out)

    @cached_property
    def last_ns(self) -> int:
        """When it, or what answered it, was last seen."""
        links = [*self.out, *self.back.values()]
        return max(link.seen.last_ns for link in links)

    @cached_property
    def gathers(self) -> bool:
        """Whether it asked a STUN or TURN server."""
        return any(link.bare is not None or link.allocates is not None for link in self.out)

    @cached_property
    def interfaces(self) -> set[int]:
        """Interfaces it left by."""
        return {link.key.interface for link in self.out}

    @cached_property
    def destinations(self) -> set[Endpoint]:
        """Whom it asked or checked."""
        return {link.key.destination for link in self.out}

    @cached_property
    def mapped(self) -> set[Endpoint]:
        """What it was told of itself."""
        return {
            mapped for link in self.back.values() for mapped in (*link.answers, *link.check_answers)
        }

    @cached_property
    def relayed(self) -> set[Endpoint]:
        """What was allocated for it."""
        return {one.relayed for link in self.back.values() for one in link.allocations}

    @cached_property
    def tie_breakers(self) -> set[int]:
        """Tie-breakers it sent."""
        return {tie for link in self.out for tie in link.tie_breakers}

    @cached_property
    def fragments(self) -> dict[str, Sighting]:
        """Its own username fragments: what stands after the colon (RFC 8445 section 7.2.2)."""
        found: dict[str, Sighting] = {}
        for link in self.out:
            for username, sighting in link.usernames.items():
                fragment = username.partition(":")[2]
                if fragment:
                    found.setdefault(fragment, sighting)
        return found

    @property
    def peer_fragments(self) -> list[str]:
        """Those of the agents it checked: what stands before the colon."""
        names = (username for link in self.out for username in link.usernames)
        heads = (username.partition(":") for username in names)
        return list(dict.fromkeys(peer for peer, _, own in heads if peer and own))


@dataclass(eq=False)
class Agent:
    """One ICE session's side: its sockets, and the names its addresses hide behind."""

    sockets: list[Socket] = field(default_factory=list)
    views: list[Socket] = field(default_factory=list)
    """The same session's packets seen behind a NAT, or from a relay."""
    names: list[NameRecord] = field(default_factory=list)
    inherited: set[str] = field(default_factory=set)
    """Which of `names` an earlier session had announced."""
    unsure: set[str] = field(default_factory=set)
    """Which of `names` may as well be another session's."""
    local: bool = True
    late: bool = False
    """Its names are older than its first packet here: how it gathered was not recorded."""
    signalled_name: bool = False
    """A `.local` host candidate of its username fragment was signalled."""
    began_ns: int = 0
    """When its first socket, or its first name, was seen."""

    def absorb(self, other: Agent) -> None:
        """Take another part of the session."""
        self.sockets += other.sockets
        self.views += other.views
        for derived in (
            "addresses", "address_set", "links", "checking", "tie_breakers", "gathers", "udp",
        ):  # fmt: skip
            self.__dict__.pop(derived, None)

    @property
    def first_ns(self) -> int:
        """When it began, by packets or by its own names."""
        own = [name.first_ns for name in self.names if name.name not in self.inherited]
        return min([self.began_ns, *(first for first in own if first is not None)])

    @property
    def last_ns(self) -> int:
        """When it was last seen."""
        times = [socket.last_ns for socket in (*self.sockets, *self.views)]
        times += [name.said.last_ns for name in self.names if name.said and not self.sockets]
        return max(times)

    @cached_property
    def addresses(self) -> list[IPAddress]:
        """The client's addresses that packets left from, in order of appearance."""
        ordered = sorted(self.sockets, key=lambda socket: socket.first_ns)
        return list(dict.fromkeys(socket.local.address for socket in ordered))

    @cached_property
    def address_set(self) -> set[IPAddress]:
        """The same, unordered."""
        return set(self.addresses)

    @cached_property
    def links(self) -> list[Link]:
        """Everything its sockets sent."""
        return [link for socket in self.sockets for link in socket.out]

    @cached_property
    def checking(self) -> list[Socket]:
        """What its checks left from: its sockets, and what relays allocated for them."""
        return [*self.sockets, *(view for view in self.views if "turn" in view.layers)]

    @cached_property
    def tie_breakers(self) -> set[int]:
        """Tie-breakers of its checks."""
        return {tie for socket in self.checking for tie in socket.tie_breakers}

    @cached_property
    def gathers(self) -> bool:
        """Whether it asked a server."""
        return any(socket.gathers for socket in self.sockets)

    @cached_property
    def udp(self) -> list[Socket]:
        """Its own UDP sockets, not those behind a proxy."""
        return [socket for socket in self.sockets if socket.transport == "udp"]


def collect_sockets(links: Mapping[LinkKey, Link]) -> list[Socket]:
    """One socket for each transport address that asked something."""
    sockets: dict[tuple[str, tuple[str, ...], Endpoint], Socket] = {}
    for key, link in links.items():
        if not link.asks:
            continue
        place = (key.transport, key.layers, key.source)
        socket = sockets.get(place)
        if socket is None:
            socket = sockets[place] = Socket(*place)
        socket.out.append(link)
        back = links.get(key.back)
        if back is not None:
            socket.back[key] = back
    return sorted(sockets.values(), key=lambda one: (one.first_ns, str(one.local)))


class _Union:
    """Disjoint sets of sockets, by position."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def find(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        self.parent[max(self.find(i), self.find(j))] = min(self.find(i), self.find(j))


def group_sockets(sockets: list[Socket], hosts: Hosts) -> list[Agent]:
    """Sockets of one session, in the order the sessions began."""
    union = _Union(len(sockets))
    first: dict[object, int] = {}
    ports: dict[object, list[int]] = {}
    for i, socket in enumerate(sockets):
        marks: list[object] = [("tie", tie) for tie in socket.tie_breakers]
        marks += [("ufrag", fragment) for fragment in socket.fragments]
        # What a relay forwards comes from the address it allocated for one socket.
        marks += [("relay", relayed) for relayed in socket.relayed]
        if "turn" in socket.layers:
            marks.append(("relay", socket.local))
        for mark in marks:
            union.join(i, first.setdefault(mark, i))
        if socket.transport != "udp" or not hosts.is_local(socket.local.address):
            continue
        for server in socket.destinations:
            version = socket.local.address.version
            place = (socket.layers, version, socket.local.port, server)
            before = ports.setdefault(place, [])
            for j in before[-MAX_PATHS:]:
                if _continues(socket, sockets[j], hosts):
                    union.join(i, j)
            before.append(i)
    groups: dict[int, list[Socket]] = {}
    for i, socket in enumerate(sockets):
        groups.setdefault(union.find(i), []).append(socket)
    return _bursts([_agent(group, hosts) for group in groups.values()], hosts)


def _continues(socket: Socket, earlier: Socket, hosts: Hosts) -> bool:
    """Whether the same port towards the same server, from another address, is the same wildcard
    socket, whose packets take another way now (RFC 8828 section 6.1); or the same packets
    behind a NAT. Two hosts of a LAN may happen to use one port at one time."""
    if hosts.same(socket.local.address, earlier.local.address):
        return True
    if socket.interfaces.isdisjoint(earlier.interfaces):
        return True
    return 0 <= socket.first_ns - earlier.last_ns <= PATH_CHANGE_NS


def _agent(group: list[Socket], hosts: Hosts) -> Agent:
    """Tell the session's own sockets from its packets seen elsewhere."""
    mapped = Counter(endpoint for socket in group for endpoint in socket.mapped)
    own: list[Socket] = []
    views: list[Socket] = []
    any_local = any(hosts.is_local(socket.local.address) for socket in group)
    for socket in group:
        outside = "turn" in socket.layers
        address = socket.local.address
        reflexive = address.version == 4 and not is_private(address)
        if not outside and reflexive and not hosts.is_local(address):
            outside = any_local
        if not outside and mapped[socket.local] > (socket.local in socket.mapped):
            outside = True  # behind a NAT that was recorded on both sides
        (views if outside else own).append(socket)
    if not own:
        own, views = views, []
    return Agent(
        own,
        views,
        local=any(hosts.is_local(socket.local.address) for socket in own),
        began_ns=min(socket.first_ns for socket in own),
    )


def _bursts(agents: list[Agent], hosts: Hosts) -> list[Agent]:
    """Join what began to gather together and nothing tells apart."""
    done: list[Agent] = []
    for agent in sorted(agents, key=lambda one: one.began_ns):
        if agent.local and (target := _burst(agent, done, hosts)) is not None:
            target.absorb(agent)
        else:
            done.append(agent)
    return done


def _burst(agent: Agent, done: list[Agent], hosts: Hosts) -> Agent | None:
    """The latest session of which `agent` can be a part, if one began just before it."""
    for other in done[: -MAX_CONCURRENT - 1 : -1]:
        gap = agent.began_ns - other.began_ns
        if gap > BURST_NS:
            break
        if not other.local or len(other.sockets) >= MAX_SOCKETS:
            continue
        if agent.tie_breakers and other.tie_breakers:
            continue
        if gap > AT_ONCE_NS and _repeats(agent, other):
            continue
        if _one_host(agent, other, gap, hosts):
            return other
    return None


def _repeats(agent: Agent, other: Agent) -> bool:
    """Whether both ask one server from one address: a session opens such sockets at once, for
    its media sections."""
    asked = {
        (socket.local.address, server) for socket in agent.udp for server in socket.destinations
    }
    return any(
        (socket.local.address, server) in asked
        for socket in other.udp
        for server in socket.destinations
    )


def _one_host(agent: Agent, other: Agent, gap: int, hosts: Hosts) -> bool:
    for one in agent.addresses:
        for two in other.addresses:
            if hosts.same(one, two) or gap <= AT_ONCE_NS:
                return True
            if one.version != two.version or _elsewhere(agent, other):
                return True
    return False


def _elsewhere(agent: Agent, other: Agent) -> bool:
    """Whether both were recorded on different interfaces, so by one host that has both."""
    mine = {number for socket in agent.sockets for number in socket.interfaces}
    return mine.isdisjoint(number for socket in other.sockets for number in socket.interfaces)
