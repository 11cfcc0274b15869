"""Which sockets belong to one ICE session: a join over links, names and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.ice.shared import shared_fragments
from pcapleak.track.ice.sockets import Socket, agreed, union
from pcapleak.track.names import NameRecord
from pcapleak.values.addresses import is_private
from pcapleak.values.packets import SECOND, Endpoint, IPAddress

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


class Agent:
    """One ICE session's side: its sockets, and the names its addresses hide behind."""

    __slots__ = (
        "address_set", "addresses", "began_ns", "checking", "gapped", "gathers", "inherited",
        "late", "lettered", "links", "local", "names", "number", "opened_ns", "reloaded", "resumed",
        "said_letters", "signalled_name", "sockets", "tie_breakers", "udp", "unsure", "views",
        "withdrawn",
    )  # fmt: skip

    def __init__(
        self, began_ns: int, sockets: list[Socket], views: list[Socket], *, local: bool = True
    ) -> None:
        self.began_ns = began_ns
        """When its first socket, or its first name, was seen."""
        self.sockets = sockets
        self.views = views
        """The same session's packets seen behind a NAT, or from a relay."""
        self.local = local
        self.names: list[NameRecord] = []
        self.inherited: frozenset[str] = frozenset()
        """Which of `names` an earlier session had announced."""
        self.gapped: frozenset[str] = frozenset()
        """Which of `names` were announced in an order of which not all was recorded."""
        self.reloaded: frozenset[str] = frozenset()
        """Which of `inherited` may be of another page: its own would have been dropped."""
        self.resumed: frozenset[str] = frozenset()
        """Which of `names` were announced by a browser that still announced names of before."""
        self.withdrawn: frozenset[str] = frozenset()
        """Which of `names` it has because they were withdrawn with another."""
        self.unsure: dict[str, list[Agent]] = {}
        """Which of `names` may as well be of other sessions, those in which nothing else tells."""
        self.number = 0
        """Its place among all sessions, counted from 1."""
        self.late = False
        """Its names are older than its first packet here: how it gathered was not recorded."""
        self.signalled_name = False
        """A `.local` host candidate of its username fragment was signalled."""
        self.opened_ns: int
        self.said_letters: set[bool | None]
        self.gathers: bool
        self.tie_breakers: Collection[int]
        self.udp: list[Socket]
        self._sum_up()

    def absorb(self, other: Agent) -> None:
        """Take another part of the session."""
        self.sockets += other.sockets
        self.views += other.views
        if self.views or other.began_ns < self.opened_ns:
            self._sum_up()
            return
        # What began later, as nearly always, adds to the sums: sessions of many sockets grow
        # by one after the other.
        self.addresses += [one for one in other.addresses if one not in self.address_set]
        self.address_set |= other.address_set
        self.links += other.links
        self.checking += other.checking
        if other.tie_breakers:
            self.tie_breakers = union([self.tie_breakers, other.tie_breakers])
        self.gathers |= other.gathers
        self.said_letters |= other.said_letters
        self.lettered = agreed(self.said_letters)
        self.udp += other.udp
        self.opened_ns = max(self.opened_ns, other.opened_ns)

    def _sum_up(self) -> None:
        sockets = self.sockets
        ordered = sorted(sockets, key=_first_ns) if len(sockets) > 1 else sockets
        self.addresses = list(dict.fromkeys([socket.local.address for socket in ordered]))
        """The client's addresses that packets left from, in order of appearance."""
        self.address_set = set(self.addresses)
        """The same, unordered."""
        self.links = [link for socket in sockets for link in socket.out]
        """Everything its sockets sent."""
        self.checking = [*sockets, *[view for view in self.views if "turn" in view.layers]]
        """What its checks left from: its sockets, and what relays allocated for them."""
        self.tie_breakers = union([socket.tie_breakers for socket in self.checking])
        """Tie-breakers of its checks."""
        self.gathers = any(socket.gathers for socket in sockets)
        """Whether it asked a server."""
        self.said_letters = {socket.lettered for socket in sockets}
        """What each of its sockets says of `lettered`."""
        self.lettered = agreed(self.said_letters)
        """Whether its transaction ids are libwebrtc's."""
        self.udp = [socket for socket in sockets if socket.transport == "udp"]
        """Its own UDP sockets, not those behind a proxy."""
        self.opened_ns = ordered[-1].first_ns if ordered else self.began_ns
        """When its latest socket began."""

    @property
    def is_mute(self) -> bool:
        """Whether its host may have no IPv4, by which alone Chromium announces names: without
        a name announced, it keeps a host candidate from the page."""
        return not self.names and all(address.version == 6 for address in self.addresses)

    @property
    def first_ns(self) -> int:
        """When it began, by packets or by its own names."""
        first = self.began_ns
        for name in self.names:
            if name.name not in self.inherited and name.first_ns is not None:
                first = min(first, name.first_ns)
        return first

    @property
    def last_ns(self) -> int:
        """When it was last seen."""
        times = [socket.last_ns for socket in (*self.sockets, *self.views)]
        if not self.sockets:
            times += [name.said.last_ns for name in self.names if name.said]
        return max(times)


def _first_ns(socket: Socket) -> int:
    return socket.first_ns


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
        one, other = self.find(i), self.find(j)
        self.parent[max(one, other)] = min(one, other)


class _Part(NamedTuple):
    """What makes an `Agent`, a twentieth of its size: most are part of another session."""

    began_ns: int
    own: list[Socket]
    views: list[Socket]


def group_sockets(sockets: list[Socket], hosts: Hosts) -> list[Agent]:
    """Sockets of one session, in the order the sessions began."""
    return _bursts([_part(group, hosts) for group in _joined(sockets, hosts)], hosts)


def _joined(sockets: list[Socket], hosts: Hosts) -> list[list[Socket]]:
    """Sockets that are one session's by what they said."""
    union = _Union(len(sockets))
    first: dict[object, int] = {}
    """The first socket with a tie-breaker, a username fragment or a relayed address."""
    ports: dict[object, list[int]] = {}
    shared = shared_fragments(sockets, hosts)
    for i, socket in enumerate(sockets):
        # What a relay forwards comes from the address it allocated for one socket.
        own = (socket.local,) if "turn" in socket.layers else ()
        fragments = [one for one in socket.fragments if one not in shared]
        for mark in (*socket.tie_breakers, *fragments, *socket.relayed, *own):
            j = first.setdefault(mark, i)
            if j != i:
                union.join(i, j)
        local = socket.local
        if socket.transport != "udp" or not hosts.is_local(local.address):
            continue
        for server in socket.destinations:
            place = (socket.layers, local.address.version, local.port, server)
            before = ports.get(place)
            if before is None:
                ports[place] = [i]
                continue
            root = union.find(i)
            for j in before[-MAX_PATHS:]:
                if (
                    union.parent[j] != root
                    and union.find(j) != root
                    and _continues(socket, sockets[j], hosts)
                ):
                    union.join(i, j)
                    root = union.find(i)
            before.append(i)
    groups: dict[int, list[Socket]] = {}
    for i, socket in enumerate(sockets):
        groups.setdefault(union.find(i), []).append(socket)
    return list(groups.values())


def _continues(socket: Socket, earlier: Socket, hosts: Hosts) -> bool:
    """Whether the same port towards the same server, from another address, is the same wildcard
    socket, whose packets take another way now (RFC 8828 section 6.1); or the same packets
    behind a NAT. Two hosts of a LAN may happen to use one port at one time."""
    if hosts.same(socket.local.address, earlier.local.address):
        return True
    if socket.interfaces.isdisjoint(earlier.interfaces):
        return True
    return 0 <= socket.first_ns - earlier.last_ns <= PATH_CHANGE_NS


def _part(group: list[Socket], hosts: Hosts) -> _Part:
    """Tell the session's own sockets from its packets seen elsewhere."""
    if len(group) == 1:
        return _Part(group[0].first_ns, group, [])
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
    return _Part(min(socket.first_ns for socket in own), own, views)


def _bursts(parts: list[_Part], hosts: Hosts) -> list[Agent]:
    """Join what began to gather together and nothing tells apart."""
    done: list[Agent] = []
    for part in sorted(parts, key=lambda one: one.began_ns):
        local = any(hosts.is_local(socket.local.address) for socket in part.own)
        agent = Agent(part.began_ns, part.own, part.views, local=local)
        if agent.local and (target := _burst(agent, done, hosts)) is not None:
            target.absorb(agent)
        else:
            done.append(agent)
    return done


def _burst(agent: Agent, done: list[Agent], hosts: Hosts) -> Agent | None:
    """The latest session of which `agent` can be a part, if one began just before it."""
    asked: set[tuple[IPAddress, Endpoint]] | None = None
    for other in done[: -MAX_CONCURRENT - 1 : -1]:
        gap = agent.began_ns - other.began_ns
        if gap > BURST_NS:
            break
        if not other.local or len(other.sockets) >= MAX_SOCKETS:
            continue
        if agent.tie_breakers and other.tie_breakers:
            continue
        if None not in (agent.lettered, other.lettered) and agent.lettered != other.lettered:
            continue
        if gap > AT_ONCE_NS:
            # A session opens sockets that ask one server from one address at once, for its
            # media sections: each at most Ta after the one before it.
            asked = _asked(agent) if asked is None else asked
            if _pause(agent, other) > AT_ONCE_NS and not asked.isdisjoint(_asked(other)):
                continue
        if _one_host(agent, other, gap, hosts):
            return other
    return None


def _pause(agent: Agent, other: Agent) -> int:
    """How long after the latest socket that `other` had opened before it `agent` began."""
    began = agent.began_ns
    if other.opened_ns <= began:
        return began - other.opened_ns
    return began - max(one.first_ns for one in other.sockets if one.first_ns <= began)


def _asked(agent: Agent) -> set[tuple[IPAddress, Endpoint]]:
    """Whom it asked, from which address."""
    return {
        (socket.local.address, server) for socket in agent.udp for server in socket.destinations
    }


def _one_host(agent: Agent, other: Agent, gap: int, hosts: Hosts) -> bool:
    for one in agent.addresses:
        for two in other.addresses:
            if hosts.same(one, two):
                return True
            if hosts.apart(one, two):
                continue
            if gap <= AT_ONCE_NS or one.version != two.version or _elsewhere(agent, other):
                return True
    return False


def _elsewhere(agent: Agent, other: Agent) -> bool:
    """Whether both were recorded on different interfaces, so by one host that has both."""
    mine = {number for socket in agent.sockets for number in socket.interfaces}
    return mine.isdisjoint(number for socket in other.sockets for number in socket.interfaces)
