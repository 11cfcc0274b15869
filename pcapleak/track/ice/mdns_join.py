"""Which `.local` names hide which session's addresses.

Chromium announces a name for each address when it gathers (draft-ietf-mmusic-mdns-ice-
candidates section 3.1.1), in the order of the gatherings (see `responders`). A page keeps its
names: a later session of the page announces only what is new. Where several sessions can have
asked for a name, the join says which.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from pcapleak.track.ice.agents import AT_ONCE_NS, Agent
from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.ice.responders import (
    QUEUE_NS,
    Batch,
    Page,
    Responder,
    asked_between,
    find_responders,
)
from pcapleak.track.names import NameRecord
from pcapleak.values.packets import SECOND, IPAddress

BEFORE_NS = SECOND
"""A name may be announced before the first packet: a relay needs a TCP connection first."""

BORN_NS = 30 * SECOND
"""How long after a session's first packet a name that only answers may show itself."""

RELOAD_NS = SECOND
"""A page that is loaded again gathers again after more than this, as far as was seen."""

MAX_LOOK_BACK = 64
"""Sessions and batches looked at for one name, latest first, so that joining stays linear."""


def attach_names(agents: list[Agent], names: Iterable[NameRecord], hosts: Hosts) -> list[Agent]:
    """Give local sessions their names; names without a session make one of their own."""
    announced = sorted(
        (name for name in names if name.uuid is not None and name.said is not None),
        key=lambda name: (name.first_ns or 0, name.name),
    )
    local = sorted((agent for agent in agents if agent.local), key=lambda one: one.began_ns)
    end_ns = max((one.last_ns for one in agents), default=0)
    end_ns = max([end_ns, *(name.said.last_ns for name in announced if name.said)])
    unseen: list[Agent] = []
    for group in _by_host([name for name in announced if name.nsec]):
        unseen += _join_host(group, local, hosts, end_ns)
    unseen += _join_answered([name for name in announced if not name.nsec], local, hosts)
    _adopt_late(local, unseen, hosts)
    everyone = [*agents, *(one for one in unseen if one.names)]
    return sorted(everyone, key=lambda one: one.first_ns)


def _by_host(names: list[NameRecord]) -> list[list[NameRecord]]:
    """Names by the host that announced them: it sends from an address on each interface."""
    leader: dict[IPAddress, IPAddress] = {}

    def find(address: IPAddress) -> IPAddress:
        while leader.setdefault(address, address) != address:
            leader[address] = leader[leader[address]]
            address = leader[address]
        return address

    for name in names:
        first, *others = name.announcers
        for other in others:
            leader[find(other)] = find(first)
    groups: dict[IPAddress, list[NameRecord]] = {}
    for name in names:
        groups.setdefault(find(next(iter(name.announcers))), []).append(name)
    return list(groups.values())


def _reach(names: Iterable[NameRecord], hosts: Hosts) -> set[IPAddress]:
    """Addresses of the hosts that one of the names may be of."""
    found: set[IPAddress] = set()
    announcers: set[IPAddress] = set()
    for name in names:
        found.update(name.addresses)
        announcers.update(name.announcers)
    return found.union(announcers, *map(hosts.addresses, announcers))


def _join_host(
    names: list[NameRecord], local: list[Agent], hosts: Hosts, end_ns: int
) -> list[Agent]:
    """Join one host's announced names with its sessions; gives the sessions of the others."""
    reach = _reach(names, hosts)
    able = [
        agent
        for agent in local
        if agent.lettered is not False and not agent.address_set.isdisjoint(reach)
    ]
    responders = find_responders(names)
    batches = [batch for responder in responders for batch in responder.batches]
    _settle(responders, able)
    parents = _give(batches, able)
    for agent in able:
        page = parents.get(id(agent))
        if page is None and (page := _shared(agent, responders, end_ns)) is None:
            continue
        _inherit(agent, page)
        if len(responders) > 1:
            agent.unsure.update({one: [] for one in agent.inherited if one not in agent.unsure})
    orphans = [batch for batch in batches if batch.agent is None]
    return [unseen for batch in orphans for unseen in _unseen_sessions(batch.names)]


def _settle(responders: list[Responder], able: list[Agent]) -> None:
    """Find for each batch the session that asked for it: of one responder in order, and no
    session twice."""
    usual = max(len(batch.names) for one in responders for batch in one.batches)
    place = {id(agent): number for number, agent in enumerate(able)}
    fits: dict[Batch, list[Agent]] = {}
    for responder in responders:
        last = -1
        for batch in responder.batches:
            fits[batch] = [one for one in _fitting(batch, able, usual) if place[id(one)] > last]
            last = place[id(fits[batch][0])] if fits[batch] else last
        following = len(able)
        for batch in reversed(responder.batches):
            fits[batch] = [one for one in fits[batch] if place[id(one)] < following]
            following = place[id(fits[batch][-1])] if fits[batch] else following
    _exclude(fits)
    taken: set[int] = set()
    for responder in responders:
        for earlier, batch in pairwise(responder.batches):
            if not fits[batch] and earlier.page is batch.page:
                # Gathering goes on where the network changes, and needs a name more.
                batch.continues = earlier
    for batch in sorted(fits, key=lambda one: (len(fits[one]) > 1, one.first_ns)):
        left = [one for one in fits[batch] if id(one) not in taken]
        if batch.is_prompt:
            left.sort(key=lambda one: abs(one.began_ns - batch.first_ns))
        if left:
            batch.agent, *batch.others = left
            taken.add(id(batch.agent))
        elif batch.is_prompt and fits[batch]:
            # Two browsers began in one instant, and their sockets are taken for one session.
            (batch.agent, *_) = fits[batch]
            for other in fits:
                other.is_blurred |= other.agent is batch.agent
    for responder in responders:
        for batch in responder.batches:
            before = batch.continues
            asker = None if before is None else before.agent
            if asker is not None and batch.first_ns - asker.began_ns <= BORN_NS:
                batch.agent = asker


def _fitting(batch: Batch, able: list[Agent], usual: int) -> list[Agent]:
    """The sessions that can have asked for a batch, in the order they began."""
    if all(name.is_wildcard for name in batch.names):
        return []
    if batch.is_prompt:
        at_once = _began(able, batch.first_ns - AT_ONCE_NS, batch.first_ns + AT_ONCE_NS)
        return at_once or _began(able, batch.first_ns - QUEUE_NS, batch.first_ns + BEFORE_NS)
    low, high = asked_between(batch, usual)
    return _began(able, low, high + AT_ONCE_NS) or _began(able, low, high + BEFORE_NS)


def _began(agents: list[Agent], low: int, high: int) -> list[Agent]:
    """The sessions that began between two times, the latest `MAX_LOOK_BACK`."""
    start = bisect_left(agents, low, key=lambda one: one.began_ns)
    end = bisect_right(agents, high, key=lambda one: one.began_ns)
    return agents[max(start, end - MAX_LOOK_BACK) : end]


def _exclude(fits: dict[Batch, list[Agent]]) -> None:
    """A session that alone fits one batch has not asked for another."""
    waiting = [batch for batch, found in fits.items() if len(found) == 1]
    done: set[int] = set()
    while waiting:
        (sure,) = fits[waiting.pop()]
        if id(sure) in done:
            continue
        done.add(id(sure))
        for batch, found in fits.items():
            if len(found) > 1 and sure in found:
                found.remove(sure)
                if len(found) == 1:
                    waiting.append(batch)


def _give(batches: list[Batch], able: list[Agent]) -> dict[int, Page]:
    """Give sessions the names they asked for; says which page each has them from."""
    pages: dict[int, Page] = {}
    rivals = Counter(id(other) for batch in batches for other in batch.others)
    creators = {id(batch.agent) for batch in batches}
    for batch in batches:
        if batch.agent is None:
            continue
        mates = [
            other
            for other in batch.others
            if batch.is_prompt
            and rivals[id(other)] == 1
            and id(other) not in creators
            and abs(other.began_ns - batch.agent.began_ns) <= AT_ONCE_NS
        ]
        doubt = [other for other in batch.others if other not in mates]
        if batch.is_blurred:
            doubt += [one for one in able if one is not batch.agent and one not in doubt][-1:]
        for agent in (batch.agent, *mates):
            pages[id(agent)] = batch.page
            agent.names += batch.names
            if doubt:
                agent.unsure.update({name.name: doubt for name in batch.names})
            elif batch.is_blurred:
                agent.unsure.update({name.name: [] for name in batch.names})
    return pages


def _shared(agent: Agent, responders: list[Responder], end_ns: int) -> Page | None:
    """The page whose names a session has that asked for none: that of the session before it,
    if names of its own would have been announced, and recorded."""
    found: Batch | None = None
    for responder in responders:
        before = [one for one in responder.batches if _asked_ns(one) <= agent.began_ns]
        if not before:
            continue
        due_ns = max(agent.began_ns, max(one.last_ns for one in before[-2:]) + SECOND)
        lost = due_ns - agent.began_ns > QUEUE_NS - SECOND or due_ns + SECOND > end_ns
        if lost and agent.began_ns - _asked_ns(before[-1]) > RELOAD_NS:
            continue
        if found is None or _asked_ns(before[-1]) > _asked_ns(found):
            found = before[-1]
    return None if found is None or found.agent is None else found.page


def _asked_ns(batch: Batch) -> int:
    return batch.first_ns if batch.agent is None else batch.agent.began_ns


def _join_answered(names: list[NameRecord], local: list[Agent], hosts: Hosts) -> list[Agent]:
    """Join names that were only answered for, as Firefox's are, one page's together; gives the
    sessions of the others."""
    pages: list[tuple[Page, Agent | None]] = []
    unseen: list[Agent] = []
    for name in names:
        known = next((one for one in pages[: -MAX_LOOK_BACK - 1 : -1] if one[0].fits(name)), None)
        page, parent = known or (Page(), None)
        if parent is None or (name.first_ns or 0) - page.first_ns > QUEUE_NS:
            parent = _answering(name, local, hosts)
        if known is None:
            pages.append((page, parent))
        page.take(name)
        if parent is None:
            unseen += _unseen_sessions([name])
        else:
            parent.names.append(name)
    return unseen


def _answering(name: NameRecord, agents: list[Agent], hosts: Hosts) -> Agent | None:
    """Whose name it is that Firefox answered for: it makes names for each session, and nothing
    on the wire tells whose this is. A session that began later has more of its questions still
    to come."""
    first = name.first_ns or 0
    reach, shown = _reach([name], hosts), set(name.addresses)
    able = [
        agent
        for agent in reversed(_began(agents, first - BORN_NS, first + BEFORE_NS))
        if agent.lettered is not True
        and not agent.address_set.isdisjoint(shown)
        and not agent.address_set.isdisjoint(reach)
    ]
    if not able:
        return None
    born = able[0]
    at_once = [one for one in able[1:] if abs(one.began_ns - born.began_ns) <= AT_ONCE_NS]
    if at_once:
        born.unsure[name.name] = at_once
    return born


def _unseen_sessions(names: list[NameRecord]) -> list[Agent]:
    """Sessions whose gathering this capture does not show: only a page's names are known."""
    if all(name.is_wildcard for name in names):
        return []
    sessions: list[Agent] = []
    for name in names:
        first = name.first_ns or 0
        if not sessions or first - sessions[-1].began_ns > QUEUE_NS:
            sessions.append(Agent(first, [], []))
        sessions[-1].names.append(name)
    return sessions


def _adopt_late(agents: list[Agent], unseen: list[Agent], hosts: Hosts) -> None:
    """Join a session of names with the socket that showed itself later: its first packets took
    a way that was not recorded, and a keep-alive took another (tunnel lost)."""
    reach = [_reach(other.names, hosts) for other in unseen]
    for agent in agents:
        if agent.names:
            continue
        for i in range(len(unseen) - 1, max(-1, len(unseen) - 1 - MAX_LOOK_BACK), -1):
            other = unseen[i]
            if (
                other.names
                and other.began_ns < agent.began_ns
                and not agent.address_set.isdisjoint(reach[i])
                and all(name.nsec or agent.lettered is not True for name in other.names)
                and not (agent.lettered is False and any(name.nsec for name in other.names))
                and all(_alive(name, agent.began_ns) for name in other.names)
            ):
                agent.names, other.names = other.names, []
                agent.late = True
                break


def _alive(name: NameRecord, at_ns: int) -> bool:
    return name.goodbye_ns is None or name.goodbye_ns > at_ns


def _inherit(agent: Agent, page: Page) -> None:
    """Names that the session's page has from another of its sessions."""
    have = {address.version for name in agent.names for address in _shown(name)}
    for version in (4, 6):
        if version in have:
            continue
        mine = {address for address in agent.addresses if address.version == version}
        known = [
            name
            for name in page.names
            if name.nsec
            and _alive(name, agent.began_ns)
            and any(address.version == version for address in _shown(name))
            and (not mine or mine.intersection(name.addresses))
        ]
        before = [name for name in known if (name.first_ns or 0) <= agent.began_ns + BEFORE_NS]
        chosen = before[-1:] or known[:1]
        for name in chosen:
            if (name.first_ns or 0) <= agent.began_ns + QUEUE_NS:
                agent.names.append(name)
                agent.inherited.add(name.name)


def _shown(name: NameRecord) -> list[IPAddress]:
    return [address for address in name.addresses if not address.is_unspecified]
