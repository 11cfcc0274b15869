"""From frames of any link type to their network headers."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from pcapleak.dissect import link
from pcapleak.dissect.header_steps import LINK_LAYERS, Layer
from pcapleak.dissect.layers import WALKED_TYPES, find_ip
from pcapleak.values.packets import (
    Bytes,
    Int32,
    Int64,
    Interface,
    RecordBatch,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    distinct,
)
from pcapleak.values.programs import Program, plain

_SUB_INTERFACES = 4096
"""Interface indices told apart within `any` recordings. A host has tens; a hostile capture
could name four thousand million."""

_WINDOW = 1024
"""Bytes looked at for the headers of an odd link layer."""

_WALKED = np.zeros(65536, np.bool_)
_WALKED[list(WALKED_TYPES)] = True


class Frames(NamedTuple):
    """Columns over all records of a batch."""

    start: Int64
    """Offset of the network header."""
    end: Int64
    """Where the frame's captured bytes end."""
    ethertype: UInt16
    """`link.NOT_CARRIED` where there is no network header."""
    direction: UInt8
    interface: Int32
    source_link: UInt64
    """Link-layer addresses of the senders, 0 where there is none."""


class FrameReader:
    """Reads link layers; keeps the sub-interfaces found in `any` recordings."""

    def __init__(self, interfaces: list[Interface], skipped: Counter[str]) -> None:
        self._interfaces = interfaces
        self._skipped = skipped
        self._sub_interfaces: dict[tuple[int, int | str], int] = {}

    def read(self, batch: RecordBatch) -> Frames:
        """Where the network headers of `batch` are."""
        size = len(batch)
        frames = Frames(
            batch.offset.copy(),
            batch.offset + batch.captured_length,
            np.zeros(size, np.uint16),
            np.zeros(size, np.uint8) if batch.direction is None else batch.direction.copy(),
            batch.interface.copy(),
            np.zeros(size, np.uint64),
        )
        if size and (batch.link_type == batch.link_type[0]).all():
            self._read_kind(
                int(batch.link_type[0]),
                batch.data,
                frames,
                slice(None),
                batch.programs,
                batch.ethertype,
            )
        else:
            for kind in distinct(batch.link_type):
                rows = np.flatnonzero(batch.link_type == kind)
                told = None if batch.ethertype is None else batch.ethertype[rows]
                self._read_kind(kind, batch.data, frames, rows, batch.programs, told)
        odd = np.flatnonzero((frames.ethertype != link.IPV4) & (frames.ethertype != link.IPV6))
        odd = odd[_WALKED[frames.ethertype[odd]]]
        if len(odd):
            self._walk(batch.data, frames, odd, None)
        return frames

    def _read_kind(
        self,
        kind: int,
        data: Bytes,
        frames: Frames,
        rows: Int64 | slice,
        programs: dict[int, Program],
        ethertype: UInt16 | None = None,
    ) -> None:
        """Fill `rows`, all of one link type; what it says of programs goes to `programs`."""
        if kind in link.PKTAP:
            self._read_pktap(data, frames, np.arange(len(frames.start))[rows], programs)
            return
        found = _by_columns(kind, data, frames.start[rows], frames.end[rows], ethertype)
        if found is None:
            layer = LINK_LAYERS.get(kind)
            if layer is None:
                self._skipped[f"link type {kind}"] += len(frames.start[rows])
            else:
                self._walk(data, frames, np.arange(len(frames.start))[rows], layer)
            return
        frames.start[rows] = found.network
        frames.ethertype[rows] = found.ethertype
        if found.source is not None:
            frames.source_link[rows] = found.source
        if found.direction is not None:
            frames.direction[rows] = found.direction
        if found.hardware_type is not None:
            frames.interface[rows] = self._interface(
                frames.interface[rows], found.interface_index, found.hardware_type
            )

    def _read_pktap(
        self, data: Bytes, frames: Frames, rows: Int64, programs: dict[int, Program]
    ) -> None:
        """Fill `rows` of Apple's PKTAP, which names the interface of each packet before the
        packet as that interface had it."""
        head = link.pktap(data, frames.start[rows], frames.end[rows])
        self._walk(data, frames, rows[~head.whole], "pktap")
        rows, head = rows[head.whole], head.select(head.whole)
        read_programs(head.processes, rows, programs)
        told = head.direction != 0
        frames.direction[rows[told]] = head.direction[told]
        frames.start[rows] += head.length
        keys = np.empty(len(rows), [("parent", np.int32), ("kind", np.uint32), ("name", "S24")])
        keys["parent"], keys["kind"] = frames.interface[rows], head.link_type
        keys["name"] = head.name
        groups, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        for group in np.argsort(first).tolist():
            parent, kind, name = groups[group].tolist()
            mine = rows[inverse == group]
            text = name.partition(b"\0")[0].decode("utf-8", "replace")
            interface = self._sub_interface(parent, text, link_type=kind)
            if interface.parent is not None:
                interface.packets += len(mine)
            frames.interface[mine] = interface.id
            if kind not in link.PKTAP:
                self._read_kind(kind, data, frames, mine, programs)

    def _walk(self, data: Bytes, frames: Frames, rows: Int64, layer: Layer | None) -> None:
        """Find IP packets one by one, from `layer` or else from the row's own EtherType."""
        for row in rows.tolist():
            start = int(frames.start[row])
            stop = min(int(frames.end[row]), start + _WINDOW)
            first = int(frames.ethertype[row]) if layer is None else layer
            found = find_ip(data[start:stop].tobytes(), first, 0)
            if found is not None:
                frames.ethertype[row] = found[0]
                frames.start[row] = start + found[1]

    def _interface(self, parents: Int32, index: UInt32 | None, hardware_type: UInt16) -> Int32:
        """The interface of each row of a Linux cooked recording.

        Version 2 numbers interfaces; version 1 tells them apart by their kind of hardware alone.
        """
        told = hardware_type.astype(np.uint32) if index is None else index
        key = (parents.astype(np.uint64) << np.uint64(32)) | told
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        counts = np.bincount(inverse)
        ids = np.empty(len(first), np.int32)
        # In the order they appear, so that numbers do not depend on how records are batched
        for group in np.argsort(first).tolist():
            row = int(first[group])
            kind = int(hardware_type[row])
            interface = (
                self._sub_interface(int(parents[row]), kind, link_type=link.SLL)
                if index is None
                else self._sub_interface(int(parents[row]), int(index[row]), link_type=link.SLL2)
            )
            if interface.parent is not None and interface.hardware_type is None:
                interface.hardware_type = kind
                interface.index = None if index is None else int(index[row])
            if interface.parent is not None:
                interface.packets += int(counts[group])
            ids[group] = interface.id
        return ids[inverse]

    def _sub_interface(self, parent: int, known_by: int | str, *, link_type: int) -> Interface:
        """The interface inside a recording that its name, index or kind of hardware tells."""
        key = (parent, known_by)
        number = self._sub_interfaces.get(key)
        if number is not None:
            return self._interfaces[number]
        if len(self._sub_interfaces) >= _SUB_INTERFACES:
            return self._interfaces[parent]
        number = self._sub_interfaces[key] = len(self._interfaces)
        interface = Interface(
            id=number,
            capture=self._interfaces[parent].capture,
            link_type=link_type,
            name=known_by if isinstance(known_by, str) else None,
            parent=parent,
        )
        self._interfaces.append(interface)
        return interface


def read_programs(processes: Bytes, rows: Int64, programs: dict[int, Program]) -> None:
    """The programs of PKTAP's headers by row: id and name, and whose traffic it is in truth."""
    kinds, inverse = np.unique(processes, axis=0, return_inverse=True)
    for group, octets in enumerate(kinds):
        data = octets.tobytes()
        pid = int.from_bytes(data[:4], "little", signed=True)
        name, behalf = (
            plain(part.partition(b"\0")[0].decode("utf-8", "replace"))
            for part in (data[4:21], data[36:53])
        )
        if name:
            program = Program(name, pid if pid > 0 else None, behalf=behalf)
            mine = rows[inverse.reshape(-1) == group].tolist()
            programs.update((row, program) for row in mine if row not in programs)


def _by_columns(
    kind: int, data: Bytes, offset: Int64, end: Int64, ethertype: UInt16 | None
) -> link.Link | None:
    """The link types read by columns; None for all others."""
    if kind == link.ETHERNET:
        return link.ethernet(data, offset, end, ethertype)
    if kind in link.RAW_IP:
        return link.raw_ip(data, offset, end)
    if kind in link.LOOPBACK:
        return link.loopback(data, offset, end)
    if kind == link.SLL:
        return link.linux_cooked(data, offset, end)
    if kind == link.SLL2:
        return link.linux_cooked_v2(data, offset, end)
    return None
