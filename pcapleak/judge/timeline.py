"""The life of each tunnel as the capture shows it, and where in it each leak falls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.context import Scene, SceneTunnel
from pcapleak.judge.judgement import BYPASS, TUNNEL_TRANSPORT, Event
from pcapleak.judge.tunnel_life import Down, TunnelLife, state_at
from pcapleak.values.findings import Finding, Severity
from pcapleak.values.packets import SECOND as SECOND
from pcapleak.values.packets import Bool, DeviceChange
from pcapleak.values.words import duration, size

SLOW_HANDSHAKE_NS = 1 * SECOND
"""A handshake takes a round trip; one that took longer than this was not answered at first."""

SILENT_NS = 3 * SECOND
"""Between the end of a carrier's flows and the next one's start, where no handshake is seen:
longer is a loss."""

MAX_EVENTS = 400


def tunnel_lives(scene: Scene) -> list[TunnelLife]:
    """The life of each tunnel."""
    return [_life(scene, tunnel) for tunnel in scene.tunnels]


def _life(scene: Scene, tunnel: SceneTunnel) -> TunnelLife:
    columns = scene.columns
    life = TunnelLife(tunnel.label)
    carrier: Bool = (scene.path == TUNNEL_TRANSPORT) & tunnel.carrier
    # A carrier that nobody answers is an attempt, not a sign of life.
    carrier &= columns.packets > columns.sent_packets
    alive = carrier | columns.on(tunnel.interfaces)
    handshakes = sorted(
        (handshake for seen in tunnel.seen for handshake in seen.handshakes),
        key=lambda handshake: handshake.completed_ns,
    )
    changes = _device_changes(scene, tunnel)
    if not alive.any() and not handshakes and not changes:
        return life
    firsts = [int(columns.first_ns[alive].min())] if alive.any() else []
    lasts = [int(columns.last_ns[alive].max())] if alive.any() else []
    if changes:
        firsts.append(changes[0].ts_ns if changes[0].present else changes[0].since_ns)
        lasts.append(changes[-1].ts_ns if changes[-1].present else firsts[-1])
    completed = [handshake.completed_ns for handshake in handshakes]
    life.first_ns = min([*firsts, *completed])
    life.last_ns = max([*lasts, *completed])
    life.began_by_handshake = bool(handshakes) and (
        not firsts or handshakes[0].started_ns <= firsts[0]
    )
    if alive.any() or handshakes:
        life.up.append(completed[0] if life.began_by_handshake else life.first_ns)
    _absences(scene, tunnel, life, changes)
    gone = list(life.down)
    _gaps(scene, tunnel, life, carrier, completed)
    for handshake in handshakes[1 if life.began_by_handshake else 0 :]:
        _handshake(tunnel, life, handshake.started_ns, handshake.completed_ns)
    # That its device was gone is surer, and sharper, than what a tunnel's silence tells.
    silent = life.down[len(gone) :]
    life.down = sorted([*gone, *(w for w in silent if not any(_overlap(w, g) for g in gone))])
    life.lost = sorted({*life.lost, *(window.start for window in life.down)})
    life.up = sorted({*life.up, *(window.end for window in life.down)})
    if not life.ended_early:
        _vanished(scene, tunnel, life)
    return life


def _device_changes(scene: Scene, tunnel: SceneTunnel) -> list[DeviceChange]:
    """What a watch noticed of the tunnel's device."""
    names = {tunnel.label, *(scene.label(number) for number in tunnel.interfaces)}
    return [change for change in scene.state.device_changes if change.name in names]


def _absences(
    scene: Scene, tunnel: SceneTunnel, life: TunnelLife, changes: list[DeviceChange]
) -> None:
    """Times in which the tunnel's device was gone; one that stays gone ends its life.

    It went between two looks at the machine: after its last packet, if that came between them.
    """
    lasts = scene.columns.last_ns[scene.columns.on(tunnel.interfaces)]
    start: int | None = None
    for change in changes:
        if not change.present:
            seen = lasts[lasts <= change.ts_ns]
            start = start or max(change.since_ns, int(seen.max(initial=0)))
        elif start is not None:
            reason = (
                f"the device {change.name} was gone for at most {duration(change.ts_ns - start)}"
            )
            life.down.append(Down(start, change.ts_ns, reason))
            start = None
    if start is not None:
        life.last_ns = start
        life.ended_early = True
        life.lost.append(start)


def _overlap(one: Down, other: Down) -> bool:
    return one.start < other.end and other.start < one.end


def _gaps(
    scene: Scene, tunnel: SceneTunnel, life: TunnelLife, carrier: Bool, completed: list[int]
) -> None:
    """Times that no flow of the carrier spans: it came back from another port or server.

    The server may go on sending to a client whose tunnel is gone, so where the inside was
    recorded its last packet is the last proof of life.
    """
    columns = scene.columns
    starts = columns.first_ns[carrier]
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    ends = np.maximum.accumulate(columns.last_ns[carrier][order])
    inside = columns.last_ns[columns.on(tunnel.interfaces)]
    for i in np.flatnonzero(starts[1:] > ends[:-1]).tolist():
        last, start = int(ends[i]), int(starts[i + 1])
        again = [time for time in completed if start <= time < start + SLOW_HANDSHAKE_NS]
        if not again and start - last <= SILENT_NS:
            continue
        seen = inside[inside < start]
        alive = min(last, int(seen.max())) if len(seen) else last
        end = again[0] if again else start
        how = "a new handshake" if again else "the next packet"
        reason = f"{life.label} was lost at most {duration(end - alive)} before {how}"
        life.down.append(Down(alive, end, reason))


def _handshake(tunnel: SceneTunnel, life: TunnelLife, started: int, completed: int) -> None:
    """A rekeying, or the return of a tunnel whose first attempts nobody answered."""
    if any(window.end == completed for window in life.down):
        return
    since = max(
        (
            handshake.completed_ns
            for seen in tunnel.seen
            for handshake in seen.handshakes
            if handshake.completed_ns < completed
        ),
        default=0,
    )
    unanswered = [
        time for seen in tunnel.seen for time in seen.attempts if since < time < completed
    ]
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
    last = int(columns.last_ns[within].max()) if within.any() else life.last_ns - SILENT_NS
    if not beside.any() or int(columns.first_ns[beside].min()) < last:
        return
    if int(columns.last_ns[beside].max()) > life.last_ns + SECOND:
        if within.any():
            life.last_ns = last
        life.ended_early = True
        life.lost.append(life.last_ns)


def timeline(scene: Scene, findings: list[Finding]) -> list[Event]:
    """Tunnel states and leaks in the order of time."""
    events: list[Event] = []
    for life in scene.lives:
        events += _states(life)
    events += _devices(scene.state.device_changes)
    for finding in findings:
        first_ns, last_ns = finding.evidence.first_ns, finding.evidence.last_ns
        if finding.severity < Severity.HIGH or first_ns is None:
            continue
        states = [f"{life.label} {state_at(life, first_ns)}" for life in scene.lives]
        length_ns = (last_ns or first_ns) - first_ns
        volume = finding.evidence.bytes
        events.append(
            Event(
                ts_ns=first_ns,
                kind="leak",
                subject=f"{finding.kind.id} {finding.subject}",
                text=f"{finding.message.rstrip('.')} ({'; '.join([*states, duration(length_ns)])}"
                + (f", {size(volume)})" if volume else ")"),
                until_ns=last_ns,
                bytes=volume,
            )
        )
    events.sort(key=lambda event: (event.ts_ns, event.kind, event.subject))
    return events[:MAX_EVENTS]


def _devices(changes: list[DeviceChange]) -> Iterator[Event]:
    for change in changes[:MAX_EVENTS]:
        kind, what = ("back", "is here") if change.present else ("gone", "is gone")
        yield Event(
            change.ts_ns, f"interface-{kind}", change.name, f"the device {change.name} {what}"
        )


def _states(life: TunnelLife) -> list[Event]:
    events = []
    if life.first_ns is None:
        return []
    returns = {window.end for window in life.down}
    for time in life.up:
        back = time in returns
        text = (
            f"{life.label} came back"
            if back
            else f"{life.label} came up"
            if life.began_by_handshake
            else f"first packet on {life.label}, which was already up"
        )
        kind = "tunnel-back" if back else "tunnel-up"
        events.append(Event(time, kind, life.label, text))
    events += [
        Event(time, "tunnel-rekey", life.label, f"{life.label} changed keys")
        for time in life.rekeys
    ]
    events += [
        Event(window.start, "tunnel-lost", life.label, window.reason, window.end)
        for window in life.down
    ]
    if life.ended_early and life.last_ns is not None:
        events.append(
            Event(
                life.last_ns,
                "tunnel-lost",
                life.label,
                f"last packet on {life.label}; the client kept sending outside it",
            )
        )
    return events
