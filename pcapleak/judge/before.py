"""What left before the tunnel came up: information, unless it should have been up always."""

from __future__ import annotations

import numpy as np

from pcapleak.judge.columns import TCP
from pcapleak.judge.context import Scene, SceneTunnel
from pcapleak.judge.judgement import BYPASS, TUNNEL_TRANSPORT
from pcapleak.judge.paths import SYN
from pcapleak.values.packets import Bool


def before_tunnel(scene: Scene) -> Bool:
    """The client's flows outside that were over before the tunnel's first sign of life.

    None where the recording does not show it coming up: it may have been up, and silent.
    """
    begun = None if scene.policy.always_on else _first_begun_ns(scene)
    if begun is None:
        return np.zeros(len(scene.columns), np.bool_)
    outside: Bool = scene.path == BYPASS
    outside[scene.columns.last_ns >= begun] = False
    return outside


def _first_begun_ns(scene: Scene) -> int | None:
    """When the first tunnel came up; None where one was up already, or none came up."""
    begun: list[int] = []
    for tunnel in scene.tunnels:
        if _is_alive(scene, tunnel):
            time = _begun_ns(scene, tunnel)
            if time is None:
                return None
            begun.append(time)
    return min(begun, default=None)


def _carrier(scene: Scene, tunnel: SceneTunnel) -> Bool:
    carrier: Bool = scene.path == TUNNEL_TRANSPORT
    return carrier & tunnel.carrier


def _within(scene: Scene, tunnel: SceneTunnel) -> Bool:
    """What hosts say inside; what a tunnel's device itself says may be all there is yet."""
    columns = scene.columns
    within = columns.on(tunnel.interfaces)
    return within & ~columns.special(columns.orig) & ~columns.special(columns.resp)


def _is_alive(scene: Scene, tunnel: SceneTunnel) -> bool:
    columns = scene.columns
    answered = _carrier(scene, tunnel) & (columns.packets > columns.sent_packets)
    return bool(answered.any() or _within(scene, tunnel).any()) or any(
        seen.confirmed for seen in tunnel.seen
    )


def _begun_ns(scene: Scene, tunnel: SceneTunnel) -> int | None:
    """When a tunnel came up: the start of its first handshake that was completed, or of its
    carrier's first connection; of both only where nothing was carried before."""
    columns = scene.columns
    carrier = _carrier(scene, tunnel)
    first = int(columns.first_ns[carrier].min()) if carrier.any() else None
    handshakes = [seen for seen in tunnel.seen if seen.confirmed]
    if handshakes:
        started = min(seen.handshakes[0].started_ns for seen in handshakes)
        asked = min([*(seen.attempts[0] for seen in handshakes if seen.attempts), started])
        if first is not None and first < asked:
            return None
    elif first is not None and _opens(scene, carrier, first):
        started = first
    else:
        return None
    within = _within(scene, tunnel)
    return min(started, int(columns.first_ns[within].min())) if within.any() else started


def _opens(scene: Scene, carrier: Bool, first: int) -> bool:
    """Whether a carrier's first packets begin a connection."""
    columns = scene.columns
    rows = np.flatnonzero(carrier & (columns.first_ns == first))
    return all(
        columns.flows.tcp_flags[row] & SYN
        if columns.protocol[row] == TCP
        else row in scene.state.server_names
        for row in rows.tolist()
    )
