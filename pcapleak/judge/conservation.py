"""What goes into a tunnel comes out towards its servers: bytes and times compared.

An inside (a tunnel's interface, the clients of a proxy on this host) is compared with what
servers outside sent and received, each direction by itself, as running sums over time windows.
The outside has at least the payload that went in, and at most that with headers and overhead.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from pcapleak.track.windows import HostKey, HostWindows, WindowTracker
from pcapleak.values.addresses import AddressClass
from pcapleak.values.packets import Int64, IPAddress

LEAST_SHARE = 0.9
"""Of an inside's payload that its carrier must have: recordings lose packets of either."""
HEADERS = 60
"""Bytes of IP and transport headers of an inner packet, of which windows count the payload."""
LEAST_RATIO = 0.95
"""Of what comes out, with its headers, for each byte that went in with its headers."""
LEAST_SLACK = 600
"""Bytes by which an inside may lead: its last packets, its hosts' own announcements."""
MOST_SLACK = 4_000
"""Bytes of keepalives, handshakes and padding besides."""
UP_SLACK = 12_000
"""As `MOST_SLACK`, of what this host sends: some clients send decoys."""
KEEPALIVE_RATE = 250
"""Bytes a second of keepalives and cover besides, at the most."""

PROOF = 60_000
"""Bytes compared both ways from which on a comparison is proof enough to find nothing beside."""
PROOF_WINDOWS = 3
"""Windows with traffic inside that such a proof needs."""

SEGMENT = 1200
"""Bytes in which what is larger inside comes out."""
MORE_PACKETS = 25
"""Packets of keepalives, handshakes and decoys besides, each way."""

EDGE = 2
"""Windows at a recording's beginning in which what came out may have been sent before it."""

MAX_SERVERS = 3
"""Servers that carry one inside together: a supernode and peers, say."""
MAX_TRIED = 6
"""Of the largest servers outside that are tried together."""
MAX_ALONE = 64
"""Of the largest servers outside that are tried alone."""


class Bounds(NamedTuple):
    """What a carrier adds to an inside, at the most."""

    share: float
    """Its bytes for each byte inside: some send twice what was lost."""
    packet: int
    """Bytes more for each packet inside: outer headers, padding, acknowledgements."""
    packets: float
    """Its packets for each packet inside, of those that are full."""
    wanted: int
    """Bytes inside from which on this tells anything."""


OF_TUNNELS = (Bounds(1.35, 150, 1.5, 2_000), Bounds(2.5, 300, 4, 10_000))
"""Of tunnels: what most add; and what those in DNS or with cover traffic do, which is no proof."""
OF_PROXIES = (Bounds(1.35, 640, 2.5, 2_000),)
"""Of proxies on this host: Tor pads each message to a cell of 514 bytes."""


class Way(NamedTuple):
    """One direction, by window."""

    least: Int64
    """Payload that must come out."""
    most: Int64
    """Payload that may."""
    packets: Int64


class Inside(NamedTuple):
    """What went in and came out, by window."""

    up: Way
    down: Way

    @property
    def turned(self) -> Inside:
        """As seen from the other end."""
        return Inside(self.down, self.up)


class Conserved(NamedTuple):
    """Servers whose traffic is what went in and came out."""

    servers: tuple[IPAddress, ...]
    up: float
    """Payload sent to them for each byte of payload and headers that went in."""
    down: float
    compared: int
    """Bytes of payload and headers inside, both ways."""
    is_proof: bool
    """Whether enough was compared."""
    least_up: int
    """What they must have been sent and have sent: the rest of theirs is beside it."""
    least_down: int

    @property
    def has_grown(self) -> bool:
        """Whether what came out is no less than what went in with its headers: where a tunnel is
        not known otherwise, what merely resembles it is no carrier."""
        return min(self.up, self.down) >= LEAST_RATIO

    @property
    def reason(self) -> str:
        """In words."""
        return (
            f"outer and inner bytes match, window by window: {self.down:.2f} times down, "
            f"{self.up:.2f} times up"
        )


def host_inside(
    windows: WindowTracker,
    interfaces: Sequence[int],
    hosts: Sequence[HostKey],
    silent: frozenset[AddressClass],
) -> Inside | None:
    """What `hosts` (the client's own addresses there) sent and received; None for nothing.

    What went to addresses of the classes `silent` need not come out.
    """
    sent, received, packets_up, packets_down = (np.zeros(1, np.int64) for _ in range(4))
    found = False
    for host in hosts:
        seen = windows.windows(host)
        if seen is None:
            continue
        found = True
        sent, received = sent + seen.sent, received + seen.received
        packets_up = packets_up + seen.sent_packets
        packets_down = packets_down + seen.received_packets
    if not found:
        return None
    least = sent - windows.received_by(interfaces, silent) if silent else sent
    return Inside(
        Way(np.maximum(least, 0), sent, packets_up), Way(received, received, packets_down)
    )


def conserving(
    windows: WindowTracker,
    interfaces: Sequence[int],
    inside: Inside,
    servers: Sequence[IPAddress],
    bounds: Sequence[Bounds],
) -> Conserved | None:
    """The server, or the few servers together, that carry an inside; the largest of `servers`
    are tried, single ones first. Under other bounds than the first it is no proof."""
    seen: dict[IPAddress, HostWindows] = {}
    for server in servers[:MAX_ALONE]:
        there = _together(windows, [HostKey(number, server) for number in interfaces])
        if there is not None:
            seen[server] = there
    for place, allowed in enumerate(bounds):
        alone = [
            fit
            for server, there in seen.items()
            if (fit := compare(inside, (server,), [there], allowed, windows)) is not None
        ]
        if alone:
            best = min(alone, key=lambda fit: abs(fit.down - 1.03) + abs(fit.up - 1.3) / 4)
            return best._replace(is_proof=best.is_proof and not place)
    largest = sorted(seen, key=lambda one: -int(seen[one].sent.sum() + seen[one].received.sum()))
    for count in range(2, MAX_SERVERS + 1):
        for some in combinations(largest[:MAX_TRIED], count):
            fit = compare(inside, some, [seen[server] for server in some], bounds[0], windows)
            if fit is not None:
                return fit._replace(is_proof=False)
    return None


def compare(
    inside: Inside,
    servers: tuple[IPAddress, ...],
    seen: Sequence[HostWindows],
    bounds: Bounds,
    windows: WindowTracker,
) -> Conserved | None:
    """Whether what these servers sent and received is what came out and went in."""
    if not all(one.is_whole for one in seen):
        return None
    active = np.flatnonzero(inside.up.packets + inside.down.packets)
    if not len(active) or inside.down.least.sum() + inside.up.least.sum() < bounds.wanted:
        return None
    # What the servers had before and after the inside was recorded is not compared.
    span = slice(max(int(active[0]) - 1, 0), int(active[-1]) + 2)
    up = np.sum([one.received[span] for one in seen], axis=0)
    down = np.sum([one.sent[span] for one in seen], axis=0)
    sent = int(sum(one.received_packets[span].sum() for one in seen))
    got = int(sum(one.sent_packets[span].sum() for one in seen))
    seconds = (np.arange(len(up)) + 1) * windows.width_ns / 1e9
    most_up, most_down = _segments(inside.up), _segments(inside.down)
    if not (
        sent <= bounds.packets * most_up + most_down + MORE_PACKETS + seconds[-1]
        and got <= bounds.packets * most_down + most_up + MORE_PACKETS + seconds[-1]
        and _bounded(inside.up, up, span, UP_SLACK + KEEPALIVE_RATE * seconds, bounds)
        and _bounded(inside.down, down, span, MOST_SLACK + KEEPALIVE_RATE * seconds, bounds)
    ):
        return None
    total_up, total_down = _whole(inside.up), _whole(inside.down)
    carried = np.flatnonzero(inside.up.least + inside.down.least)
    compared = total_up + total_down
    return Conserved(
        servers,
        float(up.sum()) / max(total_up, 1),
        float(down.sum()) / max(total_down, 1),
        compared,
        compared >= PROOF and len(carried) >= PROOF_WINDOWS,
        int(LEAST_SHARE * inside.up.least.sum()) - LEAST_SLACK,
        int(LEAST_SHARE * inside.down.least.sum()) - LEAST_SLACK,
    )


def accompanies(
    windows: WindowTracker, interfaces: Sequence[int], inside: Inside, server: IPAddress
) -> bool:
    """Whether a server received and sent something whenever something went in and came out, in
    not many more packets. In the recording's first windows its part may have been over."""
    there = _together(windows, [HostKey(number, server) for number in interfaces])
    if there is None:
        return False
    most = OF_TUNNELS[0].packets * (_segments(inside.up) + _segments(inside.down)) + MORE_PACKETS
    for way, packets in ((inside.up, there.received_packets), (inside.down, there.sent_packets)):
        alive = np.convolve(packets, np.ones(3, np.int64), "same") > 0
        alive[:EDGE] = True
        if not alive[way.least > 0].all() or packets.sum() > most:
            return False
    return True


def _segments(way: Way) -> int:
    """Packets in which what is inside comes out: larger ones in several."""
    return int(way.packets.sum() + way.most.sum() // SEGMENT)


def _whole(way: Way) -> int:
    """Payload and headers."""
    return int(way.most.sum() + HEADERS * way.packets.sum())


def _bounded(way: Way, outer: Int64, span: slice, slack: np.ndarray, bounds: Bounds) -> bool:
    """Whether `outer` always has what went in by the window before, and never more than what
    went in by the window after, with overhead."""
    had = np.cumsum(outer)
    least = LEAST_SHARE * np.cumsum(way.least[span]) - LEAST_SLACK
    most = bounds.share * np.cumsum(way.most[span] + HEADERS * way.packets[span])
    most += bounds.packet * np.cumsum(way.packets[span]) + slack
    later = np.append(had[1:], had[-1])
    until = np.append(most[1:], most[-1])
    return bool((later >= least).all() and (had <= until).all())


def _together(windows: WindowTracker, keys: Sequence[HostKey]) -> HostWindows | None:
    """One host as several interfaces show it."""
    found = [seen for key in keys if (seen := windows.windows(key)) is not None]
    if not found:
        return None
    return HostWindows(
        np.sum([one.sent for one in found], axis=0),
        np.sum([one.sent_packets for one in found], axis=0),
        np.sum([one.received for one in found], axis=0),
        np.sum([one.received_packets for one in found], axis=0),
        all(one.is_whole for one in found),
    )
