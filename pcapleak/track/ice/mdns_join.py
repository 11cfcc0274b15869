"""Which `.local` names hide which session's addresses.

Chromium announces a name for each address when it gathers (draft-ietf-mmusic-mdns-ice-
candidates section 3.1.1), in the order of the gatherings (see `responders`). A page keeps its
names: a later session of the page announces only what is new. Where several sessions can have
asked for a name, the join says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from pcapleak.track.ice.agents import AT_ONCE_NS, Agent
from pcapleak.track.ice.answered import (
    BEFORE_NS,
    BORN_NS,
    MAX_LOOK_BACK,
    began,
    families,
    give_answered,
    join_answered,
    reach_of,
    shown_by,
    unseen_sessions,
)
from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.ice.parting import part
from pcapleak.track.ice.responders import (
    PROMPT_NS,
    QUEUE_NS,
    Batch,
    Page,
    Responder,
    asked_between,
    find_responders,
)
from pcapleak.track.ice.withdrawn import join_withdrawn, withdrawals
from pcapleak.track.names import NameRecord
from pcapleak.values.packets import SECOND, IPAddress

RELOAD_NS = SECOND
"""A page that is loaded again gathers again after more than this, mostly."""

RELOAD_FULL_NS = SECOND // 2
"""The same where the queue is full: what fills it is loading again and again."""

SPAN_NS = SECOND // 5
"""How long after a session's first packet it asks for the names of unspecified addresses: a
server has answered by then."""


def attach_names(
    agents: list[Agent], names: Iterable[NameRecord], hosts: Hosts, end_ns: int
) -> list[Agent]:
    """Give local sessions their names; names without a session make one of their own. `end_ns`
    is when the recording ended."""
    made = [name for name in names if name.uuid is not None]
    announced = sorted(
        (name for name in made if name.said is not None),
        key=lambda name: (name.first_ns or 0, name.name),
    )
    local = sorted((agent for agent in agents if agent.local), key=lambda one: one.began_ns)
    end_ns = max(
        [
            end_ns,
            *(one.last_ns for one in agents),
            *(name.said.last_ns for name in announced if name.said),
        ]
    )
    unseen: list[Agent] = []
    for group in _by_host([name for name in announced if name.nsec]):
        unseen += _join_host(group, local, hosts, end_ns)
    join_withdrawn(withdrawals(made), local, hosts)
    unseen += join_answered([name for name in announced if not name.nsec], local, hosts)
    _adopt_late(local, unseen, hosts)
    others = [agent for agent in agents if not agent.local]
    everyone = [*others, *local, *(one for one in unseen if one.names)]
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


def _join_host(
    names: list[NameRecord], local: list[Agent], hosts: Hosts, end_ns: int
) -> list[Agent]:
    """Join one host's announced names with its sessions; gives the sessions of the others."""
    reach = reach_of(names, hosts)
    able = [
        agent
        for agent in local
        if agent.lettered is not False and not agent.address_set.isdisjoint(reach)
    ]
    answered = [name for name in names if all(asked for _, asked in name.times)]
    responders = find_responders([name for name in names if name not in answered])
    for agent in list(able):
        parts = part(agent, responders)
        if len(parts) > 1:
            for everyone in (able, local):
                place = everyone.index(agent)
                everyone[place : place + 1] = parts
            for responder in responders:
                for batch in responder.batches:
                    batch.is_blurred |= abs(batch.first_ns - agent.began_ns) <= AT_ONCE_NS
    batches = [batch for responder in responders for batch in responder.batches]
    _settle(responders, able)
    parents = _give(batches, able)
    for responder in responders:
        waiting = responder.is_resumed
        for number, batch in enumerate(responder.batches):
            waiting &= number == 0 or not batch.is_prompt
            announced = {one.name for one in batch.names}
            for agent in able:
                mine = announced.intersection(one.name for one in agent.names)
                if waiting:
                    agent.resumed |= mine
                if responder.has_gap:
                    agent.gapped |= mine
    left = give_answered(answered, able, parents)
    for agent in able:
        page = parents.get(id(agent))
        is_doubtful = False
        if page is None:
            page, is_doubtful = _shared(agent, responders, end_ns)
        if page is None:
            continue
        _inherit(agent, page)
        if is_doubtful:
            agent.reloaded |= agent.inherited
        if len(responders) > 1:
            agent.unsure.update({one: [] for one in agent.inherited if one not in agent.unsure})
    orphans = [batch for batch in batches if batch.agent is None]
    lost = [*(batch.names for batch in orphans), left]
    return [unseen for names in lost for unseen in unseen_sessions(names)]


def _settle(responders: list[Responder], able: list[Agent]) -> None:
    """Find for each batch the session that asked for it: of one responder in order, and no
    session twice."""
    usual = max((one.usual for one in responders), default=0)
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
        else:
            low, high = asked_between(batch, usual, PROMPT_NS)
            left.sort(key=lambda one: not low <= one.began_ns <= high)
        if left:
            batch.agent, *batch.others = left
            taken.add(id(batch.agent))
            # Names of a further page behind it show that it may have been one of before.
            first = [one.is_prompt for one in batch.responder.batches[:2]] == [True, False]
            first &= batch is batch.responder.batches[0]
            late_ns = batch.first_ns - batch.agent.began_ns
            if batch.is_prompt and (abs(late_ns) if first else late_ns) > AT_ONCE_NS:
                # With nothing waiting it would have been announced at once.
                batch.responder.has_gap = True
                batch.responder.is_resumed |= first
        elif batch.is_prompt and fits[batch]:
            # Two browsers began in one instant, and their sockets are taken for one session.
            (batch.agent, *_) = fits[batch]
            for other in fits:
                other.is_blurred |= other.agent is batch.agent
    for responder in responders:
        for batch in responder.batches:
            before = batch.continues
            asker = None if before is None else before.agent
            if all(name.is_wildcard for name in batch.names):
                low, high = asked_between(batch, usual)
                able_to = began(able, low - SPAN_NS, high)
                late = [one for one in able_to if id(one) not in taken]
                if asker not in able_to and len(late) == 1:
                    # Its host names were dropped, and these are all of its page's.
                    (batch.agent,) = late
                    taken.add(id(batch.agent))
                    batch.leave_page()
                    continue
            if asker is not None and batch.first_ns - asker.began_ns <= BORN_NS:
                batch.agent = asker


def _fitting(batch: Batch, able: list[Agent], usual: int) -> list[Agent]:
    """The sessions that can have asked for a batch, in the order they began."""
    if all(name.is_wildcard for name in batch.names):
        return []
    if batch.is_prompt:
        at_once = began(able, batch.first_ns - AT_ONCE_NS, batch.first_ns + AT_ONCE_NS)
        return at_once or began(able, batch.first_ns - QUEUE_NS, batch.first_ns + BEFORE_NS)
    low, high = asked_between(batch, usual)
    found = began(able, low, high + AT_ONCE_NS)
    # What a queue of before holds is of sessions of before, rather than of ones that nearly fit.
    return found if batch.responder.is_resumed else found or began(able, low, high + BEFORE_NS)


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


def _shared(agent: Agent, responders: list[Responder], end_ns: int) -> tuple[Page | None, bool]:
    """The page whose names a session has that asked for none: that of the session before it,
    if names of its own would have been announced, and recorded. Soon after that one it is taken
    for the same page's also where they would not: then it is doubtful."""
    found: Batch | None = None
    is_doubtful = False
    for responder in responders:
        before = [one for one in responder.batches if _asked_ns(one) <= agent.began_ns]
        if not before:
            continue
        ahead = [
            one
            for one in responder.batches
            if one.agent is None and asked_between(one, 1)[0] <= agent.began_ns
        ]
        due_ns = max(one.last_ns for one in (*before[-2:], *ahead[-1:])) + SECOND
        due_ns = max(agent.began_ns, due_ns)
        since_ns = agent.began_ns - _asked_ns(before[-1])
        is_full = due_ns - agent.began_ns > QUEUE_NS - SECOND
        if is_full and since_ns > RELOAD_FULL_NS:
            continue
        if due_ns + SECOND > end_ns and since_ns > RELOAD_NS:
            continue
        if found is None or _asked_ns(before[-1]) > _asked_ns(found):
            found, is_doubtful = before[-1], is_full
    return (None if found is None or found.agent is None else found.page), is_doubtful


def _asked_ns(batch: Batch) -> int:
    return batch.first_ns if batch.agent is None else batch.agent.began_ns


def _adopt_late(agents: list[Agent], unseen: list[Agent], hosts: Hosts) -> None:
    """Join a session of names with the socket that showed itself later: its first packets took
    a way that was not recorded, and a keep-alive took another (tunnel lost)."""
    reach = [reach_of(other.names, hosts) for other in unseen]
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
    have = families(agent)
    for version in (4, 6):
        if version in have:
            continue
        mine = {address for address in agent.addresses if address.version == version}
        known = [
            name
            for name in page.names
            if name.nsec
            and _alive(name, agent.began_ns)
            and any(address.version == version for address in shown_by(name))
            and (not mine or mine.intersection(name.addresses))
        ]
        before = [name for name in known if (name.first_ns or 0) <= agent.began_ns + BEFORE_NS]
        chosen = before[-1:] or known[:1]
        for name in chosen:
            if (name.first_ns or 0) <= agent.began_ns + QUEUE_NS:
                agent.names.append(name)
                agent.inherited |= {name.name}
