"""Which addresses are one host's: by whose frames carry them and by what the recorder sent.

A host sends all of its addresses' frames from few link-layer addresses; so does a router, for
everybody behind it. What was forwarded shows by a lowered hop limit, by coming in elsewhere, by
another sender of the same address on the link, or by sheer number.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import NamedTuple

import numpy as np

from pcapleak.judge.columns import Columns
from pcapleak.policy.policy import Network
from pcapleak.track.flows.columns import RESP_SHIFT, Mark
from pcapleak.values.addresses import column_inside
from pcapleak.values.endpoints import address_of
from pcapleak.values.packets import Bool, Int64, IPAddress, UInt8, UInt64, distinct

INITIAL_HOPS = (64, 128, 255)
"""What systems send packets with; one less was forwarded once (RFC 1812 section 5.3.1)."""

TRACED_HOPS = 32
"""Below this a hop limit was chosen to end on the way, as traceroute's are: it says nothing of
whether the packet was forwarded before."""

MAX_NETWORKS = 4
"""IPv4 addresses, and IPv6 networks of 64 bits, that a host has beside its known ones: one that
forwards without translation has more."""

MAX_ADDRESSES = 4096
"""Addresses looked at for one link-layer address, those with most packets first. A host makes a
few temporary ones a day."""


class Own(NamedTuple):
    """An address of the host, and what shows it."""

    address: IPAddress
    says: str


class Senders(NamedTuple):
    """One row for each end of each flow that sent something."""

    row: Int64
    """Of the flow table."""
    version: UInt8
    hi: UInt64
    lo: UInt64
    link: UInt64
    """Link-layer address of its frames, 0 for none, or where the other end's frames have it too:
    that one is a router's, or nobody's."""
    hops: UInt8
    packets: Int64
    marks: UInt8
    """`Mark` bits as orig's; none where both ends are marked as sent: a bridge's, or made up."""

    def select(self, rows: Bool | Int64) -> Senders:
        """Some rows."""
        return Senders._make(column[rows] for column in self)

    def inside(self, networks: Sequence[Network]) -> Bool:
        """Rows whose address is in one of the networks."""
        return column_inside(self.version, self.hi, self.lo, networks)

    def marked(self, mark: Mark) -> Bool:
        """Rows with packets that the recorder marked so."""
        found: Bool = (self.marks & np.uint8(mark)) != 0
        return found

    def address(self, row: int) -> IPAddress:
        """One row's address."""
        return address_of(int(self.version[row]), int(self.hi[row]), int(self.lo[row]))


def senders(columns: Columns, rows: Bool) -> Senders:
    """The ends of flows that sent something, as hosts' addresses beyond the link."""
    flows = columns.flows
    plain = rows & (columns.encapsulation == 0)
    parts = []
    alike = flows.orig_link == flows.resp_link
    both = np.uint8(Mark.ORIG_OUTBOUND | Mark.RESP_OUTBOUND)
    told = np.where(flows.marks & both == both, np.uint8(0), flows.marks)
    for side, link, hops, packets, shift in (
        (columns.orig, flows.orig_link, flows.orig_hops, flows.orig_packets, 0),
        (columns.resp, flows.resp_link, flows.resp_hops, flows.resp_packets, RESP_SHIFT),
    ):
        found = np.flatnonzero(plain & (packets > 0) & ~columns.special(side))
        marks = told[found] >> np.uint8(shift) & np.uint8(7)
        parts.append(
            Senders(
                found,
                columns.version[found],
                side.hi[found],
                side.lo[found],
                np.where(alike[found], np.uint64(0), link[found]),
                hops[found],
                packets[found],
                marks,
            )
        )
    return Senders._make(np.concatenate(pair) for pair in zip(*parts, strict=True))


class Host:
    """One host as the outside interfaces show it."""

    def __init__(
        self, columns: Columns, outside: Bool, looped: Bool, foreign: Sequence[Network]
    ) -> None:
        """`outside` and `looped` are the flows on such interfaces; `foreign` are addresses that
        are known to be others': who sends from one of them forwards."""
        every = senders(columns, ~looped)
        self._ends = ends = every.select(outside[every.row])
        self._foreign = ends.inside(foreign)
        self._came = every.select(every.marked(Mark.ORIG_INBOUND))
        self._interface = columns.interface[ends.row]
        self._group, self._examples = _grouped(ends)
        self.links: list[int] = []
        """Its link-layer addresses, as far as they tell it from others."""
        self.is_marked = bool(ends.marked(Mark.ORIG_OUTBOUND).any())
        """Whether the recorder said which packets it sent."""

    @property
    def is_known(self) -> bool:
        """Whether what else it sent would be known by now."""
        return self.is_marked or bool(self.links)

    def sent(self) -> list[Own]:
        """Addresses that the recorder marked as its own: their packets went out, and did not
        come in elsewhere before."""
        ends = self._ends
        mine = ends.marked(Mark.ORIG_OUTBOUND) & ~self._foreign & _unlowered(ends, INITIAL_HOPS)
        says = "the recorder marked its packets as sent by this host"
        found = self._addresses(self._count(mine))
        came = self._came.select(np.isin(_mixed(self._came), _mixed(ends.select(mine))))
        _, examples = _grouped(came)
        forwarded = {came.address(row) for row in examples.tolist()}
        return [Own(address, says) for address in found if address not in forwarded]

    def same_frames(self, known: Sequence[Network], others: Sequence[Network]) -> list[Own]:
        """What else sends from the link-layer addresses of the `known`, unless those forward;
        nothing of `others`."""
        ends = self._ends
        mine = ends.inside(known)
        free = ~mine & ~ends.inside(others)
        found: list[Own] = []
        self.links = []
        for link in distinct(ends.link[mine & (ends.link != 0)]):
            sent = ends.link == np.uint64(link)
            # Anybody on the link can send a frame with the client's address; on another link it
            # has another link-layer address.
            here = self._count(np.isin(self._interface, self._interface[sent]))
            main = 2 * self._count(sent & mine) > here
            if (sent & self._foreign).any() or not main.any():
                continue
            self.links.append(link)
            hops = (*distinct(ends.hops[sent & mine]), *INITIAL_HOPS)
            counts = self._count(sent & free & _unlowered(ends, hops))
            addresses = self._addresses(np.where(2 * counts > here, counts, 0))
            if not _forwards(addresses):
                text = f"{link:012x}"
                where = ":".join(text[at : at + 2] for at in range(0, 12, 2))
                says = f"sends from the client's link-layer address {where}"
                found += [Own(address, says) for address in addresses]
        return found

    def linked(self, columns: Columns) -> Bool:
        """Flows whose orig's frames came from one of its link-layer addresses."""
        return np.isin(columns.flows.orig_link, np.asarray(self.links, np.uint64))

    def _count(self, rows: Bool) -> Int64:
        """The packets of some ends, by address."""
        weights = self._ends.packets[rows]
        counts = np.bincount(self._group[rows], weights, len(self._examples))
        return counts.astype(np.int64)

    def _addresses(self, counts: Int64) -> list[IPAddress]:
        """The addresses that have packets in `counts`, those with most first."""
        best = np.argsort(-counts, kind="stable")[:MAX_ADDRESSES]
        rows = self._examples[best[counts[best] > 0]]
        return [self._ends.address(row) for row in rows.tolist()]


def _unlowered(ends: Senders, hops: Sequence[int]) -> Bool:
    """Ends whose hop limit is one of a sender's own, or shows nothing."""
    found: Bool = np.isin(ends.hops, hops) | (ends.hops < TRACED_HOPS)
    return found


def _forwards(addresses: Sequence[IPAddress]) -> bool:
    """Whether these are more than a host has beside its known ones."""
    four = {address for address in addresses if address.version == 4}
    six = {ip_network((address, 64), strict=False) for address in addresses if address.version == 6}
    return len(four) > MAX_NETWORKS or len(six) > MAX_NETWORKS


def _mixed(ends: Senders) -> UInt64:
    """A hash of each end's address, to find the few that meet."""
    mixed: UInt64 = ends.hi * np.uint64(0x9E3779B97F4A7C15) ^ ends.lo
    return mixed


def _grouped(ends: Senders) -> tuple[Int64, Int64]:
    """The number of each end's address, and one end for each address."""
    if not len(ends.row):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.lexsort((ends.lo, ends.hi))
    hi, lo = ends.hi[order], ends.lo[order]
    begins = np.r_[True, (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])]
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(begins) - 1
    return group, order[np.flatnonzero(begins)]
