"""Whether multicast was recorded whole: what was not recorded is no absence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from pcapleak.track.flows.table import FlowTable
from pcapleak.values.endpoints import words_of
from pcapleak.values.filters import keeps_all
from pcapleak.values.packets import Interface, IPAddress

IGMP = 2

REPORT_NS = 500_000_000
"""A socket that joins a group, or leaves it, has the host report that within this."""


class Multicast:
    """The multicast that hosts were recorded sending."""

    def __init__(
        self, flows: FlowTable, interfaces: Sequence[Interface], *, is_cut: bool, is_filtered: bool
    ) -> None:
        self._flows = flows
        self._interfaces = interfaces
        self._is_whole = not is_cut and not is_filtered
        """No filter, and no packet that was kept only in part."""

    @cached_property
    def _senders(self) -> set[tuple[int, int]]:
        """The words of the addresses that sent to a multicast group."""
        flows = self._flows
        four = (flows.version == 4) & (flows.resp_lo >> np.uint64(28) & np.uint64(15) == 14)
        six = (flows.version == 6) & (flows.resp_hi >> np.uint64(56) == 255)
        rows = np.flatnonzero(four | six)
        return set(zip(flows.orig_hi[rows].tolist(), flows.orig_lo[rows].tolist(), strict=True))

    @cached_property
    def _reports(self) -> dict[tuple[int, int], tuple[int, int]]:
        """When hosts first and last reported multicast groups (IGMP), by their words."""
        flows = self._flows
        found: dict[tuple[int, int], tuple[int, int]] = {}
        for row in np.flatnonzero(flows.protocol == IGMP).tolist():
            words = int(flows.orig_hi[row]), int(flows.orig_lo[row])
            first, last = int(flows.first_ns[row]), int(flows.last_ns[row])
            before = found.get(words, (first, last))
            found[words] = min(before[0], first), max(before[1], last)
        return found

    @cached_property
    def end_ns(self) -> int:
        """When anything was last recorded."""
        return int(self._flows.last_ns.max()) if len(self._flows) else 0

    def joined(self, addresses: Iterable[IPAddress], at_ns: int) -> bool:
        """Whether one of these addresses reported multicast groups about then."""
        for address in addresses:
            span = self._reports.get(words_of(address))
            if span is not None and span[0] - REPORT_NS <= at_ns <= span[1] + REPORT_NS:
                return True
        return False

    def is_whole(self, addresses: Iterable[IPAddress]) -> bool:
        """Whether a name that one of these addresses announced would have been recorded: other
        multicast of it was, nothing was filtered and no packet cut."""
        filters = [interface.filter for interface in self._interfaces if interface.filter]
        if not self._is_whole or not all(map(keeps_all, filters)):
            return False
        return any(words_of(address) in self._senders for address in addresses)
