"""What names a link, and the small values that one holds."""

from __future__ import annotations

from typing import NamedTuple

from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.values.packets import Context, Endpoint

BINDING, ALLOCATE, REFRESH, SEND = 0x001, 0x003, 0x004, 0x006
CREATE_PERMISSION, CHANNEL_BIND, CONNECT, GOOG_PING = 0x008, 0x009, 0x00A, 0x080


class LinkKey(NamedTuple):
    """One direction of a transport association, on one interface."""

    interface: int
    transport: str
    layers: tuple[str, ...]
    source: Endpoint
    destination: Endpoint
    carrier: int = 0
    """What encapsulated it, as in `Context`."""

    @property
    def back(self) -> LinkKey:
        """The other direction."""
        interface, transport, layers, source, destination, carrier = self
        return LinkKey(interface, transport, layers, destination, source, carrier)


class Allocation(NamedTuple):
    """A TURN allocation that succeeded."""

    relayed: Endpoint
    mapped: Endpoint | None
    transport: str
    """Of the relayed side: udp or tcp."""


class Asked(NamedTuple):
    """What a request was, for the answer that comes."""

    kind: str
    relay_transport: str


class Held(NamedTuple):
    """An answer before its request: the recording began in between, or swapped them."""

    context: Context
    message: StunMessage
    lately: bool
    """The recording had just begun."""
