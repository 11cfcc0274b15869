"""IPv4 and IPv6 headers by columns, options and extension headers in bounded rounds."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from msgspec.structs import fields

from pcapleak.dissect.field_reads import pick, take, take_u16, take_u32
from pcapleak.values.packets import Bool, Bytes, Int64, PacketFlag, UInt8, UInt16, UInt32, UInt64

FRAGMENT_HEADER = 44
AUTHENTICATION = 51

_EXTENSION = np.zeros(256, np.bool_)
# Hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, shim6
_EXTENSION[[0, 43, FRAGMENT_HEADER, AUTHENTICATION, 60, 135, 139, 140]] = True
_EXTENSION_ROUNDS = 128
"""RFC 8200 section 4.1 lets a packet hold at most nine; test packets have a hundred. More is an
attack on the reader."""


_FRAGMENTED = np.array([0x3FFF], ">u2").view(np.uint16)[0]
"""More fragments, or a fragment offset (RFC 791 section 3.1), as they lie in memory."""


class Network(Struct):
    """Columns over packets whose IP header was read."""

    version: UInt8
    protocol: UInt8
    hop_limit: UInt8
    source_hi: UInt64
    source_lo: UInt64
    destination_hi: UInt64
    destination_lo: UInt64
    transport: Int64
    """Offset of what follows the IP headers, at most `end`."""
    end: Int64
    """Where the datagram's captured bytes end."""
    declared_end: Int64
    """Where the headers say the datagram ends."""
    flags: UInt16
    fragment_offset: Int64
    """Bytes of the datagram before this fragment's; 0 for all others."""
    fragment_id: UInt32
    """Meaningful where `flags` has FRAGMENT."""
    more_fragments: Bool

    def select(self, rows: Bool) -> Network:
        """The columns of `rows` only."""
        return Network(*(getattr(self, column.name)[rows] for column in fields(self)))


def parse_network(
    data: Bytes, start: Int64, end: Int64, wire_end: Int64, is_v6: Bool
) -> tuple[Network, Bool]:
    """The IP headers at `start`, and where there is a readable one.

    `end` is where the captured bytes of the frame end, `wire_end` where the frame itself did.
    Rows without a readable header hold nonsense and must be dropped by the caller.
    """
    count = len(start)
    head = take(data, start, 40)
    words = head.view(">u2")
    version = head[:, 0] >> np.uint8(4)
    header = (head[:, 0] & 15) << 2
    network = Network(
        version=version,
        protocol=head[:, 9].copy(),
        hop_limit=head[:, 8].copy(),
        source_hi=np.zeros(count, np.uint64),
        source_lo=head.view(">u4")[:, 3].astype(np.uint64),
        destination_hi=np.zeros(count, np.uint64),
        destination_lo=head.view(">u4")[:, 4].astype(np.uint64),
        transport=start,
        end=end,
        declared_end=wire_end,
        flags=np.zeros(count, np.uint16),
        fragment_offset=np.zeros(count, np.int64),
        fragment_id=np.zeros(count, np.uint32),
        more_fragments=np.zeros(count, np.bool_),
    )
    length = words[:, 1].astype(np.int64)
    unreadable = (version != 4) | (header < 20)
    # Zero is what offloading network cards and jumbograms leave: the frame tells the length.
    unknown = length == 0
    fragmented = head.view(np.uint16)[:, 3] & _FRAGMENTED != 0
    six = np.flatnonzero(is_v6)
    if len(six):
        fixed = pick(head, six)
        octets = fixed.view(">u8")
        payload = fixed.view(">u2")[:, 2]
        network.protocol[six], network.hop_limit[six] = fixed[:, 6], fixed[:, 7]
        network.source_hi[six], network.source_lo[six] = octets[:, 1], octets[:, 2]
        network.destination_hi[six], network.destination_lo[six] = octets[:, 3], octets[:, 4]
        header[six] = 40
        length[six] = payload + np.int64(40)
        unreadable[six] = version[six] != 6
        unknown[six] = payload == 0
        fragmented[six] = False
    there = end - start
    if count and there.min() < 40:
        unreadable |= there < np.where(is_v6, 40, 20)

    network.declared_end = declared_end = start + length
    if unknown.any():
        rows = np.flatnonzero(unknown)
        declared_end[rows] = wire_end[rows]
    transport = start + header
    rows = np.flatnonzero((declared_end > wire_end) | (declared_end < transport))
    network.flags[rows] |= PacketFlag.MALFORMED.value
    network.end = np.minimum(end, declared_end)
    if (lacking := wire_end > end).any():
        rows = np.flatnonzero(lacking & (declared_end > end))
        network.flags[rows] |= PacketFlag.TRUNCATED.value
    network.transport = np.minimum(transport, network.end)
    if fragmented.any():
        rows = np.flatnonzero(fragmented)
        part = words[rows, 3].astype(np.uint16)
        _mark_fragments(
            network,
            rows,
            (part & 0x1FFF).astype(np.int64) << 3,
            (part & 0x2000) != 0,
            words[rows, 2].astype(np.uint32),
        )
    rows = np.flatnonzero(_EXTENSION.take(network.protocol) & ~unreadable)
    if len(rows):
        rows = rows[is_v6[rows] | (network.protocol[rows] == AUTHENTICATION)]
        _skip_extensions(data, network, rows)
    return network, ~unreadable


def _mark_fragments(
    network: Network, rows: Int64, offset: Int64, more: Bool, identification: UInt32
) -> None:
    network.flags[rows] |= PacketFlag.FRAGMENT.value
    network.fragment_offset[rows] = offset
    network.more_fragments[rows] = more
    network.fragment_id[rows] = identification


def _skip_extensions(data: Bytes, network: Network, rows: Int64) -> None:
    """Walk the extension headers of `rows`: RFC 8200 section 4, RFC 4302 section 2.2."""
    for _ in range(_EXTENSION_ROUNDS):
        # What follows the first fragment's header is not in the later ones.
        rows = rows[network.fragment_offset[rows] == 0]
        if not len(rows):
            return
        at = network.transport[rows]
        head = take(data, at, 2)
        kind = network.protocol[rows]
        units = head[:, 1].astype(np.int64)
        length = (units + 1) << 3
        length = np.where(kind == AUTHENTICATION, (units + 2) << 2, length)
        length = np.where(kind == FRAGMENT_HEADER, 8, length)
        fits = at + length <= network.end[rows]
        if not fits.all():
            beyond = rows[~fits]
            whole = (network.flags[beyond] & PacketFlag.TRUNCATED.value) == 0
            network.flags[beyond[whole]] |= PacketFlag.MALFORMED.value
            rows, at, head = rows[fits], at[fits], head[fits]
            kind, length = kind[fits], length[fits]
        network.protocol[rows] = head[:, 0]
        network.transport[rows] = at + length
        parts = kind == FRAGMENT_HEADER
        if parts.any():
            at = at[parts]
            part = take_u16(data, at + 2)
            # An atomic fragment (RFC 6946) is a whole datagram.
            real = (part & 0xFFF9) != 0
            _mark_fragments(
                network,
                rows[parts][real],
                (part[real] & 0xFFF8).astype(np.int64),
                (part[real] & 1) != 0,
                take_u32(data, at[real] + 4),
            )
        rows = rows[_EXTENSION[head[:, 0]]]
    network.flags[rows] |= PacketFlag.MALFORMED.value
