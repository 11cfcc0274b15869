"""Sessions of several browsers that began in one instant.

Time alone joins sockets that began together. Where several responders of the host began to
announce in that instant, several pages asked, each right before its responder.
"""

from __future__ import annotations

from collections.abc import Iterable

from pcapleak.track.ice.agents import AT_ONCE_NS, Agent
from pcapleak.track.ice.responders import EARLY_NS, Responder
from pcapleak.track.ice.sockets import Socket
from pcapleak.values.packets import Endpoint, IPAddress


def part(agent: Agent, responders: Iterable[Responder]) -> list[Agent]:
    """The sessions that one is: itself alone, unless each of several responders that began with
    it has sockets of its own, which asked the same servers from the same addresses."""
    if agent.tie_breakers or len(agent.udp) < 2:
        return [agent]
    times = sorted(
        batch.first_ns + EARLY_NS
        for responder in responders
        for batch in responder.batches
        if batch.is_prompt and -EARLY_NS <= batch.first_ns - agent.began_ns <= AT_ONCE_NS
    )
    if len(times) < 2:
        return [agent]
    parts: list[list[Socket]] = [[] for _ in times]
    for socket in agent.sockets:
        place = next((i for i, time in enumerate(times) if socket.first_ns <= time), -1)
        parts[place].append(socket)
    if not all(parts) or len({frozenset(_asked(sockets)) for sockets in parts}) != 1:
        return [agent]
    began = [min(socket.first_ns for socket in sockets) for sockets in parts]
    views = [agent.views, *([] for _ in parts[1:])]
    return [Agent(*one) for one in zip(began, parts, views, strict=True)]


def _asked(sockets: Iterable[Socket]) -> set[tuple[IPAddress, Endpoint]]:
    return {(one.local.address, server) for one in sockets for server in one.destinations}
