"""What a stream is, by its first bytes."""

from __future__ import annotations

import numpy as np

from pcapleak.decode.streams.connection import Connection, Opened, Reader
from pcapleak.decode.table import STREAMS

ENOUGH = 10
"""Bytes by which every protocol but SOCKS 5 is told."""

OPENS = np.zeros(256, np.bool_)
"""The first bytes of the streams that are read, DNS on its own port and STUN aside."""
OPENS[list(b"".join(protocol.first_bytes for protocol in STREAMS))] = True

_TEXTS = tuple(text for protocol in STREAMS for text in protocol.texts)


class Opening:
    """Waits for the bytes that tell the protocol, then hands over."""

    certain = False

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        found = recognise_opening(data, connection.ports())
        if found is Opened.NOBODYS:
            connection.close(way)
        elif found is not Opened.MORE:
            connection.follow(found)
        return 0

    def resumes(self, data: bytes) -> bool:
        """Any segment may be the first of something."""
        return True

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`."""


def recognise_opening(data: bytes, ports: tuple[int, int]) -> Reader | Opened:
    """The reader for a stream that begins with `data`, or why there is none (yet)."""
    for protocol in STREAMS:
        opens = protocol.opens
        found = opens(data, ports) if opens is not None else None
        if found is not None:
            return found
    if len(data) < ENOUGH and (data[0] < 0x40 or any(known.startswith(data) for known in _TEXTS)):
        return Opened.MORE
    return Opened.NOBODYS
