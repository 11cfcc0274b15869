"""PL103 and PL104: one session's sockets on both sides, and sockets that move."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.addresses import is_public
from pcapleak.judge.columns import UDP, Columns
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import (
    address_filter,
    flow_evidence,
    make,
    near_addresses,
    plural,
    rows_of,
)
from pcapleak.judge.judgement import BYPASS, INSIDE_TUNNEL, TUNNEL
from pcapleak.report.document import MAX_FRAMES, Finding
from pcapleak.track.ice.session import Session
from pcapleak.values.packets import Bool, Endpoint, Service

GATHER_NS = 5_000_000_000
"""Gathering on several interfaces begins together; a check list is gathered in seconds."""

MAX_SOCKETS = 64
"""Flows of one session compared with each other: a session has a handful on each side."""


def socket_findings(scene: Scene) -> Iterator[Finding]:
    """PL103 and PL104."""
    yield from _enumeration(scene)
    yield from _path_change(scene)


def _enumeration(scene: Scene) -> Iterator[Finding]:
    """PL103: one session's own sockets on the tunnel and beside it, at one time.

    Of one family: with a tunnel for IPv4 only, Mode 2 too has IPv6 go another way.
    """
    columns = scene.columns
    found: dict[tuple[str, str], tuple[set[int], list[Session]]] = {}
    for session in scene.state.sessions:
        for inner, outer in _side_by_side(scene, session):
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
            "PL103",
            subject=f"{within} and {outside}",
            message=f"{plural(len(sessions), 'session')} gathered on {within} and on {outside} "
            f"at once, from {', '.join(map(str, near[:4]))}: the browser lists all interfaces "
            "(RFC 8828 Mode 1).",
            evidence=flow_evidence(scene, shown),
            interface=outside,
            display_filter="stun and ("
            + " or ".join(address_filter(address, "src") for address in near)
            + ")",
            confidence="high" if any(one.tie_breakers for one in sessions) else "medium",
            addresses=[address for address in near if is_public(address)],
            reasons=[f"session {session.id}" for session in sessions],
        )


def _side_by_side(scene: Scene, session: Session) -> Iterator[tuple[int, int]]:
    """Flows of a session inside and outside that two sockets began at one time."""
    columns = scene.columns
    within = set(scene.inside_ids)
    inner = [row for row in session.flows if int(columns.interface[row]) in within]
    outer = [
        row for row in session.flows if scene.path[row] == BYPASS and columns.sent_packets[row]
    ]
    for a in inner[:MAX_SOCKETS]:
        for b in outer[:MAX_SOCKETS]:
            if (
                columns.near_port[a] != columns.near_port[b]
                and columns.version[a] == columns.version[b]
                and abs(int(columns.first_ns[a]) - int(columns.first_ns[b])) < GATHER_NS
            ):
                yield a, b


def _path_change(scene: Scene) -> Iterator[Finding]:
    """PL104: a UDP port seen inside the tunnel, then outside towards the same far end."""
    columns = scene.columns
    found: dict[tuple[int, Endpoint], list[tuple[int, int]]] = {}
    for before, after in _moves(scene):
        key = int(columns.interface[after]), columns.far_endpoint(after)
        found.setdefault(key, []).append((before, after))
    for (interface, far), moves in found.items():
        label = scene.label(interface)
        before, after = moves[0]
        ports = sorted({int(columns.near_port[row]) for _, row in moves})
        gap_ns = int(columns.first_ns[after] - columns.last_ns[before])
        when = (
            f"{gap_ns / 1e6:.0f} ms after its last packet inside"
            if gap_ns >= 0
            else "and came back inside later"
        )
        sources = near_addresses(scene, np.array([row for _, row in moves], np.int64))
        evidence = flow_evidence(scene, np.array([row for _, row in moves], np.int64))
        inside_frames = {int(columns.sent_frame[row]) for row, _ in moves} - {-1}
        frames = sorted({*inside_frames, *evidence.frames})[:MAX_FRAMES]
        yield make(
            "PL104",
            subject=f"udp {far} from {scene.label(int(columns.interface[before]))} to {label}",
            message=f"UDP port {ports[0]} spoke to {far} inside "
            f"{scene.label(int(columns.interface[before]))} and went on outside on {label}, from "
            f"{sources[0]}, {when}"
            + (f"; so did {plural(len(ports) - 1, 'more port')}." if len(ports) > 1 else "."),
            evidence=evidence._replace(frames=frames),
            interface=label,
            display_filter=f"udp.port in {{{', '.join(map(str, ports[:MAX_FRAMES]))}}} and "
            f"{address_filter(far.address)}",
            addresses=[address for address in sources if is_public(address)],
            reasons=[
                f"{columns.near_endpoint(row)} inside, then {columns.near_endpoint(later)} outside"
                for row, later in moves
            ],
        )


def _moves(scene: Scene) -> Iterator[tuple[int, int]]:
    """Flows inside, each with one outside that went on for it.

    Sockets of one port on each side that begin together are two sockets, not one that moves.
    """
    columns = scene.columns
    udp = (columns.protocol == UDP) & ~columns.serving(Service.DNS | Service.MDNS)
    gone = list(_times_without_device(scene))
    for before, row in both_sides(scene, udp):
        begun = int(columns.first_ns[row])
        if (
            begun > columns.last_ns[before]
            or begun - columns.first_ns[before] > GATHER_NS
            or (
                begun >= columns.first_ns[before]
                and any(start <= begun < end for start, end in gone)
            )
        ):
            yield before, row


def _times_without_device(scene: Scene) -> Iterator[tuple[int, int]]:
    """When a tunnel's device was gone, up to its return: its sockets go outside and come back."""
    names = {scene.label(number) for number in scene.inside_ids}
    gone: dict[str, int] = {}
    for change in scene.state.device_changes:
        if change.name not in names:
            continue
        if not change.present:
            gone.setdefault(change.name, change.since_ns)
        elif change.name in gone:
            yield gone.pop(change.name), change.ts_ns


def both_sides(scene: Scene, among: Bool) -> Iterator[tuple[int, int]]:
    """Flows inside with flows outside of the same port towards the same far end."""
    columns = scene.columns
    inner = rows_of(among & np.isin(scene.path, (TUNNEL, INSIDE_TUNNEL)))
    outer = rows_of(among & (scene.path == BYPASS) & (columns.sent_packets > 0))
    if not len(inner) or not len(outer):
        return
    inner_keys, outer_keys = columns.socket_keys(inner), columns.socket_keys(outer)
    shared = np.intersect1d(inner_keys, outer_keys)
    inside_by: dict[tuple[int, int, Endpoint], int] = {}
    for row in inner[np.isin(inner_keys, shared)].tolist():
        key = _socket(columns, row)
        if key not in inside_by or columns.first_ns[row] < columns.first_ns[inside_by[key]]:
            inside_by[key] = row
    for row in outer[np.isin(outer_keys, shared)].tolist():
        before = inside_by.get(_socket(columns, row))
        if before is not None:
            yield before, row


def _socket(columns: Columns, row: int) -> tuple[int, int, Endpoint]:
    return int(columns.protocol[row]), int(columns.near_port[row]), columns.far_endpoint(row)
