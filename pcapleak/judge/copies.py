"""One packet seen on two devices: a bridge and its port, a bond and its member, a macvlan and the
device below."""

from __future__ import annotations

import numpy as np

from pcapleak.judge.columns import Columns
from pcapleak.values.packets import Bool, Int64

TOGETHER_NS = 20_000_000
"""Between the first packet on one device and on the other."""
APART_NS = 1_000_000_000
"""Between the last ones: of one the recorder may have handed on what it has not of the other."""
FEW, SHARE = 2, 0.05
"""Packets by which the two may differ, for the same reason."""


def copies(columns: Columns, among: Bool) -> Bool:
    """Flows among these that an earlier one of them tells already: the same addresses, ports,
    times and numbers of packets on another device."""
    found = np.zeros(len(columns), np.bool_)
    rows = np.flatnonzero(among)
    if not len(rows) or (columns.interface[rows] == columns.interface[rows[0]]).all():
        return found
    keys = columns.socket_keys(rows)
    order = np.argsort(keys, kind="stable")
    rows, keys = rows[order], keys[order]
    one, other = rows[:-1], rows[1:]
    same = (keys[:-1] == keys[1:]) & (columns.interface[one] != columns.interface[other])
    same &= (columns.near.hi[one] == columns.near.hi[other]) & (
        columns.near.lo[one] == columns.near.lo[other]
    )
    same &= columns.protocol[one] == columns.protocol[other]
    same &= _close(columns.first_ns, one, other, TOGETHER_NS)
    same &= _close(columns.last_ns, one, other, APART_NS)
    for packets in (columns.packets, columns.sent_packets):
        most = np.maximum(packets[one], packets[other])
        same &= np.abs(packets[one] - packets[other]) <= np.maximum(FEW, SHARE * most)
    found[other[same]] = True
    return found


def _close(times: Int64, one: Int64, other: Int64, apart: int) -> Bool:
    near: Bool = np.abs(times[one] - times[other]) <= apart
    return near
