"""Whether multicast was recorded whole: what was not recorded is no absence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from pcapleak.track.flows.table import FlowTable
from pcapleak.values.packets import Interface, IPAddress, UInt64, words_of


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
    def _senders(self) -> tuple[UInt64, UInt64]:
        """The words of the addresses that sent to a multicast group."""
        flows = self._flows
        four = (flows.version == 4) & (flows.resp_lo >> np.uint64(28) & np.uint64(15) == 14)
        six = (flows.version == 6) & (flows.resp_hi >> np.uint64(56) == 255)
        rows = np.flatnonzero(four | six)
        return flows.orig_hi[rows], flows.orig_lo[rows]

    def is_whole(self, addresses: Iterable[IPAddress]) -> bool:
        """Whether a name that one of these addresses announced would have been recorded: other
        multicast of it was, nothing was filtered and no packet cut."""
        if not self._is_whole or any(interface.filter for interface in self._interfaces):
            return False
        high, low = self._senders
        for address in addresses:
            hi, lo = words_of(address)
            if bool(((high == np.uint64(hi)) & (low == np.uint64(lo))).any()):
                return True
        return False
