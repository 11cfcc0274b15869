"""Which `.local` names hide which session's addresses.

Chromium announces a name for each address when it gathers (draft-ietf-mmusic-mdns-ice-
candidates section 3.1.1), one message a second, so a session's names follow its first packet
within seconds. A page keeps its names: a later session of the page announces nothing new.
"""

from __future__ import annotations

from collections.abc import Iterable

from pcapleak.tracking.ice.agents import AT_ONCE_NS, SECOND, Agent
from pcapleak.tracking.ice.hosts import Hosts
from pcapleak.tracking.names import NameRecord

BEFORE_NS = SECOND
"""A name may be announced before the first packet: a relay needs a TCP connection first."""

BORN_NS = 30 * SECOND
"""Announcements wait in a queue of one a second; thirty names are more than a page has."""

NEXT_NAME_NS = 3 * SECOND
"""Names of one session that no packet shows: each is announced twice, a second apart."""


def attach_names(agents: list[Agent], names: Iterable[NameRecord], hosts: Hosts) -> list[Agent]:
    """Give local sessions their names; names without a session make one of their own."""
    announced = sorted(
        (name for name in names if name.uuid is not None and name.said is not None),
        key=lambda name: (name.first_ns or 0, name.name),
    )
    local = sorted((agent for agent in agents if agent.local), key=lambda one: one.began_ns)
    orphans: list[NameRecord] = []
    for name in announced:
        parents = _parents(name, local, hosts)
        for parent in parents:
            parent.names.append(name)
        if not parents:
            orphans.append(name)
    unseen = _unseen_sessions(orphans)
    _adopt_late(local, unseen, hosts)
    everyone = [*(one for one in agents if one.sockets), *(one for one in unseen if one.names)]
    for agent in local:
        _inherit(agent, announced, hosts)
    return sorted(everyone, key=lambda one: one.first_ns)


def _relevant(agent: Agent, name: NameRecord, hosts: Hosts) -> bool:
    """Whether the name may be the agent's host's."""
    addresses = agent.addresses
    if any(address in name.addresses or address in name.announcers for address in addresses):
        return True
    return any(
        hosts.same(address, announcer) for address in addresses for announcer in name.announcers
    )


def _parents(name: NameRecord, agents: list[Agent], hosts: Hosts) -> list[Agent]:
    """The sessions that began just before a name was announced; several if at once."""
    first = name.first_ns or 0
    found: list[Agent] = []
    for agent in reversed(agents):
        if agent.began_ns > first + BEFORE_NS:
            continue
        if agent.began_ns < first - BORN_NS:
            break
        if not name.nsec and not any(one in name.addresses for one in agent.addresses):
            continue
        if found and found[-1].began_ns - agent.began_ns > AT_ONCE_NS:
            break
        if _relevant(agent, name, hosts):
            found.append(agent)
    return found


def _unseen_sessions(names: list[NameRecord]) -> list[Agent]:
    """Sessions whose gathering this capture does not show: only their names are known."""
    sessions: list[Agent] = []
    latest: dict[object, tuple[int, Agent]] = {}
    for name in names:
        first = name.first_ns or 0
        last = latest.get(name.announcer)
        if last is None or first - last[0] > NEXT_NAME_NS:
            last = first, Agent(began_ns=first)
            sessions.append(last[1])
        last[1].names.append(name)
        latest[name.announcer] = first, last[1]
    return [one for one in sessions if not all(name.is_wildcard for name in one.names)]


def _adopt_late(agents: list[Agent], unseen: list[Agent], hosts: Hosts) -> None:
    """Join a session of names with the socket that showed itself later: its first packets took
    a way that was not recorded, and a keep-alive took another (tunnel lost)."""
    for agent in agents:
        if agent.names:
            continue
        earlier = [
            one
            for one in unseen
            if one.names
            and one.began_ns < agent.began_ns
            and all(_alive(name, agent.began_ns) for name in one.names)
            and any(_relevant(agent, name, hosts) for name in one.names)
        ]
        if earlier:
            adopted = earlier[-1]
            agent.names, adopted.names = adopted.names, []
            agent.late = True


def _alive(name: NameRecord, at_ns: int) -> bool:
    return name.goodbye_ns is None or name.goodbye_ns > at_ns


def _inherit(agent: Agent, announced: list[NameRecord], hosts: Hosts) -> None:
    """Names a page had before this session began, where the session announced none itself."""
    have = {
        address.version
        for name in agent.names
        for address in name.addresses
        if not address.is_unspecified
    }
    for version in (4, 6):
        if version in have:
            continue
        earlier = [
            name
            for name in announced
            if not name.is_wildcard
            and (name.first_ns or 0) < agent.began_ns
            and _alive(name, agent.began_ns)
            and any(address.version == version for address in name.addresses)
            and _relevant(agent, name, hosts)
        ]
        mine = {address for address in agent.addresses if address.version == version}
        if mine:
            earlier = [name for name in earlier if mine.intersection(name.addresses)]
        elif not agent.names:
            continue
        if earlier:
            agent.names.append(earlier[-1])
            agent.inherited.add(earlier[-1].name)
