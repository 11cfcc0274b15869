"""What left before the tunnel came up: information, unless it should have been up always."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pcapleak.judge.columns import TCP, UDP
from pcapleak.judge.context import Scene, SceneTunnel
from pcapleak.judge.endpoints import SHAPED
from pcapleak.judge.judgement import BYPASS, TUNNEL_TRANSPORT
from pcapleak.judge.paths import SETTLED_NS, SYN
from pcapleak.values.packets import Bool


class Begun(NamedTuple):
    """When a tunnel came up."""

    ns: int
    is_shown: bool
    """Whether it did so then, or may have been silent until then."""


def before_tunnel(scene: Scene) -> tuple[Bool, bool]:
    """The client's flows outside that were over before the tunnel's first sign of life, and
    whether the recording shows it coming up then.

    None where it was up already, or never was.
    """
    begun = None if scene.policy.always_on else _first_begun(scene)
    if begun is None:
        return np.zeros(len(scene.columns), np.bool_), True
    outside: Bool = scene.path == BYPASS
    outside[scene.columns.last_ns >= begun.ns] = False
    return outside, begun.is_shown


def _first_begun(scene: Scene) -> Begun | None:
    """When the first tunnel came up; None where one was up already, or none came up."""
    begun: list[Begun] = []
    for tunnel in scene.tunnels:
        if _is_alive(scene, tunnel):
            one = _begun(scene, tunnel)
            if one is None:
                return None
            begun.append(one)
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


def _begun(scene: Scene, tunnel: SceneTunnel) -> Begun | None:
    """When a tunnel came up: the start of its first handshake that was completed, or of its
    carrier's first connection; of both only where nothing was carried before."""
    columns = scene.columns
    carrier = _carrier(scene, tunnel)
    first = int(columns.first_ns[carrier].min()) if carrier.any() else None
    handshakes = [seen for seen in tunnel.seen if seen.confirmed]
    is_shown = True
    if handshakes:
        started = min(seen.handshakes[0].started_ns for seen in handshakes)
        asked = min([*(seen.attempts[0] for seen in handshakes if seen.attempts), started])
        if first is not None and first < asked:
            # Over TCP the connection comes before its handshake.
            if not _opens(scene, carrier, first):
                return None
            started = first
    elif first is not None and _opens(scene, carrier, first):
        started = first
    elif first is not None and _breaks_silence(scene, carrier, first):
        started, is_shown = first, False
    else:
        return None
    within = _within(scene, tunnel)
    if within.any():
        started = min(started, int(columns.first_ns[within].min()))
    return Begun(started, is_shown)


def _breaks_silence(scene: Scene, carrier: Bool, first: int) -> bool:
    """Whether a carrier of no known protocol is first heard of when the client speaks to its
    server, long after the recording began: a handshake that nobody can read, or the first word
    of one that was up."""
    columns = scene.columns
    rows = np.flatnonzero(carrier & (columns.first_ns == first))
    return first >= columns.first_ns.min() + SETTLED_NS and all(
        columns.protocol[row] == UDP
        and not columns.services[row] & SHAPED
        and columns.orig_is_near[row]
        and columns.flows.resp_packets[row]
        for row in rows.tolist()
    )


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
