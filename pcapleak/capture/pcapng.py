"""pcapng files, as in draft-ietf-opsawg-pcapng."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

import numpy as np

from pcapleak.capture.batches import concatenate
from pcapleak.capture.blocks import (
    MAX_BLOCK,
    NUMBERED,
    OBSOLETE_PACKET,
    PACKET,
    SECTION,
    SIMPLE_PACKET,
    Section,
    read_block,
    read_section,
)
from pcapleak.capture.clock import to_ns
from pcapleak.capture.facts import Facts
from pcapleak.capture.packet_options import read_packet_options
from pcapleak.capture.walk import Framing, walk
from pcapleak.capture.window import WINDOW, Window
from pcapleak.errors import CaptureError
from pcapleak.values.packets import Bool, Int32, Int64, RecordBatch, UInt32, UInt64

SECTION_MAGIC: Final = bytes.fromhex("0a0d0d0a")
_BYTE_ORDERS: Final = {bytes.fromhex("4d3c2b1a"): True, bytes.fromhex("1a2b3c4d"): False}
_SECTION_HEAD: Final = 12
_SPAN: Final = 64 << 10
"""How far the first walk in a section goes: a capture of a million tiny sections must not be
walked a whole window ahead for each. It grows where a section goes on."""


def read_pcapng(window: Window, facts: Facts) -> Iterator[RecordBatch]:
    """The records of all blocks. Raises `CaptureError` for an unusable section header."""
    facts.format = "pcapng"
    window.advance(window.start, _SECTION_HEAD)
    head = window.data[window.start : min(window.end, window.start + 12)].tobytes()
    if len(head) < 12 or head[8:] not in _BYTE_ORDERS:
        raise CaptureError(
            facts.path, "has a damaged pcapng section header", "copy or record it again"
        )
    return _Reader(window, facts).batches()


class _Reader:
    def __init__(self, window: Window, facts: Facts) -> None:
        self._window = window
        self._facts = facts
        self._section = Section(little=True)
        self._framing = block_framing(little=True)
        self._pieces: list[RecordBatch] = []
        """Records of the window in view: its sections become one batch."""
        self._last_ns = 0

    def batches(self) -> Iterator[RecordBatch]:
        window, facts = self._window, self._facts
        at, span = window.start, _SPAN
        while True:
            end = min(window.end, at + span)
            heads, after = walk(window.data, at, end, self._framing)
            if len(heads):
                self._take(heads)
            need = _SECTION_HEAD
            if window.end - after >= need:
                kind, length, little = self._head(after)
                need = length + 3 & ~3
                if not 12 <= length <= MAX_BLOCK or little is None:
                    yield from self._flush()
                    facts.cut(
                        "a block's length makes no sense: the rest is unreadable",
                        window.base + after,
                    )
                    return
                if need <= window.end - after:
                    if kind == SECTION:
                        self._enter(after, length, little)
                        at, span = after + need, _SPAN
                    else:
                        at, span = after, min(span * 8, WINDOW)
                    continue
            yield from self._flush()
            if window.final:
                if after < window.end:
                    facts.cut("the capture ends inside a block", window.base + after)
                return
            window.advance(after, need)
            at = window.start

    def _head(self, at: int) -> tuple[int, int, bool | None]:
        """Type, length and byte order of the block at `at`; the order is None where unreadable."""
        head = self._window.data[at : at + 12].tobytes()
        little: bool | None = self._section.little
        if head.startswith(SECTION_MAGIC):
            little = _BYTE_ORDERS.get(head[8:])
        kind, length = Struct("<II" if little else ">II").unpack_from(head)
        return kind, length, little

    def _enter(self, at: int, length: int, little: bool) -> None:
        body = self._window.data[at + 8 : at + max(length - 4, 12)].tobytes()
        self._section = read_section(body, little, self._facts)
        self._framing = block_framing(little)

    def _flush(self) -> Iterator[RecordBatch]:
        pieces, self._pieces = self._pieces, []
        if pieces:
            yield pieces[0] if len(pieces) == 1 else concatenate(pieces, pieces[0].data)

    def _take(self, heads: Int64) -> None:
        """Turn the blocks at `heads` into a piece of the batch."""
        facts, section, data = self._facts, self._section, self._window.data
        count = len(heads)
        # With each header the first 16 bytes of its record, which cost nothing more
        rows = np.ndarray((len(data) - 43,), "V44", data, 0, (1,))[heads]
        fields: UInt32 = rows.view(f"{section.order}u4").reshape(count, 11)
        kinds = fields[:, 0]
        frame = np.arange(facts.frames + 1, facts.frames + count + 1, dtype=np.int64)
        known: Int64 | int = len(section.interfaces)
        usual = kinds == PACKET
        if not usual.all():
            others = np.flatnonzero(~usual)
            defined = self._read_others(heads, kinds, others)
            record = usual | (kinds == OBSOLETE_PACKET) | (kinds == SIMPLE_PACKET)
            frame = facts.frames + np.cumsum(record | np.isin(kinds, tuple(NUMBERED)))
            if defined:
                known += np.searchsorted(np.array(defined), np.flatnonzero(record))
            heads, fields, frame_of_row = heads[record], fields[record], frame[record]
        else:
            frame_of_row = frame
        facts.frames = int(frame[-1])
        if len(heads):
            self._columns(heads, fields, frame_of_row, known)

    def _read_others(self, heads: Int64, kinds: UInt32, others: Int64) -> list[int]:
        """Read the blocks that are no packets; gives the rows that define an interface."""
        data, facts, section = self._window.data, self._facts, self._section
        word = Struct(f"{section.order}I").unpack_from
        view = data.data
        defined: list[int] = []
        for row, at, kind in zip(
            others.tolist(), heads[others].tolist(), kinds[others].tolist(), strict=True
        ):
            if kind in (OBSOLETE_PACKET, SIMPLE_PACKET):
                continue
            body = bytes(view[at + 8 : at + word(view, at + 4)[0] - 4])
            before = len(section.interfaces)
            read_block(kind, body, section, facts, self._window.base + at)
            if len(section.interfaces) > before:
                defined.append(row)
        return defined

    def _columns(self, heads: Int64, fields: UInt32, frame: Int64, known: Int64 | int) -> None:
        """Enhanced, obsolete and simple packet blocks as columns (sections 4.3, 4.4, A)."""
        section = self._section
        kinds = fields[:, 0]
        length = (fields[:, 1].astype(np.int64) + 3) & ~3
        number = fields[:, 2].astype(np.int64)
        captured = fields[:, 5].astype(np.int64)
        original = fields[:, 6].astype(np.int64)
        ticks = fields[:, 3].astype(np.uint64) << np.uint64(32)
        ticks |= fields[:, 4]
        room = length - 32
        offset = heads + 28
        ethertype = fields.view(">u2")[:, 20].astype(np.uint16)
        simple = None
        if not (kinds == PACKET).all():
            # The obsolete block is the enhanced one with a 16-bit interface and a drop count.
            obsolete = kinds == OBSOLETE_PACKET
            narrow = number & 0xFFFF if section.little else number >> 16
            number = np.where(obsolete, narrow, number)
            simple = kinds == SIMPLE_PACKET
            original = np.where(simple, number, original)
            number = np.where(simple, 0, number)
            room = np.where(simple, length - 16, room)
            captured = np.where(simple, np.minimum(original, self._simple_room(room)), captured)
            offset = np.where(simple, heads + 12, offset)
        captured = self._clamp(captured, room, frame)
        keep = self._valid(number, room, known, frame)
        if keep is not None:
            number, captured, original = number[keep], captured[keep], original[keep]
            ticks, room, offset, frame = ticks[keep], room[keep], offset[keep], frame[keep]
            ethertype = ethertype[keep]
            simple = simple[keep] if simple is not None else None
        if not len(number):
            return
        ts_ns = self._times(ticks, number, simple)
        interface = np.array([one.id for one in section.interfaces], np.int32)[number]
        link_type = np.array([one.link_type for one in section.interfaces], np.int32)[number]
        batch = RecordBatch(
            self._window.data, offset, captured, original, ts_ns, frame, interface, link_type
        )
        begin = offset + ((captured + 3) & ~3)
        stop = offset + room
        with_options = begin + 4 <= stop
        if simple is not None:
            with_options &= ~simple
        else:
            batch.ethertype = ethertype
        if with_options.any():
            read_packet_options(
                batch,
                np.flatnonzero(with_options),
                begin,
                stop,
                section,
                self._facts,
                self._window.base,
            )
        self._pieces.append(batch)

    def _simple_room(self, room: Int64) -> Int64:
        """A simple packet is cut at the first interface's snap length (section 4.4)."""
        interfaces = self._section.interfaces
        snap_length = interfaces[0].snap_length if interfaces else 0
        return np.minimum(room, snap_length) if snap_length else room

    def _clamp(self, captured: Int64, room: Int64, frame: Int64) -> Int64:
        long = captured > room
        if not long.any():
            return captured
        holding = long & (room >= 0)
        if holding.any():
            self._facts.notes.add(
                "a packet claims more bytes than its block holds",
                f"frame {int(frame[holding][0])}",
                int(holding.sum()),
            )
        return np.clip(captured, 0, np.maximum(room, 0))

    def _valid(self, number: Int64, room: Int64, known: Int64 | int, frame: Int64) -> Bool | None:
        """Which records can be placed on an interface; None: all."""
        stray = number >= known
        short = room < 0
        if not stray.any() and not short.any():
            return None
        notes = self._facts.notes
        for bad, what in (
            (short, "a packet block is too short to hold a packet"),
            (stray & ~short, "a packet names an interface that was not defined"),
        ):
            if bad.any():
                notes.add(what, f"frame {int(frame[bad][0])}", int(bad.sum()))
        good: Bool = ~(stray | short)
        return good

    def _times(self, ticks: UInt64, number: Int64, simple: Bool | None) -> Int64:
        clocks = self._section.clocks
        distinct = list(dict.fromkeys(clocks))
        if len(distinct) == 1:
            ts_ns = to_ns(ticks, distinct[0])
        else:
            places = {clock: place for place, clock in enumerate(distinct)}
            clock_of: Int32 = np.array([places[clock] for clock in clocks], np.int32)[number]
            order = np.argsort(clock_of, kind="stable")
            bounds = np.searchsorted(clock_of[order], np.arange(len(distinct) + 1)).tolist()
            ts_ns = np.empty(len(ticks), np.int64)
            for place, clock in enumerate(distinct):
                mine = order[bounds[place] : bounds[place + 1]]
                ts_ns[mine] = to_ns(ticks[mine], clock)
        if simple is not None and simple.any():
            # A simple packet has no time: it is shown at that of the record before it.
            timed = np.where(simple, -1, np.arange(len(ticks)))
            latest = np.maximum.accumulate(timed)
            ts_ns = np.where(latest < 0, self._last_ns, ts_ns[latest])
            self._facts.notes.add(
                "a packet without a time is shown at that of the one before",
                count=int(simple.sum()),
            )
        self._last_ns = int(ts_ns[-1])
        return ts_ns


def block_framing(little: bool) -> Framing:
    """How blocks follow each other (section 3.1)."""
    pattern = PACKET.to_bytes(4, "little" if little else "big")
    head = Struct("<II" if little else ">II").unpack_from
    word = Struct("<I" if little else ">I").unpack_from

    def find(chunk: bytes, start: int) -> int:
        """A packet block whose length is repeated at its end, if that is in view."""
        at = chunk.find(pattern, start)
        while 0 <= at <= len(chunk) - 8:
            _, length = head(chunk, at)
            if not at & 3 and 32 <= length <= 300_000 and not length & 3:
                after = at + length
                if after > len(chunk) or word(chunk, after - 4)[0] == length:
                    return at
            at = chunk.find(pattern, at + 1)
        return -1

    return Framing(
        little,
        header=12,
        length_at=4,
        extra=0,
        shortest=12,
        longest=MAX_BLOCK,
        section=SECTION,
        find=find,
    )
