"""PL205: traffic outside while the tunnel was down."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.context import Scene
from pcapleak.judge.exemptions import own_lookups
from pcapleak.judge.finding_builder import flow_evidence, make, public_near, rows_of
from pcapleak.judge.finding_words import FIREWALL_REMEDY, LAN, PROVIDER
from pcapleak.judge.judgement import BYPASS
from pcapleak.judge.tunnel_life import TunnelLife
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import distinct
from pcapleak.values.words import count, duration, size

KIND = FindingKind(
    id="PL205",
    name="tunnel-down-traffic",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=True,
    observers=Observers(
        "traffic while the tunnel was down", (LAN, PROVIDER, "the servers addressed")
    ),
    has_causes=False,
    when="Traffic outside the tunnel while it is down, between its first and last sign of life.",
    meaning=(
        "The tunnel was lost and came back, and in between traffic left outside it: the kill "
        "switch is off or does not hold."
    ),
    confirm=(
        "Filter for the VPN server's address to find the gap, then look at the physical "
        "interface during it."
    ),
    remedy=FIREWALL_REMEDY,
    sources=("USENIX Security 2023, TunnelCrack", "IMC 2018, Khan et al., tunnel failure"),
    weaknesses=(
        "Signs of life are what the capture shows. An idle tunnel without keepalives is silent "
        "too, so only a loss confirmed by a new handshake or a vanished interface counts."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each tunnel."""
    for life in scene.lives:
        yield from _while_down(scene, life)


def _while_down(scene: Scene, life: TunnelLife) -> Iterator[Finding]:
    columns = scene.columns
    sent = (scene.path == BYPASS) & (columns.sent_packets > 0)
    hit = np.zeros(len(columns), np.bool_)
    windows = []
    for window in life.down:
        # A flow that spans a window from before it to after it was beside the tunnel anyway.
        during = sent & (columns.first_ns >= window.start) & (columns.first_ns < window.end)
        if during.any():
            hit |= during
            windows.append(window)
    rows = rows_of(hit)
    # To come back it must find its server.
    rows = rows[~own_lookups(scene, rows)]
    if not len(rows):
        return
    evidence = flow_evidence(scene, rows)
    often = "once" if len(windows) == 1 else f"{len(windows)} times"
    longest = max(window.end - window.start for window in windows)
    interfaces = sorted({scene.label(i) for i in distinct(columns.interface[rows])})
    yield make(
        KIND,
        subject=life.label,
        message=f"While {life.label} was down ({often}, for at most {duration(longest)}), "
        f"{count(evidence.frame_count, 'packet')} of "
        f"{count(len(rows), 'flow')} left {', '.join(interfaces)} outside it, "
        f"{size(evidence.bytes)} in all.",
        evidence=evidence,
        interface=interfaces[0],
        display_filter=_time_filter(windows[0].start, windows[0].end),
        confidence="high",
        addresses=public_near(scene, rows),
        reasons=[window.reason for window in windows],
    )


def _time_filter(start: int, end: int) -> str:
    return f"frame.time_epoch >= {start / 1e9:.6f} and frame.time_epoch < {end / 1e9:.6f}"
