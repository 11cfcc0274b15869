"""Names that were withdrawn together: one page's.

Where a page is left, Chromium takes all its names back in one message (mdns_responder.cc), and
those too that its queue had never announced.
"""

from __future__ import annotations

from collections.abc import Iterable

from pcapleak.track.ice.agents import Agent
from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.names import NameRecord
from pcapleak.values.packets import IPAddress


def withdrawals(names: Iterable[NameRecord]) -> list[list[NameRecord]]:
    """The names of each message that took several back."""
    together: dict[int, list[NameRecord]] = {}
    for name in names:
        if name.goodbye_ns is not None:
            together.setdefault(name.goodbye_ns, []).append(name)
    return [group for group in together.values() if len(group) > 1]


def join_withdrawn(
    groups: Iterable[list[NameRecord]], agents: Iterable[Agent], hosts: Hosts
) -> None:
    """Give sessions the names of their pages that were only withdrawn, and put right which of
    several sessions a name is of."""
    holders: dict[str, list[Agent]] = {}
    agents = list(agents)
    for agent in agents:
        # Where a neighbour claims a name too, there are two records of it.
        for name in dict.fromkeys(one.name for one in agent.names):
            holders.setdefault(name, []).append(agent)
    for group in groups:
        _reunite(group, holders)
        owners = {id(one): one for name in group for one in holders.get(name.name, ())}
        for agent in owners.values() or _nameless(group, agents, hosts):
            _complete(agent, group)


def _nameless(group: list[NameRecord], agents: Iterable[Agent], hosts: Hosts) -> list[Agent]:
    """The one session whose names, or the lack of them, fit names of which nothing but the
    withdrawal was recorded."""
    if any(name.said is not None and not name.is_wildcard for name in group):
        return []
    at_ns = max(name.goodbye_ns or 0 for name in group)
    announcers = set[IPAddress]().union(*(name.announcers for name in group))
    reach = set[IPAddress]().union(*map(hosts.addresses, announcers))
    reach.update(*(name.addresses for name in group))
    able = [
        agent
        for agent in agents
        if agent.lettered is not False
        and not agent.names
        and agent.began_ns < at_ns
        and not agent.address_set.isdisjoint(reach)
    ]
    return able if len(able) == 1 else []


def _reunite(group: list[NameRecord], holders: dict[str, list[Agent]]) -> None:
    """Move a doubtful name to the session that surely has another one of its page."""
    sure = [
        agent
        for name in group
        for agent in holders.get(name.name, ())
        if name.name not in agent.unsure and name.name not in agent.inherited
    ]
    if not sure:
        return
    owner = min(sure, key=lambda one: one.began_ns)
    for name in group:
        doubtful = [one for one in holders.get(name.name, ()) if name.name in one.unsure]
        if not doubtful or owner in holders[name.name] or len(doubtful) < len(holders[name.name]):
            continue
        for other in doubtful:
            other.names[:] = [one for one in other.names if one.name != name.name]
            del other.unsure[name.name]
        _complete(owner, [name])
        holders[name.name] = [owner]


def _complete(agent: Agent, group: list[NameRecord]) -> None:
    """Add the page's names for the families that a session has none of."""
    have = {
        address.version for one in agent.names if not one.is_wildcard for address in one.addresses
    }
    for name in group:
        versions = {address.version for address in name.addresses}
        if not name.is_wildcard and name not in agent.names and have.isdisjoint(versions):
            agent.names.append(name)
            agent.withdrawn |= {name.name}
            have |= versions
