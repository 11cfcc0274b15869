"""When recordings began: an answer soon after may answer what was asked before."""

from __future__ import annotations

from pcapleak.values.packets import Context, Interface

IN_BETWEEN_NS = 3_000_000_000
"""STUN's first five sendings take as long (RFC 8489 section 6.2.1), and DHCP's first one."""


class Beginnings:
    """The time of each capture's first packet."""

    def __init__(self, interfaces: list[Interface] | None = None) -> None:
        self._interfaces = [] if interfaces is None else interfaces
        self._first: dict[int, int] = {}

    def take(self, capture: int, ts_ns: int) -> None:
        """Note the time of a packet."""
        known = self._first.get(capture)
        if known is None or ts_ns < known:
            self._first[capture] = ts_ns

    def lately(self, context: Context) -> bool:
        """Whether its capture began so shortly before a message that a request may be missing.
        Of a capture that nobody told of, the beginning is at hand."""
        number = context.interface
        capture = self._interfaces[number].capture if number < len(self._interfaces) else -1
        began = self._first.get(capture)
        return began is None or context.ts_ns - began <= IN_BETWEEN_NS
