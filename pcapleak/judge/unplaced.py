"""Interfaces that are called like tunnels, or built like them, beside one that is: what left
through them may have gone inside, or past it. And tunnels beside the one that a policy names."""

from __future__ import annotations

import numpy as np

from pcapleak.judge.carriers import carried_outside
from pcapleak.judge.context import Scene, single
from pcapleak.judge.endpoints import SHAPED
from pcapleak.values.claims import Strength
from pcapleak.values.packets import Bool


def unplaced(scene: Scene) -> list[int]:
    """Interfaces with traffic of their own to the world of which nothing but a name or a kind of
    device says that it went into a tunnel, where another one is there for that."""
    given = {tunnel.label for tunnel in scene.tunnels if tunnel.given}
    used = [number for number in scene.ids("tunnel") if _is_used(scene, number)]
    labels = {scene.label(number) for number in used} | given
    if len(labels) < 2:
        return []
    loose = [
        number
        for number in used
        if scene.roles[number].strength is Strength.TYPICAL
        and scene.label(number) not in given
        and not _is_carried(scene, number)
    ]
    packets = np.bincount(scene.columns.interface, scene.columns.packets, len(scene.roles))
    loose.sort(key=lambda number: float(packets[number]))
    # A carrier that too little went through to compare is the busiest one's.
    if len(loose) == len(used) and any(tunnel.seen for tunnel in scene.tunnels):
        loose.pop()
    return loose


def other_tunnels(scene: Scene) -> list[int]:
    """Tunnels that the policy does not name, beside one whose interface it does, with traffic of
    their own to the world: it went past the one that was named.

    Where every tunnel has routes, what they do not name may go anywhere.
    """
    named = [tunnel for tunnel in scene.tunnels if tunnel.given and tunnel.is_named]
    if not any(tunnel.interfaces for tunnel in named) or all(one.routes for one in scene.tunnels):
        return []
    within = set(scene.inside_ids)
    return [n for n in scene.ids("tunnel") if n not in within and _is_used(scene, n)]


def _is_used(scene: Scene, number: int) -> bool:
    """Whether something that no other interface shows went through one to public addresses, and
    not the carrier of another tunnel alone."""
    columns = scene.columns
    rows = columns.on([number]) & (columns.encapsulation == 0)
    world = rows & (columns.public(columns.orig) | columns.public(columns.resp))
    elsewhere = columns.socket_keys(np.flatnonzero(columns.interface != number))
    here = columns.socket_keys(np.flatnonzero(world))
    if np.isin(here, elsewhere).all():
        return False
    special = columns.special(columns.orig) | columns.special(columns.resp)
    return bool((rows & ~special & ~_carrying(scene, number)).any())


def _carrying(scene: Scene, number: int) -> Bool:
    """Flows of an interface that carry another tunnel of the scene, which runs inside it."""
    columns = scene.columns
    found = columns.serving(SHAPED)
    for tunnel in scene.tunnels:
        if not tunnel.interfaces or number in tunnel.interfaces:
            continue
        fit = carried_outside(scene, tunnel.interfaces, [number])
        if fit is not None:
            servers = list(map(single, fit.servers))
            found |= columns.touching(servers)
    return found


def _is_carried(scene: Scene, number: int) -> bool:
    """Whether what went in came out elsewhere: outside, or in another tunnel."""
    mine = [tunnel for tunnel in scene.tunnels if number in tunnel.interfaces]
    if any(tunnel.given or tunnel.conserved is not None for tunnel in mine):
        return True
    others = [other for other in range(len(scene.roles)) if other != number]
    return carried_outside(scene, [number], others) is not None
