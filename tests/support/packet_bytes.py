"""Frames and packets made byte by byte, and the batches they come in."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import numpy as np
from msgspec.structs import fields

from pcapleak.capture import open_capture
from pcapleak.dissect import Dissector
from pcapleak.errors import CaptureError
from pcapleak.values.packets import Interface, Packets, RecordBatch

SOURCE, DESTINATION = "192.0.2.1", "198.51.100.2"
SOURCE6, DESTINATION6 = "2001:db8::1", "2001:db8::2"


def udp(payload: bytes = b"", source: int = 1000, destination: int = 2000) -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(
    payload: bytes = b"", source: int = 1000, destination: int = 2000, seq: int = 7, flags: int = 16
) -> bytes:
    return struct.pack("!HHIIBBHHH", source, destination, seq, 0, 0x50, flags, 0, 0, 0) + payload


def ipv4(
    payload: bytes,
    protocol: int = 17,
    source: str = SOURCE,
    destination: str = DESTINATION,
    *,
    identification: int = 1,
    offset: int = 0,
    more: bool = False,
    options: bytes = b"",
) -> bytes:
    words = 5 + len(options) // 4
    return (
        struct.pack(
            "!BBHHHBBH",
            0x40 | words,
            0,
            4 * words + len(payload),
            identification,
            (0x2000 if more else 0) | offset // 8,
            64,
            protocol,
            0,
        )
        + ip_address(source).packed
        + ip_address(destination).packed
        + options
        + payload
    )


def ipv6(
    payload: bytes,
    protocol: int = 17,
    source: str = SOURCE6,
    destination: str = DESTINATION6,
) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    return head + ip_address(source).packed + ip_address(destination).packed + payload


def ethernet(payload: bytes, kind: int = 0x0800) -> bytes:
    return bytes(12) + struct.pack("!H", kind) + payload


def batch_of(
    frames: Sequence[bytes],
    link_type: int | Sequence[int] = 1,
    *,
    original: Sequence[int] | None = None,
    ts_ns: Sequence[int] | None = None,
    interface: Sequence[int] | None = None,
    first_frame: int = 1,
) -> RecordBatch:
    """Records of `frames`, one microsecond apart, with rubbish between and after them."""
    gap = b"\x45\x5a" * 8
    lengths = np.array([len(frame) for frame in frames], np.int64)
    starts = np.cumsum(np.concatenate(([16], lengths[:-1] + 16))) if frames else lengths
    count = len(frames)
    return RecordBatch(
        data=np.frombuffer(gap + b"".join(f + gap for f in frames) + b"\x5a" * 128, np.uint8),
        offset=starts.astype(np.int64),
        captured_length=lengths,
        original_length=lengths if original is None else np.array(original, np.int64),
        ts_ns=np.arange(count) * 1000 if ts_ns is None else np.array(ts_ns, np.int64),
        frame=np.arange(count) + first_frame,
        interface=np.zeros(count, np.int32) if interface is None else np.array(interface, np.int32),
        link_type=np.full(count, link_type, np.int32)
        if isinstance(link_type, int)
        else np.array(link_type, np.int32),
    )


def dissect(frames: Sequence[bytes], link_type: int | Sequence[int] = 1) -> Packets:
    """The packets of `frames`."""
    kind = link_type if isinstance(link_type, int) else 1
    return Dissector([Interface(0, 0, kind)]).dissect(batch_of(frames, link_type))


def read_capture(path: Path) -> tuple[list[Interface], list[RecordBatch]]:
    """A whole capture; nothing where it is no capture at all."""
    try:
        with open_capture(path) as source:
            return source.interfaces, list(source)
    except CaptureError:
        return [], []


def cut(batch: RecordBatch, sizes: Sequence[int]) -> list[RecordBatch]:
    """`batch` in runs of `sizes` records, the rest as one."""
    parts, start = [], 0
    for stop in [*np.cumsum(sizes).tolist(), len(batch)]:
        rows = slice(start, stop)
        parts.append(
            RecordBatch(
                batch.data,
                *(
                    getattr(batch, name)[rows]
                    for name in (
                        "offset",
                        "captured_length",
                        "original_length",
                        "ts_ns",
                        "frame",
                        "interface",
                        "link_type",
                    )
                ),
                None if batch.direction is None else batch.direction[rows],
            )
        )
        start = min(stop, len(batch))
    return parts


def rows_of(packets: Packets) -> list[tuple[object, ...]]:
    """Every row as values that do not depend on the batch it came in."""
    skipped = {"data", "row", "payload_offset"}
    columns = [
        getattr(packets, column.name).tolist()
        for column in fields(packets)
        if column.name not in skipped
    ]
    payloads = [packets.payload(i) for i in range(len(packets))]
    return list(zip(*columns, payloads, strict=True))
