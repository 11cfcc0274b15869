"""Datagrams put together from their fragments, within bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from pcapleak.model import PacketFlag, Packets

from .network import Network
from .transport import UDP

_OPEN = 256
"""Datagrams waiting for fragments: 256 of at most 64 KiB are 16 MiB, and a host that answers
reassembles far fewer at once. The oldest gives way."""

_LARGEST = 65535
_PIECES = 1024
"""Fragments of one datagram; at the least MTU of 576 bytes the largest has 119."""

_PATIENCE_NS = 60 * 1_000_000_000
"""RFC 8200 section 4.5: 60 seconds after the first fragment the rest is abandoned. It also
keeps a reused identification from joining two datagrams."""

_Key = tuple[int, ...]


@dataclass(slots=True)
class _Datagram:
    started_ns: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    total: int | None = None
    held: int = 0


class Reassembler:
    """Joins the fragments of UDP datagrams: RFC 791 section 3.2, RFC 8200 section 4.5."""

    def __init__(self) -> None:
        self._open: dict[_Key, _Datagram] = {}

    def join(self, packets: Packets, network: Network, position: int, row: int) -> bytes | None:
        """Take row `row` of `packets` (`position` in `network`); the datagram if it is whole.

        Fragments that are cut, overlap or do not add up never make a datagram.
        """
        flags = int(network.flags[position])
        if network.protocol[position] != UDP or flags & PacketFlag.TRUNCATED.value:
            return None
        key = (
            int(packets.interface[row]),
            int(packets.encapsulation[row]),
            int(network.version[position]),
            int(network.source_hi[position]),
            int(network.source_lo[position]),
            int(network.destination_hi[position]),
            int(network.destination_lo[position]),
            int(network.fragment_id[position]),
        )
        now = int(packets.ts_ns[row])
        datagram = self._open.get(key)
        if datagram is None or abs(now - datagram.started_ns) > _PATIENCE_NS:
            self._open.pop(key, None)
            if len(self._open) >= _OPEN:
                del self._open[next(iter(self._open))]
            datagram = self._open[key] = _Datagram(now)
        start, end = int(network.transport[position]), int(network.end[position])
        piece = packets.data[start:end].tobytes()
        offset = int(network.fragment_offset[position])
        if not network.more_fragments[position]:
            datagram.total = offset + len(piece)
        if offset not in datagram.pieces:
            datagram.pieces[offset] = piece
            datagram.held += len(piece)
        if datagram.held > _LARGEST or len(datagram.pieces) > _PIECES:
            del self._open[key]
            return None
        if datagram.total is None or datagram.held < datagram.total:
            return None
        del self._open[key]
        return _joined(datagram)


def _joined(datagram: _Datagram) -> bytes | None:
    """The pieces in order, if they neither overlap nor leave a gap."""
    whole = bytearray()
    for offset in sorted(datagram.pieces):
        if offset != len(whole):
            return None
        whole += datagram.pieces[offset]
    return bytes(whole) if len(whole) == datagram.total else None
