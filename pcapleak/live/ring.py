"""Linux packet capture: one AF_PACKET socket with a TPACKET_V3 ring, read in blocks.

The socket is bound to no device, so it also sees devices that appear later, without needing
rights again. It only receives: nothing in this module writes to it. Kernel layouts are those
of `linux/if_packet.h`.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import select
import socket
import struct
from typing import NamedTuple

import numpy as np

from pcapleak.capture.closing import Closing
from pcapleak.errors import PcapleakError
from pcapleak.live.kernel_filter import attach_filter
from pcapleak.values.packets import Bytes, Int64, UInt8, UInt16, UInt32

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_RX_RING = 5
PACKET_STATISTICS = 6
PACKET_VERSION = 10
TPACKET_V3 = 2
TP_STATUS_KERNEL = 0
TP_STATUS_USER = 1

BLOCK_BYTES = 256 << 10
"""Room for three of the largest packets."""
BLOCK_COUNT = 512
"""128 MiB of ring: a second of a loaded gigabit link."""
BLOCKS_AT_ONCE = 64
"""A backlog is taken in steps of so many blocks, 16 MiB."""
RETIRE_MS = 20
"""A block that is not full is handed over after this time: the latency of an idle link. All blocks
together take ten seconds to be handed over so: the ring is not full of empty room before that."""
PADDING = 128
"""Readable bytes a `RecordBatch` promises past its last record."""

_BLOCK_HEADER = struct.Struct("=IIIIII")
"""version, offset to private data, status, packets, offset to the first packet, block length"""
_STATISTICS = struct.Struct("=III")
"""packets, drops, queue freezes"""


class CaptureRightsError(PcapleakError):
    """The process may not open packet sockets."""

    def __init__(self) -> None:
        super().__init__(
            "live: no right to capture packets; run it with sudo, or give Python the right with "
            "'sudo setcap cap_net_raw+ep $(readlink -f $(command -v python3))', "
            "or pipe a capture in: 'sudo tcpdump --immediate-mode -i any -y LINUX_SLL2 -U -w - | "
            "pcapleak live --via -'"
        )


class Block(NamedTuple):
    """The packets of one ring block, copied out of the ring, as columns of length n."""

    data: Bytes
    offset: Int64
    """Start of each packet's link-layer header in `data`."""
    network_offset: Int64
    """Start of its network-layer header."""
    captured_length: Int64
    original_length: Int64
    ts_ns: Int64
    device: UInt32
    """Interface index."""
    hardware_type: UInt16
    """ARPHRD number of the device."""
    packet_type: UInt8
    """0 to us, 1 broadcast, 2 multicast, 3 to another host, 4 outgoing."""


class PacketRing(Closing):
    """All packets of all devices of this network namespace, block by block.

    Raises `CaptureRightsError` without CAP_NET_RAW.
    """

    def __init__(self, expression: str | None = None) -> None:
        """`expression` is a libpcap filter that packets must match."""
        try:
            # Deaf until everything is set: no packet comes that the filter would have refused.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError:
            raise CaptureRightsError from None
        if expression is not None:
            attach_filter(self._socket, expression)
        self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        frame_bytes = 2048
        request = struct.pack(
            "=7I",
            BLOCK_BYTES,
            BLOCK_COUNT,
            frame_bytes,
            BLOCK_BYTES // frame_bytes * BLOCK_COUNT,
            RETIRE_MS,
            0,
            0,
        )
        self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        self._ring = mmap.mmap(self._socket.fileno(), BLOCK_BYTES * BLOCK_COUNT, mmap.MAP_SHARED)
        self._bytes = np.frombuffer(self._ring, np.uint8)
        _listen_to_all(self._socket)
        self._next = 0
        self.has_more = False
        """The last read left blocks behind, or may have."""
        self.received = 0
        """Packets the kernel accepted for this socket so far."""
        self.dropped = 0
        """Packets the kernel dropped because the ring was full."""

    def fileno(self) -> int:
        """For `select`: readable when a block is ready."""
        return self._socket.fileno()

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a block is ready or the time has passed. Signals interrupt at once."""
        if self._ready():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | select.POLLERR)
        poll.poll(timeout_s * 1000)
        return self._ready()

    def read(self) -> Block | None:
        """The next blocks as one, copied so that the kernel has its space back; None if none."""
        blocks: list[tuple[int, int, int, int]] = []
        size = 0
        while len(blocks) < BLOCKS_AT_ONCE:
            start = (self._next + len(blocks)) % BLOCK_COUNT * BLOCK_BYTES
            _, _, status, count, first, used = _BLOCK_HEADER.unpack_from(self._ring, start)
            if not status & TP_STATUS_USER:
                break
            blocks.append((start, size, count, size + first))
            size += used + 7 & ~7
        self.has_more = len(blocks) == BLOCKS_AT_ONCE
        if not blocks:
            return None
        data = np.empty(size + PADDING, np.uint8)
        data[size:] = 0
        stops = [place for _, place, _, _ in blocks[1:]] + [size]
        for (start, place, _, _), stop in zip(blocks, stops, strict=True):
            data[place:stop] = self._bytes[start : start + stop - place]
            struct.pack_into("=I", self._ring, start + 8, TP_STATUS_KERNEL)
        self._next = (self._next + len(blocks)) % BLOCK_COUNT
        return _columns(data, [(count, first) for _, _, count, first in blocks])

    def statistics(self) -> None:
        """Bring `received` and `dropped` up to date (the kernel counts from the last call)."""
        raw = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, _STATISTICS.size)
        received, dropped, _ = _STATISTICS.unpack(raw)
        self.received += received
        self.dropped += dropped

    def close(self) -> None:
        """Stop the capture and free the ring."""
        del self._bytes
        with contextlib.suppress(BufferError):
            self._ring.close()
        self._socket.close()

    def _ready(self) -> bool:
        status = _BLOCK_HEADER.unpack_from(self._ring, self._next * BLOCK_BYTES)[2]
        return bool(status & TP_STATUS_USER)


def _listen_to_all(listener: socket.socket) -> None:
    """Bind to every protocol and no device, which Python's own `bind` cannot say."""
    address = struct.pack(
        "=HHiHBB8x", socket.AF_PACKET, socket.htons(ETH_P_ALL), 0, 0, 0, 0
    )  # struct sockaddr_ll
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(listener.fileno(), address, len(address)) != 0:
        raise OSError(ctypes.get_errno(), "packet socket cannot be bound")


def _columns(data: Bytes, blocks: list[tuple[int, int]]) -> Block:
    """The packets of blocks, each given as their number and the place of the first.

    A packet begins with a tpacket3_hdr of 48 bytes and a sockaddr_ll:

    next u32, sec u32, nsec u32, captured u32, original u32, status u32, mac u16, net u16, ...
    sll_family u16, sll_protocol u16, sll_ifindex i32, sll_hatype u16, sll_pkttype u8, ...
    """
    words = data[: len(data) & ~3].data.cast("I")
    places: list[int] = []
    for count, at in blocks:
        for _ in range(count):
            places.append(at)
            at += words[at >> 2]
    header = np.array(places, np.int64)
    count = len(places)
    rows = np.ndarray((len(data) - 67,), "V68", data, 0, (1,))[header]
    u4 = rows.view("=u4").reshape(count, 17)
    u2 = rows.view("=u2").reshape(count, 34)
    u1 = rows.view(np.uint8).reshape(count, 68)
    ts_ns: Int64 = u4[:, 1].astype(np.int64) * 1_000_000_000 + u4[:, 2]
    return Block(
        data,
        header + u2[:, 12],
        header + u2[:, 13],
        u4[:, 3].astype(np.int64),
        u4[:, 4].astype(np.int64),
        ts_ns,
        u4[:, 13].copy(),
        u2[:, 28].copy(),
        u1[:, 58].copy(),
    )
