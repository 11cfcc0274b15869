"""Interfaces that are called like tunnels, or built like them, beside one that is: what left
through them may have gone inside, or past it."""

from __future__ import annotations

import numpy as np

from pcapleak.judge.carriers import carried_outside
from pcapleak.judge.context import Scene
from pcapleak.values.claims import Strength


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


def _is_used(scene: Scene, number: int) -> bool:
    """Whether something that no other interface shows went through one to public addresses."""
    columns = scene.columns
    rows = columns.on([number]) & (columns.encapsulation == 0)
    rows &= columns.public(columns.orig) | columns.public(columns.resp)
    elsewhere = columns.socket_keys(np.flatnonzero(columns.interface != number))
    here = columns.socket_keys(np.flatnonzero(rows))
    return not bool(np.isin(here, elsewhere).all())


def _is_carried(scene: Scene, number: int) -> bool:
    """Whether what went in came out elsewhere: outside, or in another tunnel."""
    mine = [tunnel for tunnel in scene.tunnels if number in tunnel.interfaces]
    if any(tunnel.given or tunnel.conserved is not None for tunnel in mine):
        return True
    others = [other for other in range(len(scene.roles)) if other != number]
    return carried_outside(scene, [number], others) is not None
