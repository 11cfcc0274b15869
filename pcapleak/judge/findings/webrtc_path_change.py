"""PL104: a socket that spoke inside the tunnel goes on outside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.beside import both_sides
from pcapleak.judge.columns import UDP
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import address_filter, flow_evidence, make, near_addresses
from pcapleak.judge.finding_words import FIREWALL_REMEDY, LAN, PROVIDER
from pcapleak.judge.webrtc_flows import GATHER_NS
from pcapleak.values.addresses import is_public
from pcapleak.values.evidence import MAX_FRAMES
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Endpoint, Service
from pcapleak.values.words import count, duration

KIND = FindingKind(
    id="PL104",
    name="webrtc-path-change",
    severity=Severity.CRITICAL,
    is_leak=True,
    exposes=True,
    observers=Observers(
        "a socket that moved outside", (LAN, PROVIDER, "the far end of the socket")
    ),
    has_causes=False,
    tested_by=("stun",),
    when="One UDP source port moves from the tunnel to the physical interface.",
    meaning=(
        "The socket that sent inside the tunnel kept sending outside it when the tunnel failed. "
        "A running call or an idle connection thus shows the host's own address without the "
        "user doing anything."
    ),
    confirm=(
        "Filter for udp.port == PORT on both interfaces, in order of time: first inside the "
        "tunnel, then on the physical interface with the physical address."
    ),
    remedy=FIREWALL_REMEDY,
    sources=("RFC 8445 section 11", "RFC 8489 section 6.2.1"),
    weaknesses="Both sides must be recorded; a recorder may stop when one interface vanishes.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """A UDP port seen inside the tunnel, then outside towards the same far end."""
    if not scene.has_policy:
        return
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
            f"{duration(gap_ns)} after its last packet inside"
            if gap_ns >= 0
            else "and later returned to the tunnel"
        )
        sources = near_addresses(scene, np.array([row for _, row in moves], np.int64))
        evidence = flow_evidence(scene, np.array([row for _, row in moves], np.int64))
        inside_frames = {int(columns.sent_frame[row]) for row, _ in moves} - {-1}
        frames = sorted({*inside_frames, *evidence.frames})[:MAX_FRAMES]
        yield make(
            KIND,
            subject=f"udp {far} from {scene.label(int(columns.interface[before]))} to {label}",
            message=f"UDP port {ports[0]} sent to {far} inside "
            f"{scene.label(int(columns.interface[before]))} and kept sending outside "
            f"over {label}, from {sources[0]}, {when}"
            + (f"; so did {count(len(ports) - 1, 'more port')}." if len(ports) > 1 else "."),
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
