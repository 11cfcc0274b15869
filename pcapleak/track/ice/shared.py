"""Username fragments that several agents use: they join nothing by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from pcapleak.track.ice.hosts import Hosts
from pcapleak.track.ice.sockets import Socket


def shared_fragments(sockets: Sequence[Socket], hosts: Hosts) -> set[str]:
    """The fragments among those of `sockets` that are no agent's own.

    RFC 8445 section 5.3 asks for 24 random bits for each session; some programs have a constant
    (clients and server alike), and a stranger may send what it has read.
    """
    users: dict[str, list[Socket]] = {}
    for socket in sockets:
        for fragment in socket.fragments:
            users.setdefault(fragment, []).append(socket)
    return {
        fragment
        for fragment, mine in users.items()
        if len(mine) > 1 and _is_shared(fragment, mine, hosts)
    }


def _is_shared(fragment: str, users: list[Socket], hosts: Hosts) -> bool:
    """Whether these sockets are of several agents: they check each other by one fragment, have
    tie-breakers that no socket has together, or none and addresses of several hosts."""
    if any(fragment in socket.peer_fragments for socket in users):
        return True
    ties: set[int] = set()
    for socket in users:
        if ties and socket.tie_breakers and ties.isdisjoint(socket.tie_breakers):
            return True
        ties.update(socket.tie_breakers)
    first = users[0].local.address
    return not ties and any(hosts.apart(first, socket.local.address) for socket in users[1:])
