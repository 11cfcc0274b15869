"""Makes findings: one fact each, gathered over the flows that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from pcapleak.judge.columns import Side
from pcapleak.judge.context import Scene
from pcapleak.policy.policy import Network
from pcapleak.track.sightings import Sighting, merge_frames
from pcapleak.values.addresses import is_public
from pcapleak.values.endpoints import address_of
from pcapleak.values.evidence import MAX_FRAMES, Confidence, Evidence
from pcapleak.values.findings import Finding, FindingKind, Severity
from pcapleak.values.packets import Bool, Int64, IPAddress, UInt64

MAX_SUBJECTS = 32
"""Findings of one kind. What is smaller is gathered into one more: a page stays readable."""

MAX_REASONS = 8

Column = Int64 | UInt64
Key = TypeVar("Key")
Part = TypeVar("Part")


def flow_evidence(scene: Scene, rows: Int64) -> Evidence:
    """What these flows show: their first frames, and how many packets the client sent."""
    columns = scene.columns
    frames = columns.sent_frame[rows]
    shown = np.sort(frames[frames >= 0])[:MAX_FRAMES]
    first = rows[np.argmin(columns.first_ns[rows])]
    return Evidence(
        frames=[int(frame) for frame in shown],
        frame_count=int(columns.sent_packets[rows].sum()),
        first_ns=int(columns.first_ns[first]),
        last_ns=int(columns.last_ns[rows].max()),
        flow=int(first),
        flow_count=len(rows),
        bytes=int(columns.bytes[rows].sum()),
    )


def sightings_evidence(seen: Sequence[Sighting], flows: Sequence[int] = ()) -> Evidence:
    """What these sightings show, in the messages of `flows`."""
    frames, count = merge_frames(seen)
    return Evidence(
        frames=frames,
        frame_count=count,
        first_ns=min(sighting.first_ns for sighting in seen),
        last_ns=max(sighting.last_ns for sighting in seen),
        flow=flows[0] if flows else None,
        flow_count=len(set(flows)),
    )


def make(
    kind: FindingKind,
    *,
    subject: str,
    message: str,
    evidence: Evidence,
    interface: str | None,
    display_filter: str,
    severity: Severity | None = None,
    confidence: Confidence = "certain",
    addresses: Iterable[IPAddress] = (),
    facts: Iterable[str] = (),
    reasons: Iterable[str] = (),
    remedy: str | None = None,
) -> Finding:
    """A finding of a kind, with its kind's severity and remedy unless others are given."""
    return Finding(
        kind=kind,
        severity=kind.severity if severity is None else severity,
        confidence=confidence,
        interface=interface,
        subject=subject,
        message=message,
        remedy=kind.remedy if remedy is None else remedy,
        evidence=evidence._replace(frames=evidence.frames[:MAX_FRAMES]),
        display_filter=display_filter,
        addresses=tuple(dict.fromkeys(addresses)),
        facts=tuple(facts),
        reasons=tuple(islice(reasons, MAX_REASONS)),
    )


def gathered(found: Mapping[Key, Part], own: Callable[[Key], bool]) -> Iterator[list[Key]]:
    """The keys of `found`, each by itself, those that are the client's `own` first.

    Beyond `MAX_SUBJECTS` the rest comes as one.
    """
    ranked = sorted(found, key=lambda key: not own(key)) if len(found) > MAX_SUBJECTS else [*found]
    for key in ranked[:MAX_SUBJECTS]:
        yield [key]
    if len(ranked) > MAX_SUBJECTS:
        yield ranked[MAX_SUBJECTS:]


def groups(rows: Int64, keys: Sequence[Column], weight: Int64) -> Iterator[Int64]:
    """`rows` parted by equal `keys` (columns beside `rows`), heaviest part first.

    Beyond `MAX_SUBJECTS` parts the rest comes as one.
    """
    if not len(rows):
        return
    order = np.lexsort([rows, *reversed(keys)])
    changed = np.zeros(len(rows), np.bool_)
    changed[0] = True
    for key in keys:
        ordered = key[order]
        changed[1:] |= ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(changed)
    sums = np.add.reduceat(weight[order], starts)
    ends = np.r_[starts[1:], len(rows)]
    ranked = np.lexsort((rows[order][starts], -sums))
    for i in ranked[:MAX_SUBJECTS].tolist():
        yield np.sort(rows[order[starts[i] : ends[i]]])
    if len(ranked) > MAX_SUBJECTS:
        small = np.ones(len(starts), np.bool_)
        small[ranked[:MAX_SUBJECTS]] = False
        yield np.sort(rows[order[small[np.cumsum(changed) - 1]]])


def by_address(scene: Scene, rows: Int64, side: Side) -> Iterator[tuple[int, IPAddress, Int64]]:
    """`rows` parted by interface and the address at their end `side`, as `groups` does.

    With each part come the interface and the address of its first row.
    """
    columns = scene.columns
    keys: list[Column] = [columns.interface[rows], side.hi[rows], side.lo[rows]]
    for part in groups(rows, keys, columns.packets[rows]):
        row = int(part[0])
        address = address_of(int(columns.version[row]), int(side.hi[row]), int(side.lo[row]))
        yield int(columns.interface[row]), address, part


def far_keys(scene: Scene, rows: Int64) -> tuple[UInt64, UInt64]:
    """The networks of far ends as keys: /24 for IPv4, /48 for IPv6."""
    columns = scene.columns
    four = columns.version[rows] == 4
    hi, lo = columns.far[0][rows], columns.far[1][rows]
    return (
        np.where(four, np.uint64(0), hi >> np.uint64(16)),
        np.where(four, lo >> np.uint64(8), np.uint64(0)),
    )


def one_network(scene: Scene, rows: Int64) -> bool:
    """Whether the far ends of all these flows are of one network."""
    hi, lo = far_keys(scene, rows)
    return bool((hi == hi[0]).all() and (lo == lo[0]).all())


def near_addresses(scene: Scene, rows: Int64) -> list[IPAddress]:
    """The client's addresses in these flows, in order of the flows; at most `MAX_FRAMES`."""
    columns = scene.columns
    pairs = np.stack((columns.near[0][rows], columns.near[1][rows]), axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    return [
        columns.near_endpoint(int(rows[i])).address for i in np.sort(first)[:MAX_FRAMES].tolist()
    ]


def public_near(scene: Scene, rows: Int64) -> list[IPAddress]:
    """The client's public addresses in these flows, as `near_addresses` has them."""
    return [address for address in near_addresses(scene, rows) if is_public(address)]


def rows_of(mask: Bool) -> Int64:
    """The rows a mask selects."""
    rows: Int64 = np.flatnonzero(mask).astype(np.int64)
    return rows


def on_interface(scene: Scene, interface: int, expression: str) -> str:
    """A display filter confined to an interface, where it has a name to confine it by."""
    name = scene.state.interfaces[interface].name
    if name is None or len(scene.state.interfaces) < 2 or '"' in name or "\\" in name:
        return expression
    return f'frame.interface_name == "{name}" and {expression}'


def address_filter(address: IPAddress | Network, field: str = "addr") -> str:
    """`ip.addr == ...` or `ipv6.addr == ...`; `field` may be src or dst."""
    return f"{'ip' if address.version == 4 else 'ipv6'}.{field} == {address}"
