"""Names that were only answered for, as Firefox's are, or answered for before their turn.

Such an answer tells no order: somebody asked, and the name was there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from pcapleak.track.ice.agents import AT_ONCE_NS, Agent
from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.ice.responders import QUEUE_NS, Page
from pcapleak.track.names import NameRecord
from pcapleak.values.packets import SECOND, IPAddress

BEFORE_NS = SECOND
"""A name may be announced before the first packet: a relay needs a TCP connection first."""

BORN_NS = 30 * SECOND
"""How long after a session's first packet a name that only answers may show itself."""

MAX_LOOK_BACK = 64
"""Sessions and batches looked at for one name, latest first, so that joining stays linear."""


def join_answered(names: list[NameRecord], local: list[Agent], hosts: Hosts) -> list[Agent]:
    """Join names that were only answered for, as Firefox's are, one page's together; gives the
    sessions of the others."""
    pages: list[tuple[Page, Agent | None]] = []
    unseen: list[Agent] = []
    alike: tuple[list[IPAddress], list[IPAddress]] | None = None
    looked = 0
    """The pages before fit no name of the same addresses and announcers as the last one."""
    for name in names:
        said = [*name.addresses], [*name.announcers]
        start = max(looked if said == alike else 0, len(pages) - MAX_LOOK_BACK)
        known = next((one for one in reversed(pages[start:]) if one[0].fits(name)), None)
        alike, looked = (said, len(pages)) if known is None else (None, 0)
        page, parent = known or (Page(), None)
        if parent is None or (name.first_ns or 0) - page.first_ns > QUEUE_NS:
            parent = _answering(name, local, hosts)
        if known is None:
            pages.append((page, parent))
        page.take(name)
        if parent is None:
            unseen += unseen_sessions([name])
        else:
            parent.names.append(name)
    return unseen


def _answering(name: NameRecord, agents: list[Agent], hosts: Hosts) -> Agent | None:
    """Whose name it is that Firefox answered for: it makes names for each session, and nothing
    on the wire tells whose this is. A session that began later has more of its questions still
    to come."""
    first = name.first_ns or 0
    reach, shown = reach_of([name], hosts), set(name.addresses)
    able = [
        agent
        for agent in reversed(began(agents, first - BORN_NS, first + BEFORE_NS))
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


def give_answered(
    names: list[NameRecord], able: list[Agent], pages: dict[int, Page]
) -> list[NameRecord]:
    """Give names that were answered for before their turn, and so tell no order, to sessions
    that have announced none of that family; gives the others."""
    left: list[NameRecord] = []
    for name in sorted(names, key=lambda one: one.first_ns or 0):
        first = name.first_ns or 0
        fits = [
            agent
            for agent in began(able, first - BORN_NS, first + BEFORE_NS)
            if not name.is_wildcard and families(agent).isdisjoint(_families_of(name))
        ]
        if not fits:
            left.append(name)
            continue
        agent, *others = fits
        agent.names.append(name)
        pages.setdefault(id(agent), Page()).take(name)
        if others:
            agent.unsure[name.name] = others
        elif len(able) > 1:
            agent.gapped |= {name.name}
    return left


def unseen_sessions(names: list[NameRecord]) -> list[Agent]:
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


def reach_of(names: Iterable[NameRecord], hosts: Hosts) -> set[IPAddress]:
    """Addresses of the hosts that one of the names may be of."""
    found: set[IPAddress] = set()
    announcers: set[IPAddress] = set()
    for name in names:
        found.update(name.addresses)
        announcers.update(name.announcers)
    return found.union(announcers, *map(hosts.addresses, announcers))


def began(agents: list[Agent], low: int, high: int) -> list[Agent]:
    """The sessions that began between two times, the latest `MAX_LOOK_BACK`."""
    start = bisect_left(agents, low, key=lambda one: one.began_ns)
    end = bisect_right(agents, high, key=lambda one: one.began_ns)
    return agents[max(start, end - MAX_LOOK_BACK) : end]


def families(agent: Agent) -> set[int]:
    """The versions of IP of which a session has names."""
    return set[int]().union(*map(_families_of, agent.names))


def _families_of(name: NameRecord) -> set[int]:
    return {address.version for address in shown_by(name)}


def shown_by(name: NameRecord) -> list[IPAddress]:
    """The addresses that a name hides."""
    return [address for address in name.addresses if not address.is_unspecified]
