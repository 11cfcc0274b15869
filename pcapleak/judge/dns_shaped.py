"""Tunnels in DNS: what goes to a resolver as names that nobody else would ask for.

The names of such queries carry the data: long, hardly ever the same twice, and all below the one
domain whose server is the tunnel's end. What else is asked at the same resolver is no part of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from pcapleak.judge.columns import Columns
from pcapleak.judge.context import Scene, single
from pcapleak.track.resolvers import MAX_NAMES, Resolver
from pcapleak.values.packets import Bool, Service

LEAST_NAMES = 20
"""Different names from which on they tell anything."""
LONG = 40
"""Letters of a name that carries data, in the mean: pages' names have half as many."""
SAME = 0.9
"""Of a resolver's names, how many are below the tunnel's domain at the least."""


def domain(names: Iterable[str]) -> str:
    """The two last labels that all known ones of `names` share; empty for none."""
    found = {".".join(name.rstrip(".").lower().split(".")[-2:]) for name in names if name}
    return found.pop() if len(found) == 1 else ""


def dns_tunnels(scene: Scene, outside: list[int]) -> Bool:
    """Flows of DNS on outside interfaces that may carry a tunnel."""
    columns = scene.columns
    found = np.zeros(len(columns), np.bool_)
    for used in scene.state.resolvers.resolvers():
        if used.interface not in outside or used.layers or used.transport not in ("udp", "tcp"):
            continue
        below = _carrying(used)
        if not below:
            continue
        for row in np.flatnonzero(_at(columns, used)).tolist():
            asked = scene.state.resolvers.asked_on(row)
            found[row] = asked is not None and domain(asked[0]) == below
    return found


def _carrying(used: Resolver) -> str:
    """The domain below which the names at a resolver carry data; empty for none."""
    names = list(used.names)
    if len(names) < LEAST_NAMES or 2 * len(names) < min(used.queries, MAX_NAMES):
        return ""
    below, count = Counter(domain([name]) for name in names).most_common(1)[0]
    mine = [len(name) for name in names if domain([name]) == below]
    return below if count >= SAME * len(names) and sum(mine) >= LONG * len(mine) else ""


def _at(columns: Columns, used: Resolver) -> Bool:
    server = [single(used.endpoint.address)]
    there = columns.inside(columns.resp, server) & (columns.resp_port == used.endpoint.port)
    there |= columns.inside(columns.orig, server) & (columns.orig_port == used.endpoint.port)
    found: Bool = there & columns.on([used.interface]) & columns.serving(Service.DNS)
    return found
