"""Why traffic went outside, where the capture shows it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from pcapleak.judge.context import Scene, single
from pcapleak.judge.finding_builder import MAX_REASONS
from pcapleak.judge.judgement import BYPASS, INSIDE_TUNNEL, TUNNEL
from pcapleak.judge.tunnel_life import state_at
from pcapleak.values.addresses import inside, is_public
from pcapleak.values.findings import Finding


def explained(scene: Scene, finding: Finding) -> Finding:
    """The finding with why it happened among its reasons, as far as that shows."""
    row = finding.evidence.flow
    if not scene.tunnels or not finding.kind.has_causes or row is None:
        return finding
    if scene.path[row] != BYPASS:
        return finding
    causes = list(_specific(scene, row)) or list(_general(scene, row))
    return replace(finding, reasons=(*finding.reasons, *causes)[:MAX_REASONS])


def _specific(scene: Scene, row: int) -> Iterator[str]:
    """Causes that packets prove."""
    columns = scene.columns
    near, far = columns.near_endpoint(row).address, columns.far_endpoint(row).address
    for lease in scene.leases():
        for network, router in lease.classless_routes:
            if network.prefixlen and far in network:
                yield f"DHCP server {lease.server} routes {network} through {router}"
        if lease.network is not None and is_public(far) and far in lease.network:
            yield f"DHCP server {lease.server} declares {lease.network} local"
    if inside(near, scene.inner):
        yield (
            f"the program is bound to the tunnel's address {near}, but the route does not lead "
            "into the tunnel"
        )
    if inside(far, scene.inner):
        yield f"{far} belongs inside the tunnel; its route was missing"


def _general(scene: Scene, row: int) -> Iterator[str]:
    """What the tunnel's state leaves as a cause."""
    states = {state_at(life, int(scene.columns.first_ns[row])) for life in scene.lives}
    absent = [_ABSENT[state] for state in sorted(states) if state in _ABSENT]
    if len(absent) == len(states):
        yield f"{' or '.join(absent)}, and no kill switch held"
    else:
        yield from _beside_a_living_tunnel(scene, row)


_ABSENT = {
    "never up": "no tunnel was ever seen up",
    "before it came up": "the tunnel was not up yet",
    "down": "the tunnel was down",
    "after it was lost": "the tunnel had gone down",
}
"""States of a tunnel's life in which it is not there; an idle one is silent and there."""


def _beside_a_living_tunnel(scene: Scene, row: int) -> Iterator[str]:
    columns = scene.columns
    within = np.isin(scene.path, (TUNNEL, INSIDE_TUNNEL))
    if not within.any():
        return
    version = int(columns.version[row])
    host = ~columns.special(columns.orig) & ~columns.special(columns.resp)
    far = columns.far_endpoint(row).address
    if not (within & host & (columns.version == version)).any():
        yield f"the tunnel was up but carried no IPv{version}"
    elif (within & columns.inside(columns.far, [single(far)])).any():
        yield (
            f"the tunnel was up and carried other traffic to {far}, so the program is bound to "
            "the physical interface or its address"
        )
    else:
        yield (
            f"the tunnel was up but its routes do not cover {far}, or the program is bound to "
            "the physical interface"
        )
