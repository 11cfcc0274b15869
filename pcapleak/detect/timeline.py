"""The life of each tunnel as the capture shows it, and where in it each leak falls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pcapleak.detect.gather import amount
from pcapleak.detect.judgement import BYPASS, TUNNEL_TRANSPORT
from pcapleak.detect.paths import matches
from pcapleak.detect.scene import Scene, SceneTunnel
from pcapleak.document import Finding, Time, TimelineEvent
from pcapleak.model import Bool

SECOND = 1_000_000_000

SLOW_HANDSHAKE_NS = 1 * SECOND
"""A handshake takes a round trip; one that took longer than this was not answered at first."""

SILENT_NS = 3 * SECOND
"""Between the end of all flows of a tunnel and the next one's start: longer is a loss."""

MAX_EVENTS = 400


class Down(NamedTuple):
    """A time in which a tunnel was down, between two signs of life."""

    start: int
    end: int
    reason: str


@dataclass(slots=True)
class TunnelLife:
    """Signs of life of one tunnel."""

    label: str
    first_ns: int | None = None
    last_ns: int | None = None
    began_by_handshake: bool = False
    up: list[int] = field(default_factory=list)
    rekeys: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    """When it was last seen alive before each loss."""
    down: list[Down] = field(default_factory=list)
    ended_early: bool = False
    """The client went on outside after the tunnel's last sign of life."""


def tunnel_lives(scene: Scene) -> list[TunnelLife]:
    """The life of each tunnel."""
    return [_life(scene, tunnel) for tunnel in scene.tunnels]


def _life(scene: Scene, tunnel: SceneTunnel) -> TunnelLife:
    columns = scene.columns
    life = TunnelLife(tunnel.label)
    carrier: Bool = np.zeros(len(columns), np.bool_)
    for rule in tunnel.endpoints:
        carrier |= (scene.path == TUNNEL_TRANSPORT) & matches(columns, rule)
    # A carrier that nobody answers is an attempt, not a sign of life.
    carrier &= columns.packets > columns.sent_packets
    alive = carrier | columns.on(tunnel.interfaces)
    handshakes = sorted(
        (handshake for seen in tunnel.seen for handshake in seen.handshakes),
        key=lambda handshake: handshake.completed_ns,
    )
    if not alive.any() and not handshakes:
        return life
    firsts = [int(columns.first_ns[alive].min())] if alive.any() else []
    lasts = [int(columns.last_ns[alive].max())] if alive.any() else []
    completed = [handshake.completed_ns for handshake in handshakes]
    life.first_ns = min([*firsts, *completed])
    life.last_ns = max([*lasts, *completed])
    life.began_by_handshake = bool(handshakes) and (
        not firsts or handshakes[0].started_ns <= firsts[0]
    )
    life.up.append(completed[0] if life.began_by_handshake else life.first_ns)
    _silences(scene, alive, life)
    for handshake in handshakes[1 if life.began_by_handshake else 0 :]:
        _handshake(tunnel, life, handshake.started_ns, handshake.completed_ns)
    life.down.sort()
    life.lost = sorted({window.start for window in life.down})
    life.up = sorted({*life.up, *(window.end for window in life.down)})
    _vanished(scene, tunnel, life)
    return life


def _silences(scene: Scene, alive: Bool, life: TunnelLife) -> None:
    """Times that no flow of the tunnel spans."""
    columns = scene.columns
    starts = columns.first_ns[alive]
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    ends = np.maximum.accumulate(columns.last_ns[alive][order])
    for i in np.flatnonzero(starts[1:] - ends[:-1] > SILENT_NS).tolist():
        start, end = int(ends[i]), int(starts[i + 1])
        life.down.append(
            Down(start, end, f"no packet of {life.label} for {(end - start) / 1e9:.1f} s")
        )


def _handshake(tunnel: SceneTunnel, life: TunnelLife, started: int, completed: int) -> None:
    """A rekeying, or the return of a tunnel whose first attempts nobody answered."""
    attempts = [
        time
        for seen in tunnel.seen
        for time in seen.attempts
        if started - 600 * SECOND <= time < completed
    ]
    previous = [
        handshake.completed_ns
        for seen in tunnel.seen
        for handshake in seen.handshakes
        if handshake.completed_ns < completed
    ]
    since = max(previous, default=0)
    unanswered = [time for time in attempts if time > since]
    begun = min([*unanswered, started])
    if completed - begun > SLOW_HANDSHAKE_NS and len(unanswered) > 1:
        life.down.append(
            Down(
                begun,
                completed,
                f"{len(unanswered)} handshakes were begun before one was completed, "
                f"{(completed - begun) / 1e9:.1f} s later",
            )
        )
    else:
        life.rekeys.append(completed)


def _vanished(scene: Scene, tunnel: SceneTunnel, life: TunnelLife) -> None:
    """The tunnel fell silent for good, and only then the client went on outside."""
    assert life.last_ns is not None
    columns = scene.columns
    beside = (scene.path == BYPASS) & (columns.sent_packets > 0)
    within = columns.on(tunnel.interfaces)
    # The server may go on sending to a client whose tunnel is gone.
    last = int(columns.last_ns[within].max()) if within.any() else life.last_ns - SILENT_NS
    if not beside.any() or int(columns.first_ns[beside].min()) < last:
        return
    if int(columns.last_ns[beside].max()) > life.last_ns + SECOND:
        if within.any():
            life.last_ns = last
        life.ended_early = True
        life.lost.append(life.last_ns)


def state_at(life: TunnelLife, ts_ns: int) -> str:
    """Where in a tunnel's life a moment falls."""
    if life.first_ns is None or life.last_ns is None:
        return "never up"
    if ts_ns < life.first_ns:
        return "before it came up" if life.began_by_handshake else "before its first packet"
    if any(window.start < ts_ns < window.end for window in life.down):
        return "down"
    if ts_ns > life.last_ns:
        return "after it was lost" if life.ended_early else "after its last packet"
    return "up"


def timeline(scene: Scene, lives: list[TunnelLife], findings: list[Finding]) -> list[TimelineEvent]:
    """Tunnel states and leaks in the order of time."""
    events: list[TimelineEvent] = []
    for life in lives:
        events += _states(life)
    for finding in findings:
        if finding.severity not in ("critical", "high") or finding.first_time is None:
            continue
        states = [f"{life.label} {state_at(life, finding.first_time)}" for life in lives]
        length = (finding.last_time or finding.first_time) - finding.first_time
        events.append(
            TimelineEvent(
                time=finding.first_time,
                kind="leak",
                subject=f"{finding.id} {finding.subject}",
                text=f"{finding.message} ({'; '.join([*states, f'{length / 1e6:.0f} ms'])}"
                + (f", {amount(finding.bytes)})" if finding.bytes else ")"),
                until=finding.last_time,
                bytes=finding.bytes,
            )
        )
    events.sort(key=lambda event: (event.time, event.kind, event.subject))
    return events[:MAX_EVENTS]


def _states(life: TunnelLife) -> list[TimelineEvent]:
    events = []
    if life.first_ns is None:
        return []
    for position, time in enumerate(life.up):
        back = position > 0
        text = (
            f"{life.label} is back"
            if back
            else f"{life.label} comes up"
            if life.began_by_handshake
            else f"{life.label}'s first packet; it was up before"
        )
        kind = "tunnel-back" if back else "tunnel-up"
        events.append(TimelineEvent(Time(time), kind, life.label, text))
    events += [
        TimelineEvent(Time(time), "tunnel-rekey", life.label, f"{life.label} rekeys")
        for time in life.rekeys
    ]
    events += [
        TimelineEvent(
            Time(window.start), "tunnel-lost", life.label, window.reason, Time(window.end)
        )
        for window in life.down
    ]
    if life.ended_early and life.last_ns is not None:
        events.append(
            TimelineEvent(
                Time(life.last_ns),
                "tunnel-lost",
                life.label,
                f"{life.label}'s last packet; the client went on outside",
            )
        )
    return events
