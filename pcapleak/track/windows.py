"""Payload by time window, host and direction: what carriers are compared with insides by.

Only the hosts with most bytes are kept, in a number of windows that does not grow: windows
become twice as long where a recording outgrows them. What is kept depends on the packets and
their order alone, not on how they came in batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from pcapleak.track.flows.index import (
    META,
    ORIG_HI,
    ORIG_LO,
    PORTS,
    RESP_HI,
    RESP_LO,
    FlowIndex,
    Keys,
    grown,
)
from pcapleak.track.flows.table import FlowTable
from pcapleak.values.addresses import AddressClass, column_kind, column_of
from pcapleak.values.endpoints import address_of
from pcapleak.values.packets import Bool, Int64, IPAddress, Packets, UInt64

MAX_WINDOWS = 256
"""Windows kept: from 0.27 s each, one minute of recording, to whatever the recording spans."""
FIRST_SHIFT = 28
"""A window is 2 to the power of this many nanoseconds at first."""
MAX_HOSTS = 1024
"""Hosts with windows: 8 kB each, so 8 MB at the most."""
KEPT = 512
"""Hosts that keep theirs at the end of an epoch: those with most bytes."""
EPOCH = 1 << 16
"""Packets after which the small hosts are forgotten."""

SENT, SENT_PACKETS, RECEIVED, RECEIVED_PACKETS = range(4)

_NONE = -1
_LOOPBACK_4 = np.uint64(127)
_SIXTEEN = np.uint64(16)
_HOST = np.uint64(0xFFFF_FFFF_0000_FF00)
"""Of a flow's `META`: its interface and version."""
_VERSION_4 = np.uint64(4 << 8)
_PORT = np.uint64(0xFFFF_0000)


class HostKey(NamedTuple):
    """A host as one interface shows it. On the loopback addresses, which all programs share,
    each port is one of its own; elsewhere `port` is 0."""

    interface: int
    address: IPAddress
    port: int = 0


class HostWindows(NamedTuple):
    """What one host sent and received, by window."""

    sent: Int64
    """Payload bytes of its packets: what follows their transport header."""
    sent_packets: Int64
    received: Int64
    received_packets: Int64
    is_whole: bool
    """Whether these windows hold all of it, from its first packet on."""


class WindowTracker:
    """Counts payload bytes and packets for hosts and windows.

    Every end of a flow has a number, so that its total is known: the flow table's bound is the
    bound of these too, two of them for each flow. One takes 80 to 96 bytes (56 of key, 16 of
    total and row, 8 to 24 a slot), times growth by doubling: at the most 100 MB.
    """

    def __init__(self) -> None:
        self._index = FlowIndex()
        """Hosts as keys of flows to nowhere."""
        self._ends: Int64 = np.zeros((1 << 12, 2), np.int64)
        """By flow: the numbers of orig and resp."""
        self._flows = 0
        self._totals: Int64 = np.zeros(1 << 12, np.int64)
        """By host: payload sent and received since the beginning."""
        self._slots: Int64 = np.full(1 << 12, _NONE, np.int64)
        """By host: its row among the cells, -1 for none."""
        self._held: Int64 = np.full(MAX_HOSTS, _NONE, np.int64)
        """By row of the cells: the host that has it."""
        self._free = MAX_HOSTS
        self._cells: Int64 = np.zeros((64, MAX_WINDOWS, 4), np.int64)
        self._first = 0
        self._last = 0
        """The numbers of the first and last window, counted since 1970."""
        self._shift = FIRST_SHIFT
        self._packets = 0
        self._kept: dict[HostKey, int] | None = None
        """The numbers of the hosts with windows, largest first; None where packets came since."""

    @property
    def width_ns(self) -> int:
        """How long a window is."""
        return 1 << self._shift

    @property
    def start_ns(self) -> int:
        """When the first window begins."""
        return self._first << self._shift

    def update(self, packets: Packets, flow: Int64, forward: Bool, flows: FlowTable) -> None:
        """Count `packets`, of the flows that the table gave them. Packets inside other ones are
        counted with those."""
        self._kept = None
        self._enter(flows)
        outer = np.flatnonzero(packets.encapsulation == 0)
        for rows in self._epochs(outer):
            self._span(packets.ts_ns[rows])
            self._count(packets, rows, flow[rows], forward[rows])
            self._packets += len(rows)
            if self._packets % EPOCH == 0:
                self._forget()

    def windows(self, key: HostKey) -> HostWindows | None:
        """What a host sent and received; None where it was not seen, or was too small to keep."""
        number = self._hosts().get(key)
        if number is None:
            return None
        cells = self._cells[self._slots[number]]
        sent, packets, received, received_packets = (cells[:, column] for column in range(4))
        whole = int(sent.sum() + received.sum()) == int(self._totals[number])
        return HostWindows(sent, packets, received, received_packets, whole)

    def hosts(self, interfaces: list[int]) -> list[tuple[HostKey, int]]:
        """The kept hosts of some interfaces with their payload in all, largest first."""
        wanted = set(interfaces)
        return [
            (key, int(self._totals[number]))
            for key, number in self._hosts().items()
            if key.interface in wanted
        ]

    def received_by(self, interfaces: Sequence[int], classes: Iterable[AddressClass]) -> Int64:
        """What the kept hosts of some interfaces received whose addresses are of some special
        classes, by window."""
        numbers = self._held[self._held >= 0]
        keys = self._index.stored[numbers]
        meta = keys[:, META]
        version = (meta >> np.uint64(8)).astype(np.uint8)
        wanted = column_of(column_kind(version, keys[:, ORIG_HI], keys[:, ORIG_LO]), *classes)
        wanted &= np.isin(meta >> np.uint64(32), np.asarray(interfaces, np.uint64))
        cells = self._cells[self._slots[numbers[wanted]], :, RECEIVED]
        total: Int64 = cells.sum(axis=0)
        return total

    def _hosts(self) -> dict[HostKey, int]:
        if self._kept is None:
            numbers = np.sort(self._held[self._held >= 0])
            keys = self._index.stored[numbers]
            hi, lo, port = keys[:, ORIG_HI], keys[:, ORIG_LO], keys[:, PORTS] >> _SIXTEEN
            order = np.lexsort((port, lo, hi, -self._totals[numbers]))
            self._kept = {
                HostKey(meta >> 32, address_of(meta >> 8 & 0xFF, high, low), own): number
                for meta, high, low, own, number in zip(
                    keys[order, META].tolist(),
                    hi[order].tolist(),
                    lo[order].tolist(),
                    port[order].tolist(),
                    numbers[order].tolist(),
                    strict=True,
                )
            }
        return self._kept

    def _enter(self, flows: FlowTable) -> None:
        """Number the ends of flows that are new."""
        known, size = self._flows, len(flows)
        if size == known:
            return
        if size > len(self._ends):
            self._ends = grown(self._ends, 1 << (size - 1).bit_length())
        number, _ = self._index.number(_hosts_of(flows.keys[known:]))
        self._ends[known:size] = number.reshape(-1, 2)
        self._flows = size
        room, hosts = len(self._totals), self._index.size
        if hosts > room:
            self._totals = grown(self._totals, 1 << (hosts - 1).bit_length())
            self._slots = grown(self._slots, len(self._totals))
            self._slots[room:] = _NONE

    def _epochs(self, rows: Int64) -> list[Int64]:
        """`rows` cut where an epoch ends."""
        if not len(rows):
            return []
        left = EPOCH - self._packets % EPOCH
        return np.split(rows, range(left, len(rows), EPOCH))

    def _span(self, times: Int64) -> None:
        """Make the windows reach over `times`."""
        low, high = int(times.min()) >> self._shift, int(times.max()) >> self._shift
        if self._packets == 0:
            self._first = self._last = low
        low, high = min(low, self._first), max(high, self._last)
        while high - low >= MAX_WINDOWS:
            self._double()
            low, high = low >> 1, high >> 1
        if low < self._first:
            self._cells = np.roll(self._cells, self._first - low, axis=1)
        self._first, self._last = low, high

    def _double(self) -> None:
        """Join windows by twos."""
        if self._packets:
            hosts, odd = len(self._cells), self._first & 1
            pairs = np.zeros((hosts, MAX_WINDOWS + 2, 4), np.int64)
            pairs[:, odd : odd + MAX_WINDOWS] = self._cells
            self._cells[:] = 0
            half = MAX_WINDOWS // 2 + 1
            self._cells[:, :half] = pairs.reshape(hosts, half, 2, 4).sum(axis=2)
        self._first >>= 1
        self._shift += 1

    def _count(self, packets: Packets, rows: Int64, flow: Int64, forward: Bool) -> None:
        ends, pair = self._ends.reshape(-1), flow * 2
        source, destination = ends[pair + ~forward], ends[pair + forward]
        size = packets.payload_declared[rows]
        np.add.at(self._totals, source, size)
        np.add.at(self._totals, destination, size)
        self._place(source, destination)
        window = (packets.ts_ns[rows] >> self._shift) - self._first
        cells = self._cells.reshape(-1)
        for host, column in ((source, SENT), (destination, RECEIVED)):
            slot = self._slots[host]
            kept = np.flatnonzero(slot >= 0)
            place = (slot[kept] * MAX_WINDOWS + window[kept]) * 4 + column
            np.add.at(cells, place, size[kept])
            np.add.at(cells, place + 1, 1)

    def _place(self, source: Int64, destination: Int64) -> None:
        """Give rows to hosts that have none, in the order they come, while there are any."""
        if not self._free:
            return
        hosts = np.stack((source, destination), axis=1).reshape(-1)
        hosts = hosts[self._slots[hosts] < 0]
        if not len(hosts):
            return
        # Of a place written several times the last stays: backwards, the first.
        places = np.arange(len(hosts))
        self._slots[hosts[::-1]] = places[::-1]
        first = self._slots[hosts] == places
        self._slots[hosts] = _NONE
        # A host that had a row before and lost it starts anew.
        new = hosts[first][: self._free]
        slots = np.flatnonzero(self._held < 0)[: len(new)]
        need = int(slots[-1]) + 1
        if need > len(self._cells):
            self._cells = grown(self._cells, min(MAX_HOSTS, 1 << (need - 1).bit_length()))
        self._held[slots] = new
        self._slots[new] = slots
        self._cells[slots] = 0
        self._free -= len(new)

    def _forget(self) -> None:
        """Take the rows of all but the largest hosts."""
        held = np.flatnonzero(self._held >= 0)
        if len(held) <= KEPT:
            return
        numbers = self._held[held]
        order = np.lexsort((numbers, -self._totals[numbers]))
        small = held[order[KEPT:]]
        self._slots[self._held[small]] = _NONE
        self._held[small] = _NONE
        self._free += len(small)


def _hosts_of(flows: UInt64) -> Keys:
    """Both ends of flows as hosts, orig before resp."""
    hi, lo = (
        flows[:, ORIG_HI : RESP_HI + 1 : 2].reshape(-1),
        flows[:, ORIG_LO : RESP_LO + 1 : 2].reshape(-1),
    )
    ports = np.stack(
        (flows[:, PORTS] & _PORT, flows[:, PORTS] << _SIXTEEN & _PORT), axis=1
    ).reshape(-1)
    meta = np.repeat(flows[:, META] & _HOST, 2)
    four = meta & np.uint64(0xFF00) == _VERSION_4
    looped = np.where(four, lo >> np.uint64(24) == _LOOPBACK_4, lo == np.uint64(1)) & (hi == 0)
    ports[~looped] = 0
    nowhere = np.zeros(len(hi), np.uint64)
    return Keys(hi, lo, nowhere, nowhere, ports, nowhere, meta)
