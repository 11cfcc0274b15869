"""Which `.local` names hide which session's addresses.

Chromium announces a name for each address when it gathers (draft-ietf-mmusic-mdns-ice-
candidates section 3.1.1), one message a second, so a session's names follow its first packet
within seconds. A page keeps its names: a later session of the page announces only what is new.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from pcapleak.track.ice.agents import AT_ONCE_NS, SECOND, Agent
from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.names import NameRecord
from pcapleak.values.packets import IPAddress

BEFORE_NS = SECOND
"""A name may be announced before the first packet: a relay needs a TCP connection first."""

BORN_NS = 30 * SECOND
"""Announcements wait in a queue of one a second; thirty names are more than a page has."""

QUEUE_NS = 10 * SECOND
"""A page's first names, two addresses and two wildcards, are all out by then."""

MAX_LOOK_BACK = 64
"""Sessions and pages looked at for one name, latest first, so that joining stays linear."""


@dataclass(eq=False, slots=True)
class Page:
    """Names of one page: it has one for each address."""

    names: list[NameRecord] = field(default_factory=list)
    addresses: set[IPAddress] = field(default_factory=set)
    announcers: set[IPAddress] = field(default_factory=set)
    parents: list[Agent] = field(default_factory=list)
    """The sessions that made it announce its first name."""

    @property
    def first_ns(self) -> int:
        """When its first name was announced."""
        return self.names[0].first_ns or 0

    def takes(self, name: NameRecord) -> bool:
        """Whether the name can be of this page."""
        same = not self.announcers.isdisjoint(name.announcers)
        return same and self.addresses.isdisjoint(name.addresses)

    def take(self, name: NameRecord) -> None:
        """Add a name."""
        self.names.append(name)
        self.addresses.update(name.addresses)
        self.announcers.update(name.announcers)


def attach_names(agents: list[Agent], names: Iterable[NameRecord], hosts: Hosts) -> list[Agent]:
    """Give local sessions their names; names without a session make one of their own."""
    announced = sorted(
        (name for name in names if name.uuid is not None and name.said is not None),
        key=lambda name: (name.first_ns or 0, name.name),
    )
    local = sorted((agent for agent in agents if agent.local), key=lambda one: one.began_ns)
    pages = _pages(announced)
    unseen: list[Agent] = []
    for page in pages:
        orphans: list[NameRecord] = []
        for name in page.names:
            parents = _parents(name, page, local, hosts)
            for parent in parents:
                parent.names.append(name)
            page.parents = page.parents or parents
            if not parents:
                orphans.append(name)
        unseen += _unseen_sessions(orphans)
    _adopt_late(local, unseen, hosts)
    for agent in local:
        _inherit(agent, pages, hosts)
    everyone = [*agents, *(one for one in unseen if one.names)]
    return sorted(everyone, key=lambda one: one.first_ns)


def _pages(announced: list[NameRecord]) -> list[Page]:
    """Names by page: a second name for an address is another page's."""
    pages: list[Page] = []
    for name in announced:
        for page in pages[: -MAX_LOOK_BACK - 1 : -1]:
            if page.takes(name):
                page.take(name)
                break
        else:
            pages.append(Page())
            pages[-1].take(name)
    return pages


def _reach(names: Iterable[NameRecord], hosts: Hosts) -> set[IPAddress]:
    """Addresses of the hosts that one of the names may be of."""
    found: set[IPAddress] = set()
    announcers: set[IPAddress] = set()
    for name in names:
        found.update(name.addresses)
        announcers.update(name.announcers)
    return found.union(announcers, *map(hosts.addresses, announcers))


def _parents(name: NameRecord, page: Page, agents: list[Agent], hosts: Hosts) -> list[Agent]:
    """The sessions that began next to when a name was announced; several if at once.

    One that began after its page's names were announced has them from the page.
    """
    first = name.first_ns or 0
    if page.parents and first - page.first_ns <= QUEUE_NS:
        return page.parents
    able: list[Agent] = []
    reach: set[IPAddress] = set()
    end = bisect_right(agents, first + BEFORE_NS, key=lambda one: one.began_ns)
    for agent in reversed(agents[max(0, end - MAX_LOOK_BACK) : end]):
        if agent.began_ns < first - BORN_NS:
            break
        if not name.nsec and agent.address_set.isdisjoint(name.addresses):
            continue
        reach = reach or _reach([name], hosts)
        if not agent.address_set.isdisjoint(reach):
            able.append(agent)
    if not able:
        return []
    if name.nsec:
        born = min(able, key=lambda one: abs(one.began_ns - first))
    else:
        # Firefox makes names for each session, and nothing on the wire tells whose this is:
        # a session that began later has more of its questions still to come.
        born = able[0]
    found = [one for one in able if abs(one.began_ns - born.began_ns) <= AT_ONCE_NS]
    if not name.nsec and len(found) > 1:
        born.unsure.add(name.name)
        return [born]
    return found


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
                and all(_alive(name, agent.began_ns) for name in other.names)
            ):
                agent.names, other.names = other.names, []
                agent.late = True
                break


def _alive(name: NameRecord, at_ns: int) -> bool:
    return name.goodbye_ns is None or name.goodbye_ns > at_ns


def _inherit(agent: Agent, pages: list[Page], hosts: Hosts) -> None:
    """Names that the session's page has from another of its sessions."""
    page = _page_of(agent, pages, hosts)
    if page is None:
        return
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


def _page_of(agent: Agent, pages: list[Page], hosts: Hosts) -> Page | None:
    """The page of a session: that of its names, or else the latest one that hides one of its
    addresses."""
    recent = pages[: -MAX_LOOK_BACK - 1 : -1]
    if agent.names:
        for page in recent:
            if any(name in page.names for name in agent.names):
                return page
        return None
    for page in recent:
        if page.first_ns > agent.began_ns + QUEUE_NS:
            continue
        if not agent.address_set.isdisjoint(page.addresses):
            return page
    return None
