"""Captures built byte by byte, also ones no program would write."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SECTION, INTERFACE, OBSOLETE, SIMPLE, NAMES, STATISTICS, PACKET, SECRETS = (
    0x0A0D0D0A,
    1,
    2,
    3,
    4,
    5,
    6,
    10,
)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


@dataclass(frozen=True)
class Pcapng:
    """Builds blocks in one byte order."""

    order: str = "<"

    def options(self, *options: tuple[int, bytes]) -> bytes:
        parts = [struct.pack(f"{self.order}HH", c, len(v)) + padded(v) for c, v in options]
        return b"".join([*parts, bytes(4)]) if parts else b""

    def block(self, kind: int, body: bytes) -> bytes:
        body = padded(body)
        size = struct.pack(f"{self.order}I", len(body) + 12)
        return struct.pack(f"{self.order}I", kind) + size + body + size

    def section(self, *options: tuple[int, bytes]) -> bytes:
        head = struct.pack(f"{self.order}IHHq", 0x1A2B3C4D, 1, 0, -1)
        return self.block(SECTION, head + self.options(*options))

    def interface(
        self, link_type: int = 1, snap_length: int = 0, *options: tuple[int, bytes]
    ) -> bytes:
        head = struct.pack(f"{self.order}HHI", link_type, 0, snap_length)
        return self.block(INTERFACE, head + self.options(*options))

    def packet(
        self,
        data: bytes,
        ticks: int = 0,
        interface: int = 0,
        *options: tuple[int, bytes],
        captured: int | None = None,
        original: int | None = None,
    ) -> bytes:
        head = struct.pack(
            f"{self.order}IIIII",
            interface,
            ticks >> 32,
            ticks & 0xFFFFFFFF,
            len(data) if captured is None else captured,
            len(data) if original is None else original,
        )
        return self.block(PACKET, head + padded(data) + self.options(*options))

    def obsolete(self, data: bytes, ticks: int = 0, interface: int = 0, drops: int = 0) -> bytes:
        head = struct.pack(
            f"{self.order}HHIIII",
            interface,
            drops,
            ticks >> 32,
            ticks & 0xFFFFFFFF,
            len(data),
            len(data),
        )
        return self.block(OBSOLETE, head + data)

    def simple(self, data: bytes, original: int | None = None) -> bytes:
        size = len(data) if original is None else original
        return self.block(SIMPLE, struct.pack(f"{self.order}I", size) + data)


def pcap_header(
    order: str = "<", magic: int = 0xA1B2C3D4, link_type: int = 1, snap_length: int = 262144
) -> bytes:
    return struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap_length, link_type)


def pcap_record(
    data: bytes,
    seconds: int = 1_700_000_000,
    fraction: int = 0,
    original: int | None = None,
    order: str = "<",
) -> bytes:
    size = len(data) if original is None else original
    return struct.pack(f"{order}IIII", seconds, fraction, len(data), size) + data
