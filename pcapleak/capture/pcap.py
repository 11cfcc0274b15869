"""pcap files, as in draft-ietf-opsawg-pcap section 4."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct

from pcapleak.capture.facts import Facts
from pcapleak.capture.walk import Framing, walk
from pcapleak.capture.window import Window
from pcapleak.errors import CaptureError
from pcapleak.values.packets import Bytes, Direction, Interface, RecordBatch

HEADER: Final = 24
MAX_RECORD: Final = 128 << 20
"""The longest record any link type has (D-Bus, USB), as Wireshark bounds it."""
MAX_NETWORK_RECORD: Final = 262144
_LONG_LINK_TYPES: Final = {231, 249, 279}
"""D-Bus, USBPcap, EBHSCR."""

CAPTURED_AT: Final = 8
ORIGINAL_AT: Final = 12
"""Where a record header holds the two lengths; before version 2.3 it was the other way round."""

_HOST, _OUTGOING = 0, 4


class Magic(Struct, frozen=True):
    """A kind of pcap file."""

    little: bool
    tick_ns: int
    record: int
    """Bytes of a record's header."""

    @property
    def name(self) -> str:
        """As in `CaptureSource.format`."""
        if self.record == 24:
            return "modified pcap"
        return "nanosecond pcap" if self.tick_ns == 1 else "pcap"


MAGICS: Final = {
    bytes.fromhex("d4c3b2a1"): Magic(True, 1000, 16),
    bytes.fromhex("a1b2c3d4"): Magic(False, 1000, 16),
    bytes.fromhex("4d3cb2a1"): Magic(True, 1, 16),
    bytes.fromhex("a1b23c4d"): Magic(False, 1, 16),
    bytes.fromhex("34cdb2a1"): Magic(True, 1000, 24),
    bytes.fromhex("a1b2cd34"): Magic(False, 1000, 24),
}


def read_pcap(window: Window, facts: Facts) -> Iterator[RecordBatch]:
    """The records. Raises `CaptureError` for an unusable file header."""
    window.advance(window.start, HEADER)
    head = window.data[window.start : min(window.end, window.start + HEADER)].tobytes()
    if len(head) < HEADER:
        raise CaptureError(
            facts.path, "ends inside the pcap file header", "copy or record it again"
        )
    magic = MAGICS[head[:4]]
    order = "<" if magic.little else ">"
    _, minor, _, _, snap_length, network = struct.Struct(f"{order}HHIIII").unpack_from(head, 4)
    facts.format = magic.name
    link_type = network & 0x03FF_FFFF
    interface = facts.add_interface(Interface(0, facts.capture, link_type, snap_length=snap_length))
    window.advance(HEADER)
    return _records(window, facts, magic, interface, minor)


def _records(
    window: Window, facts: Facts, magic: Magic, interface: Interface, minor: int
) -> Iterator[RecordBatch]:
    longest = MAX_RECORD if interface.link_type in _LONG_LINK_TYPES else MAX_NETWORK_RECORD
    length_at = ORIGINAL_AT if minor < 3 else CAPTURED_AT
    while True:
        first = window.data[window.start : window.start + 4].tobytes()
        framing = record_framing(magic, longest, first, length_at)
        heads, after = walk(window.data, window.start, window.end, framing)
        if len(heads):
            yield _batch(window, heads, magic, interface, facts.frames + 1, length_at)
            facts.frames += len(heads)
        need = magic.record
        if window.end - after >= need:
            length = _length(window.data, after + length_at, magic)
            if length > longest:
                facts.cut(
                    "a record claims more bytes than a packet can have: the rest is unreadable",
                    window.base + after,
                )
                return
            need += length
        if window.final:
            if after < window.end:
                facts.cut("the capture ends inside a record", window.base + after)
            return
        window.advance(after, need)


def _length(data: Bytes, at: int, magic: Magic) -> int:
    field = data[at : at + 4].tobytes()
    return int.from_bytes(field, "little" if magic.little else "big")


def _batch(
    window: Window,
    heads: np.ndarray,
    magic: Magic,
    interface: Interface,
    frame: int,
    length_at: int,
) -> RecordBatch:
    order = "<" if magic.little else ">"
    count = len(heads)
    data = window.data
    # With each header the first 16 bytes of its record, which cost nothing more
    width = magic.record + 16
    rows = np.ndarray((len(data) - width + 1,), f"V{width}", data, 0, (1,))[heads]
    fields = rows.view(f"{order}u4").reshape(count, width // 4)
    ts_ns = fields[:, 0] * np.int64(1_000_000_000)
    ts_ns += fields[:, 1] * np.int64(magic.tick_ns)
    captured = fields[:, 2].astype(np.int64)
    original = fields[:, 3].astype(np.int64)
    if length_at == ORIGINAL_AT:
        captured, original = original, captured
    direction = None
    if magic.record == 24:
        kind = data[heads + 22]
        direction = np.where(
            kind == _OUTGOING,
            np.uint8(Direction.OUTBOUND),
            np.where(kind == _HOST, np.uint8(Direction.INBOUND), np.uint8(Direction.UNKNOWN)),
        )
    return RecordBatch(
        data=data,
        offset=heads + magic.record,
        captured_length=captured,
        original_length=original,
        ts_ns=ts_ns,
        frame=np.arange(frame, frame + count, dtype=np.int64),
        interface=np.full(count, interface.id, np.int32),
        link_type=np.full(count, interface.link_type, np.int32),
        direction=direction,
        ethertype=rows.view(">u2").reshape(count, width // 2)[:, -2].astype(np.uint16),
    )


def record_framing(
    magic: Magic, longest: int, first: bytes, length_at: int = CAPTURED_AT
) -> Framing:
    """How records follow each other, around the time whose seconds are stored as `first`.

    A likely record header is one with the high half of those seconds, and another behind it.
    """
    fields = struct.Struct("<4I" if magic.little else ">4I").unpack_from
    high, before = (first[2:4], 2) if magic.little else (first[0:2], 0)
    ticks = 1_000_000_000 // magic.tick_ns
    record = magic.record

    def likely(chunk: bytes, at: int) -> int:
        """Bytes of the record at `at`, or 0."""
        _, fraction, captured, original = fields(chunk, at)
        sane = fraction < ticks and captured <= original <= MAX_RECORD
        return record + captured if sane and captured <= MAX_NETWORK_RECORD else 0

    def find(chunk: bytes, start: int) -> int:
        last = len(chunk) - 16
        hit = chunk.find(high, start + before)
        while 0 <= hit - before <= last:
            at = hit - before
            length = likely(chunk, at)
            after = at + length
            if length and (
                after > last or (chunk.startswith(high, after + before) and likely(chunk, after))
            ):
                return at
            hit = chunk.find(high, hit + 1)
        return -1

    return Framing(
        magic.little,
        header=record,
        length_at=length_at,
        extra=record,
        shortest=0,
        longest=longest,
        find=find if len(high) == 2 else None,
    )
