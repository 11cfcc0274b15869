"""Datagrams put together from their fragments, within bounds."""

from __future__ import annotations

from msgspec import Struct, field

from pcapleak.dissect.network import Network
from pcapleak.dissect.tunnels import TUNNEL_PROTOCOLS
from pcapleak.values.packets import Encapsulation, PacketFlag, Packets
from pcapleak.values.registries import UDP

_OPEN = 1024
_HELD = 4 << 20
"""Datagrams waiting for fragments, and the memory they take: 4 MiB hold 50 of the largest or all
1024 of the usual size. The oldest give way; a host that answers keeps far fewer."""
_PIECE = 150
"""What a fragment takes beside its bytes: tiny ones must not take more than they count."""

_LARGEST = 65535
_PIECES = 1024
"""Fragments of one datagram; at the least MTU of 576 bytes the largest has 119."""

_PATIENCE_NS = 60 * 1_000_000_000
"""RFC 8200 section 4.5: 60 seconds after the first fragment the rest is abandoned. It also
keeps a reused identification from joining two datagrams."""

_JOINED = TUNNEL_PROTOCOLS | {UDP}

_Key = tuple[object, ...]


class _Datagram(Struct):
    started_ns: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    total: int | None = None
    held: int = 0


class Reassembler:
    """Joins the fragments of UDP datagrams and of tunnels (RFC 791 section 3.2, RFC 8200 4.5)."""

    def __init__(self) -> None:
        self._open: dict[_Key, _Datagram] = {}
        self._held = 0

    def join(
        self,
        packets: Packets,
        network: Network,
        position: int,
        row: int,
        outer: Encapsulation | None,
    ) -> bytes | None:
        """Take row `row` of `packets` (`position` in `network`); the datagram if it is whole.

        Fragments that are cut, overlap or do not add up never make a datagram.
        """
        flags = int(network.flags[position])
        if int(network.protocol[position]) not in _JOINED or flags & PacketFlag.TRUNCATED.value:
            return None
        version = int(network.version[position])
        key = (
            int(packets.interface[row]),
            outer and (outer.source.address, outer.destination.address),
            version,
            # Part of what identifies a datagram in version 4 only (RFC 791, RFC 8200).
            int(network.protocol[position]) if version == 4 else None,
            int(network.source_hi[position]),
            int(network.source_lo[position]),
            int(network.destination_hi[position]),
            int(network.destination_lo[position]),
            int(network.fragment_id[position]),
        )
        now = int(packets.ts_ns[row])
        datagram = self._open.get(key)
        if datagram is None or abs(now - datagram.started_ns) > _PATIENCE_NS:
            self._forget(key)
            datagram = self._open[key] = _Datagram(now)
        start, end = int(network.transport[position]), int(network.end[position])
        piece = packets.data[start:end].tobytes()
        offset = int(network.fragment_offset[position])
        if not network.more_fragments[position]:
            datagram.total = offset + len(piece)
        if offset not in datagram.pieces:
            datagram.pieces[offset] = piece
            datagram.held += len(piece)
            self._held += len(piece) + _PIECE
        if datagram.held > _LARGEST or len(datagram.pieces) > _PIECES:
            self._forget(key)
            return None
        while len(self._open) > _OPEN or self._held > _HELD:
            self._forget(next(iter(self._open)))
        if datagram.total is None or datagram.held < datagram.total:
            return None
        self._forget(key)
        return _joined(datagram)

    def _forget(self, key: _Key) -> None:
        datagram = self._open.pop(key, None)
        if datagram is not None:
            self._held -= datagram.held + _PIECE * len(datagram.pieces)


def _joined(datagram: _Datagram) -> bytes | None:
    """The pieces in order, if they neither overlap nor leave a gap."""
    whole = bytearray()
    for offset in sorted(datagram.pieces):
        if offset != len(whole):
            return None
        whole += datagram.pieces[offset]
    return bytes(whole) if len(whole) == datagram.total else None
