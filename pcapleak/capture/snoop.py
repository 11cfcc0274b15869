"""snoop files, as in RFC 1761."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

import numpy as np

from pcapleak.capture.facts import Facts
from pcapleak.capture.pcap import MAX_NETWORK_RECORD
from pcapleak.capture.walk import Framing, walk
from pcapleak.capture.window import Window
from pcapleak.errors import CaptureError
from pcapleak.values.packets import Int64, Interface, RecordBatch

SNOOP_MAGIC: Final = b"snoop\0\0\0"
HEADER: Final = 16
_RECORD: Final = 24
_LINK_TYPES: Final = {0: 1, 2: 6, 4: 1, 8: 10}
"""IEEE 802.3, token ring, Ethernet and FDDI (RFC 1761 section 4) as LINKTYPE_ values."""
_UNKNOWN_LINK_TYPE: Final = 0xFFFF
_FRAMING: Final = Framing(
    little=False,
    header=_RECORD,
    length_at=8,
    extra=0,
    shortest=_RECORD,
    longest=_RECORD + MAX_NETWORK_RECORD,
)


def read_snoop(window: Window, facts: Facts) -> Iterator[RecordBatch]:
    """The records in view and all after them. Raises `CaptureError` for an unusable header."""
    window.advance(window.start, HEADER)
    if window.end - window.start < HEADER:
        raise CaptureError(
            facts.path, "ends inside the snoop file header", "copy or record it again"
        )
    facts.format = "snoop"
    (kind,) = Struct(">I").unpack_from(window.data.data, window.start + 12)
    interface = facts.add_interface(
        Interface(0, facts.capture, _LINK_TYPES.get(kind, _UNKNOWN_LINK_TYPE))
    )
    return _records(window, facts, interface)


def _records(window: Window, facts: Facts, interface: Interface) -> Iterator[RecordBatch]:
    window.advance(window.start + HEADER)
    while True:
        heads, after = walk(window.data, window.start, window.end, _FRAMING)
        if len(heads):
            yield _batch(window, facts, interface, heads)
            facts.frames += len(heads)
        need = _RECORD
        if window.end - after >= need:
            (need,) = Struct(">I").unpack_from(window.data.data, after + 8)
            if not _FRAMING.shortest <= need <= _FRAMING.longest:
                facts.cut(
                    "a record's length makes no sense: the rest is unreadable",
                    window.base + after,
                )
                return
        if window.final:
            if after < window.end:
                facts.cut("the capture ends inside a record", window.base + after)
            return
        window.advance(after, need)


def _batch(window: Window, facts: Facts, interface: Interface, heads: Int64) -> RecordBatch:
    count = len(heads)
    data = window.data
    rows = np.ndarray((len(data) - 23,), "V24", data, 0, (1,))[heads]
    original, captured, record, _, seconds, microseconds = (
        rows.view(">u4").reshape(count, 6).astype(np.int64).T
    )
    room = record - _RECORD
    long = captured > room
    if long.any():
        facts.notes.add(
            "a packet claims more bytes than its record holds",
            f"frame {facts.frames + 1 + int(np.argmax(long))}",
            int(long.sum()),
        )
    return RecordBatch(
        data=data,
        offset=heads + _RECORD,
        captured_length=np.minimum(captured, room),
        original_length=original,
        ts_ns=seconds * 1_000_000_000 + microseconds * 1000,
        frame=np.arange(facts.frames + 1, facts.frames + 1 + count, dtype=np.int64),
        interface=np.full(count, interface.id, np.int32),
        link_type=np.full(count, interface.link_type, np.int32),
    )
