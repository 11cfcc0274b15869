"""The flow table as plain columns, taken once for a judgement."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from pcapleak.policy.policy import Network
from pcapleak.track.flows.table import FlowTable
from pcapleak.track.resolvers import DOT_PORT
from pcapleak.values.addresses import column_inside, column_kind, column_of
from pcapleak.values.endpoints import address_of
from pcapleak.values.packets import (
    Bool,
    Endpoint,
    Int64,
    IPAddress,
    Service,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
)
from pcapleak.values.registries import TCP as TCP
from pcapleak.values.registries import UDP as UDP


class Side(NamedTuple):
    """The addresses at one end of all flows."""

    hi: UInt64
    lo: UInt64
    kind: UInt8
    """Their classes, as `column_kind` numbers them."""


class Columns:
    """One row for each flow, in the flow table's order.

    `near` and `far` are the client's end and the other one where `orient` was told whose
    addresses are the client's; before, orig and resp.
    """

    def __init__(self, flows: FlowTable) -> None:
        self.flows = flows
        self.interface: Int64 = flows.interface
        self.version: UInt8 = flows.version
        self.protocol: UInt8 = flows.protocol
        self.encapsulation: Int64 = flows.encapsulation
        self.services: UInt32 = flows.services
        self.orig = _side(flows.version, flows.orig_hi, flows.orig_lo)
        self.resp = _side(flows.version, flows.resp_hi, flows.resp_lo)
        self.orig_port: UInt16 = flows.orig_port
        self.resp_port: UInt16 = flows.resp_port
        self.packets: Int64 = flows.orig_packets + flows.resp_packets
        self.bytes: Int64 = flows.orig_bytes + flows.resp_bytes
        self.first_ns: Int64 = flows.first_ns
        self.last_ns: Int64 = flows.last_ns
        self.ends: dict[tuple[int, ...], list[tuple[IPAddress, float] | None]] = {}
        """The ends that most packets of some interfaces have, as far as they were asked for."""
        self.common: deque[tuple[Bool, list[tuple[IPAddress, float]]]] = deque(maxlen=4)
        """The ends of the last flows that were asked for."""
        self.orient(np.ones(len(flows), np.bool_))

    def __len__(self) -> int:
        return len(self.interface)

    def orient(self, orig_is_near: Bool) -> None:
        """Say for each flow which end is the client's."""
        self.orig_is_near = orig_is_near
        self.near = _choose(orig_is_near, self.orig, self.resp)
        self.far = _choose(orig_is_near, self.resp, self.orig)
        self.near_port: UInt16 = np.where(orig_is_near, self.orig_port, self.resp_port)
        self.far_port: UInt16 = np.where(orig_is_near, self.resp_port, self.orig_port)
        flows = self.flows
        self.sent_packets: Int64 = np.where(orig_is_near, flows.orig_packets, flows.resp_packets)
        self.sent_bytes: Int64 = np.where(orig_is_near, flows.orig_bytes, flows.resp_bytes)
        self.sent_frame: Int64 = np.where(
            orig_is_near, flows.orig_first_frame, flows.resp_first_frame
        )

    def inside(self, side: Side, networks: Iterable[Network]) -> Bool:
        """Flows whose end `side` is in one of the networks."""
        return column_inside(self.version, side.hi, side.lo, networks)

    def touching(self, networks: Sequence[Network]) -> Bool:
        """Flows with an end in one of the networks."""
        return self.inside(self.orig, networks) | self.inside(self.resp, networks)

    def public(self, side: Side) -> Bool:
        """Flows whose end `side` is a public address."""
        found: Bool = side.kind == 0
        return found

    def multicast(self, side: Side) -> Bool:
        """Flows whose end `side` is multicast or the limited broadcast."""
        return column_of(side.kind, "multicast")

    def loopback(self, side: Side) -> Bool:
        """Flows whose end `side` never leaves its host."""
        return column_of(side.kind, "loopback")

    def linked(self, side: Side) -> Bool:
        """Flows whose end `side` is link-local."""
        return column_of(side.kind, "link-local")

    def special(self, side: Side) -> Bool:
        """Flows whose end `side` is no host's address beyond the link."""
        return column_of(side.kind, "multicast", "link-local", "loopback", "reserved")

    def on(self, interfaces: Sequence[int]) -> Bool:
        """Flows recorded on one of the interfaces."""
        if len(interfaces) > 4:
            return np.isin(self.interface, np.asarray(interfaces, np.int64))
        found = np.zeros(len(self), np.bool_)
        for number in interfaces:
            found |= self.interface == number
        return found

    def serving(self, services: Service) -> Bool:
        """Flows on which one of the services was recognised."""
        found: Bool = (self.services & np.uint32(services)) != 0
        return found

    def serves(self, row: int, services: Service) -> bool:
        """Whether one of the services was recognised on a flow."""
        return bool(self.services[row] & np.uint32(services))

    def asking(self) -> Bool:
        """Flows of DNS, multicast DNS apart: in clear, or encrypted at a port of its own (RFC
        7858, RFC 9250), which a connection older than the recording shows too."""
        port = np.isin(self.protocol, (TCP, UDP)) & (self.far_port == DOT_PORT)
        found: Bool = self.serving(Service.DNS | Service.DOT) | port
        return found & ~self.serving(Service.MDNS)

    def near_endpoint(self, row: int) -> Endpoint:
        """The client's end of a flow."""
        return self.flows.orig(row) if self.orig_is_near[row] else self.flows.resp(row)

    def far_endpoint(self, row: int) -> Endpoint:
        """The other end of a flow."""
        return self.flows.resp(row) if self.orig_is_near[row] else self.flows.orig(row)

    def socket_keys(self, rows: Int64) -> UInt64:
        """A hash of each flow's near port and far end, to find the few that meet."""
        keys = self.far[0][rows] * np.uint64(0x9E3779B97F4A7C15)
        keys += self.far[1][rows] * np.uint64(0xC2B2AE3D27D4EB4F)
        ports = self.far_port[rows].astype(np.uint64) << np.uint64(16) | self.near_port[rows]
        mixed: UInt64 = keys ^ ports * np.uint64(0x165667B19E3779F9)
        return mixed


def _side(version: UInt8, hi: UInt64, lo: UInt64) -> Side:
    return Side(hi, lo, column_kind(version, hi, lo))


def _choose(first: Bool, a: Side, b: Side) -> Side:
    if first.all():
        return a
    return Side(
        np.where(first, a.hi, b.hi), np.where(first, a.lo, b.lo), np.where(first, a.kind, b.kind)
    )


def tally(
    version: int, hi: UInt64, lo: UInt64, *weights: Int64
) -> list[list[tuple[IPAddress, int]]]:
    """For each column of weights the different addresses with their sums, heaviest first."""
    if not len(hi):
        return [[] for _ in weights]
    order, starts = _grouped(hi, lo)
    hi, lo = hi[order], lo[order]
    found = []
    for weight in weights:
        sums = np.add.reduceat(weight[order], starts)
        best = np.flatnonzero(sums)
        if len(best) > MAX_TALLY:
            least = np.partition(sums, -MAX_TALLY)[-MAX_TALLY]
            best = np.flatnonzero(sums >= least)
        best = best[np.argsort(-sums[best], kind="stable")][:MAX_TALLY]
        rows = zip(starts[best].tolist(), sums[best].tolist(), strict=True)
        found.append([(address_of(version, int(hi[at]), int(lo[at])), sum_) for at, sum_ in rows])
    return found


def count_addresses(hi: UInt64, lo: UInt64) -> int:
    """How many different addresses there are."""
    return len(_grouped(hi, lo)[1]) if len(hi) else 0


def _grouped(hi: UInt64, lo: UInt64) -> tuple[Int64, Int64]:
    """An order in which equal addresses stand together, and where in it each begins."""
    # Of all the same upper halves, which IPv4 has, the lower ones alone are several times faster.
    order = np.lexsort((lo, hi)) if (hi != hi[0]).any() else np.argsort(lo)
    hi, lo = hi[order], lo[order]
    starts = np.flatnonzero(np.r_[True, (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])])
    return order, starts


MAX_TALLY = 64
"""Addresses given back: a client has a handful, the heaviest are asked for only."""
