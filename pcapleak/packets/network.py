"""IPv4 and IPv6 headers by columns, options and extension headers in bounded rounds."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pcapleak.model import Bool, Bytes, Int64, PacketFlag, UInt8, UInt16, UInt32, UInt64

from .gather import take, take_u16, take_u32

FRAGMENT_HEADER = 44
AUTHENTICATION = 51

_EXTENSION = np.zeros(256, np.bool_)
# Hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, shim6
_EXTENSION[[0, 43, FRAGMENT_HEADER, AUTHENTICATION, 60, 135, 139, 140]] = True
_EXTENSION_ROUNDS = 128
"""RFC 8200 section 4.1 lets a packet hold at most nine; test packets have a hundred. More is an
attack on the reader."""


@dataclass(slots=True)
class Network:
    """Columns over packets whose IP header was read."""

    version: UInt8
    protocol: UInt8
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
    head = take(data, start, 40)
    first = head[:, 0].copy()
    words = head.view(">u2")
    quads = head.view(">u4")
    octets = head.view(">u8")
    version: UInt8 = (first >> 4).astype(np.uint8)
    minimum = np.where(is_v6, 40, 20)
    header = np.where(is_v6, 40, (first & 15).astype(np.int64) << 2)
    unreadable = (version != np.where(is_v6, 6, 4)) | (start + minimum > end) | (header < 20)

    length = np.where(is_v6, words[:, 2].astype(np.int64) + 40, words[:, 1])
    # Zero is what offloading network cards and jumbograms leave: the frame tells the length.
    unknown = np.where(is_v6, length == 40, length == 0)
    declared_end = start + length
    if unknown.any():
        declared_end = np.where(unknown, wire_end, declared_end)
    transport = start + header
    flags = np.zeros(len(start), np.uint16)
    if (wrong := (declared_end > wire_end) | (declared_end < transport)).any():
        flags[wrong] |= PacketFlag.MALFORMED.value
    cut = (declared_end > end) & (wire_end > end)
    if cut.any():
        flags[cut] |= PacketFlag.TRUNCATED.value
    datagram_end = np.minimum(end, declared_end)

    zero = np.uint64(0)
    network = Network(
        version=version,
        protocol=np.where(is_v6, head[:, 6], head[:, 9]),
        source_hi=np.where(is_v6, octets[:, 1], zero),
        source_lo=np.where(is_v6, octets[:, 2], quads[:, 3]),
        destination_hi=np.where(is_v6, octets[:, 3], zero),
        destination_lo=np.where(is_v6, octets[:, 4], quads[:, 4]),
        transport=np.minimum(transport, datagram_end),
        end=datagram_end,
        declared_end=declared_end,
        flags=flags,
        fragment_offset=np.zeros(len(start), np.int64),
        fragment_id=np.zeros(len(start), np.uint32),
        more_fragments=np.zeros(len(start), np.bool_),
    )
    part = words[:, 3].astype(np.uint16)
    fragmented = ((part & 0x3FFF) != 0) & ~is_v6
    if fragmented.any():
        rows = np.flatnonzero(fragmented)
        _mark_fragments(
            network,
            rows,
            (part[rows] & 0x1FFF).astype(np.int64) << 3,
            (part[rows] & 0x2000) != 0,
            words[rows, 2].astype(np.uint32),
        )
    extended = _EXTENSION[network.protocol] & (is_v6 | (network.protocol == AUTHENTICATION))
    if extended.any():
        _skip_extensions(data, network, np.flatnonzero(extended & ~unreadable))
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
