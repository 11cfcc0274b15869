"""Writes pcapng: evidence cut out of captures, with all that is known about it."""

from __future__ import annotations

import struct
from ipaddress import ip_interface
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from pcapleak.capture.batches import rows_of
from pcapleak.capture.blocks import (
    INTERFACE,
    NAMES,
    PACKET,
    SECRETS,
    SECTION,
    STATISTICS,
    TLS_KEY_LOG,
)
from pcapleak.capture.closing import Closing
from pcapleak.capture.packet_options import COMMENT, FLAGS
from pcapleak.capture.vectors import write_packets
from pcapleak.values.packets import Direction, Interface, RecordBatch

_BYTE_ORDER: Final = 0x1A2B_3C4D
_NANOSECONDS: Final = 9
_MAX_OPTION: Final = 0xFFFF
_OS_DROPS: Final = 7
_BLOCK_OVERHEAD: Final = 47
"""Bytes around a packet in its block, with the most of padding."""
_FLAG: Final = {Direction.INBOUND: 1, Direction.OUTBOUND: 2}


class PcapngWriter(Closing):
    """One section, little-endian, in nanoseconds. Use it as a context manager.

    Interfaces keep their link types, names, descriptions, snap lengths, addresses, capture filters
    and what is told of the device; packets their original lengths, directions and comments.
    `OSError` from the file goes through.
    """

    def __init__(self, file: str | Path | BinaryIO, *, comment: str = "") -> None:
        """Start a capture in `file`; `comment` is about the whole of it."""
        self._owned = isinstance(file, str | Path)
        self._file = (
            Path(file).open("wb")  # noqa: SIM115  (closed by `close`)
            if isinstance(file, str | Path)
            else file
        )
        self._numbers: dict[int, int] = {}
        options = [(COMMENT, comment.encode(errors="replace")), (4, b"pcapleak")]
        head = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)
        self._block(SECTION, head + _options(options))

    def add_interface(self, interface: Interface) -> None:
        """Describe `interface` before its first packet. A second time does nothing."""
        if interface.id in self._numbers:
            return
        self._numbers[interface.id] = len(self._numbers)
        options = [
            (2, (interface.name or "").encode(errors="replace")),
            (3, (interface.description or "").encode(errors="replace")),
            *map(_address, interface.addresses),
            (6, bytes.fromhex((interface.mac or "").replace(":", ""))),
            (9, bytes([_NANOSECONDS])),
            (11, b"\0" + interface.filter.encode(errors="replace") if interface.filter else b""),
            (12, (interface.system or "").encode(errors="replace")),
            (15, (interface.hardware or "").encode(errors="replace")),
        ]
        head = struct.pack("<HHI", interface.link_type, 0, interface.snap_length)
        self._block(INTERFACE, head + _options(options))

    def write(
        self,
        interface: Interface,
        ts_ns: int,
        data: bytes,
        original_length: int,
        *,
        direction: Direction = Direction.UNKNOWN,
        comment: str = "",
    ) -> None:
        """Write one packet: `data` of its `original_length` bytes."""
        self.add_interface(interface)
        flags = _FLAG.get(direction)
        options = [
            (COMMENT, comment.encode(errors="replace")),
            (FLAGS, struct.pack("<I", flags) if flags else b""),
        ]
        head = struct.pack(
            "<IIIII",
            self._numbers[interface.id],
            ts_ns >> 32 & 0xFFFF_FFFF,
            ts_ns & 0xFFFF_FFFF,
            len(data),
            original_length,
        )
        self._block(PACKET, head + _padded(data) + _options(options))

    def write_batch(self, batch: RecordBatch, interfaces: list[Interface]) -> int:
        """Write all packets of a batch; gives the bytes written, about.

        Packets without comments are written in one go, the others each on its own. The file must
        be one of the operating system's, not a buffer in memory.
        """
        start = size = 0
        for row, comment in sorted(batch.comments.items()):
            size += self._write_batch(rows_of(batch, start, row), interfaces)
            at, captured = int(batch.offset[row]), int(batch.captured_length[row])
            direction = Direction.UNKNOWN
            if batch.direction is not None:
                direction = Direction(int(batch.direction[row]))
            self.write(
                interfaces[int(batch.interface[row])],
                int(batch.ts_ns[row]),
                batch.data[at : at + captured].tobytes(),
                int(batch.original_length[row]),
                direction=direction,
                comment=comment,
            )
            size += captured + _BLOCK_OVERHEAD + len(comment)
            start = row + 1
        return size + self._write_batch(rows_of(batch, start, len(batch)), interfaces)

    def _write_batch(self, batch: RecordBatch, interfaces: list[Interface]) -> int:
        if not len(batch):
            return 0
        ids, place = np.unique(batch.interface, return_inverse=True)
        for number in ids.tolist():
            self.add_interface(interfaces[number])
        numbers = np.array([self._numbers[number] for number in ids.tolist()], np.uint32)[place]
        self._file.flush()
        return write_packets(self._file.fileno(), batch, numbers)

    def add_drops(self, interface: Interface, ts_ns: int, count: int) -> None:
        """Say that by `ts_ns` so many packets of `interface` in all are missing here."""
        self.add_interface(interface)
        head = struct.pack(
            "<III", self._numbers[interface.id], ts_ns >> 32 & 0xFFFF_FFFF, ts_ns & 0xFFFF_FFFF
        )
        self._block(STATISTICS, head + _options([(_OS_DROPS, struct.pack("<Q", count))]))

    def add_note(self, interface: Interface, ts_ns: int, text: str) -> None:
        """Keep a comment on what was known at `ts_ns`."""
        self.add_interface(interface)
        head = struct.pack(
            "<III", self._numbers[interface.id], ts_ns >> 32 & 0xFFFF_FFFF, ts_ns & 0xFFFF_FFFF
        )
        self._block(STATISTICS, head + _options([(COMMENT, text.encode())]))

    def add_secrets(self, key_log: bytes) -> None:
        """Keep a TLS key log, before the packets it decrypts."""
        head = struct.pack("<II", TLS_KEY_LOG, len(key_log))
        self._block(SECRETS, head + _padded(key_log))

    def add_names(self, names: dict[str, tuple[str, ...]]) -> None:
        """Keep names of addresses."""
        records = []
        for address, hosts in names.items():
            host = ip_interface(address).ip
            code = 1 if host.version == 4 else 2
            records.append(
                (code, host.packed + b"".join(h.encode(errors="replace") + b"\0" for h in hosts))
            )
        if records:
            self._block(NAMES, _options(records))

    def _block(self, kind: int, body: bytes) -> None:
        length = len(body) + 12
        self._file.write(struct.pack("<II", kind, length) + body + struct.pack("<I", length))

    def close(self) -> None:
        """Close the file, if this writer opened it."""
        if self._owned:
            self._file.close()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(options: list[tuple[int, bytes]]) -> bytes:
    """Options with their end mark; empty ones are left out."""
    parts = [
        struct.pack("<HH", code, len(value[:_MAX_OPTION])) + _padded(value[:_MAX_OPTION])
        for code, value in options
        if value
    ]
    return b"".join([*parts, bytes(4)]) if parts else b""


def _address(text: str) -> tuple[int, bytes]:
    address = ip_interface(text)
    if address.version == 4:
        return 4, address.ip.packed + address.netmask.packed
    return 5, address.ip.packed + bytes([address.network.prefixlen])
