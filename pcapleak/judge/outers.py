"""The outer ends of all encapsulations as columns: a stranger may send 65,535 of them, and one by
one they would take half a second of each judgement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from pcapleak.policy.policy import Network
from pcapleak.track.state import State
from pcapleak.values.addresses import column_inside, column_kind, column_of
from pcapleak.values.packets import Bool, IPAddress, UInt8, UInt64


class End(NamedTuple):
    """One end of every encapsulation; one row for each, none for number 0."""

    version: UInt8
    hi: UInt64
    lo: UInt64

    @classmethod
    def of(cls, addresses: list[IPAddress]) -> End:
        """The columns of a list."""
        values = [int(address) for address in addresses]
        high = [value >> 64 for value in values]
        low = [value & 0xFFFF_FFFF_FFFF_FFFF for value in values]
        version = [address.version for address in addresses]
        return cls(
            np.asarray(version, np.uint8), np.asarray(high, np.uint64), np.asarray(low, np.uint64)
        )

    def inside(self, networks: Iterable[Network]) -> Bool:
        """Where the end is in one of the networks."""
        return column_inside(self.version, self.hi, self.lo, networks)

    @property
    def kind(self) -> UInt8:
        """As `column_kind` numbers it."""
        return column_kind(self.version, self.hi, self.lo)


class Outers:
    """Where encapsulations come from and go to, by their first packets."""

    def __init__(self, state: State) -> None:
        known = [outer for outer in state.encapsulations if outer is not None]
        self.source = End.of([outer.source.address for outer in known])
        self.destination = End.of([outer.destination.address for outer in known])
        self.both_ways = np.zeros(len(known), np.bool_)
        self.both_ways[[number - 1 for number in state.both_ways]] = True

    def __len__(self) -> int:
        return len(self.both_ways)

    def sent_to(self, networks: list[Network]) -> Bool:
        """Those that go to one of the networks, or come from there and were answered."""
        to = self.destination.inside(networks)
        return to | (self.source.inside(networks) & self.both_ways)

    def sent_by(self, clients: list[Network], *, told: bool) -> Bool:
        """Those that the client sends: what only arrives in one is anybody's.

        Where none of its ends is the client, one counts as a router's where the policy has
        `told` who that is.
        """
        from_here = self.source.inside(clients)
        to_here = self.destination.inside(clients)
        sent = from_here | (to_here & self.both_ways)
        if told:
            sent |= ~from_here & ~to_here & ~column_of(self.destination.kind, "multicast")
        return sent

    def beyond(self, clients: list[Network]) -> Bool:
        """Those of which an end is public and not the client's."""
        found = np.zeros(len(self), np.bool_)
        for end in (self.source, self.destination):
            found |= (end.kind == 0) & ~end.inside(clients)
        return found
