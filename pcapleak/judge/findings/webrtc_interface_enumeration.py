"""PL103: one session gathers on the tunnel and beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.context import Scene
from pcapleak.judge.exemptions import from_carrier_socket
from pcapleak.judge.finding_builder import address_filter, flow_evidence, make, near_addresses
from pcapleak.judge.finding_words import PROVIDER
from pcapleak.judge.judgement import BYPASS
from pcapleak.judge.webrtc_flows import GATHER_NS
from pcapleak.track.ice.session import Session
from pcapleak.values.addresses import is_public
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Bool
from pcapleak.values.words import count

MAX_SOCKETS = 64
"""Flows of one session compared with each other: a session has a handful on each side."""

KIND = FindingKind(
    id="PL103",
    name="webrtc-interface-enumeration",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=True,
    observers=Observers(
        "gathering on several interfaces", (PROVIDER, "the STUN server", "the page")
    ),
    has_causes=False,
    tested_by=("stun",),
    when="One session gathers from more than one interface while a tunnel is up (RFC 8828 Mode 1).",
    meaning=(
        "The browser queried STUN servers from every network interface it found, both the "
        "tunnel's and the physical one. This mode bypasses a VPN by design; browsers allow it "
        "once a page has camera or microphone permission."
    ),
    confirm=(
        "Filter for stun.type == 0x0001 and look for requests from different source addresses "
        "and interfaces within the same second, linked by one tie-breaker or one server."
    ),
    remedy=(
        "Set WebRtcIPHandling (or WebRtcIPHandlingUrl for sites with camera permission) to "
        "default_public_interface_only or disable_non_proxied_udp, revoke camera and microphone "
        "permissions, and have the kill switch drop UDP that is bound to the physical interface."
    ),
    sources=("RFC 8828 section 5.2", "RFC 8828 section 6"),
    weaknesses="Without a tie-breaker, two programs that gather at the same moment look like one.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """One session's own sockets on the tunnel and beside it, at one time.

    Of one family: with a tunnel for IPv4 only, Mode 2 too has IPv6 go another way.
    """
    if not scene.has_policy:
        return
    columns = scene.columns
    # A VPN client asks STUN servers from its carrier's socket while pages gather inside.
    beside = (scene.path == BYPASS) & (columns.sent_packets > 0) & ~from_carrier_socket(scene)
    found: dict[tuple[str, str], tuple[set[int], list[Session]]] = {}
    for session in scene.state.sessions:
        for inner, outer in _side_by_side(scene, session, beside):
            labels = (
                scene.label(int(columns.interface[inner])),
                scene.label(int(columns.interface[outer])),
            )
            rows, sessions = found.setdefault(labels, (set(), []))
            rows.update((inner, outer))
            if session not in sessions:
                sessions.append(session)
    for (within, outside), (rows, sessions) in found.items():
        shown = np.array(sorted(rows), np.int64)
        near = near_addresses(scene, shown)
        yield make(
            KIND,
            subject=f"{within} and {outside}",
            message=f"{count(len(sessions), 'session')} gathered on {within} and on {outside} at "
            f"the same time, from {', '.join(map(str, near[:4]))}: the browser "
            "enumerates all interfaces (RFC 8828 Mode 1).",
            evidence=flow_evidence(scene, shown),
            interface=outside,
            display_filter="(stun or classicstun) and ("
            + " or ".join(address_filter(address, "src") for address in near)
            + ")",
            confidence="high" if any(one.tie_breakers for one in sessions) else "medium",
            addresses=[address for address in near if is_public(address)],
            reasons=[f"session {session.id}" for session in sessions],
        )


def _side_by_side(scene: Scene, session: Session, beside: Bool) -> Iterator[tuple[int, int]]:
    """Flows of a session inside and `beside` the tunnel that two sockets began at one time."""
    columns = scene.columns
    within = set(scene.inside_ids)
    inner = [row for row in session.flows if int(columns.interface[row]) in within]
    outer = [row for row in session.flows if beside[row]]
    for a in inner[:MAX_SOCKETS]:
        for b in outer[:MAX_SOCKETS]:
            if (
                columns.near_port[a] != columns.near_port[b]
                and columns.version[a] == columns.version[b]
                and abs(int(columns.first_ns[a]) - int(columns.first_ns[b])) < GATHER_NS
            ):
                yield a, b
