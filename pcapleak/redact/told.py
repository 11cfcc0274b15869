"""What frames themselves tell of programs and interfaces, before it is taken out of them."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from pcapleak.dissect import link
from pcapleak.dissect.link_frames import read_programs
from pcapleak.dissect.trailers import MAGIC, SIZE, read_trailer
from pcapleak.redact.draft import Draft
from pcapleak.redact.names import Renamer
from pcapleak.values.packets import Interface, RecordBatch
from pcapleak.values.programs import Program

_IP = (b"\x08\x00", b"\x86\xdd")
_TELLING = 6
"""Bytes of a name that others have by chance in one of some hundred gigabytes."""
_MAX_INTERFACES = 4096
"""Interfaces that PKTAP's headers may name."""


class Told:
    """Reads PKTAP's headers and PCAPdroid's trailers. In a first pass it learns where every IP
    packet has a trailer: only there it is one."""

    def __init__(self, renamer: Renamer) -> None:
        self._renamer = renamer
        self._bare: set[int] = set()
        """Interfaces with a frame that has no trailer."""
        self._named: dict[tuple[int, bytes], Interface] = {}
        self._names: dict[int, bytes] = {}
        self._told: set[int] = set()

    def learn(self, interface: int, link_type: int, data: bytes, whole: bool) -> None:
        """Take a frame of the first pass."""
        if link_type == link.ETHERNET and whole and data[12:14] in _IP and not _has(data):
            self._bare.add(interface)

    def read(self, batch: RecordBatch) -> None:
        """Begin with a batch of the second pass: its `programs` are filled."""
        self._names = {}
        before = set(batch.programs)
        rows = np.flatnonzero(np.isin(batch.link_type, list(link.PKTAP)))
        if len(rows):
            ends = batch.offset[rows] + batch.captured_length[rows]
            head = link.pktap(batch.data, batch.offset[rows], ends)
            rows, head = rows[head.whole], head.select(head.whole)
            read_programs(head.processes, rows, batch.programs)
            names = (name.partition(b"\0")[0] for name in head.name.tolist())
            self._names = dict(zip(rows.tolist(), names, strict=True))
        for row in np.flatnonzero(batch.link_type == link.ETHERNET).tolist():
            at = int(batch.offset[row])
            data = batch.data[at : at + int(batch.captured_length[row])]
            if int(batch.interface[row]) in self._bare or not _has(data[-SIZE:].tobytes()):
                continue
            program = read_trailer(data[-SIZE:].tobytes())
            if program is not None:
                batch.programs.setdefault(row, program)
        self._told = batch.programs.keys() - before

    def interface(self, row: int, parent: Interface) -> Interface:
        """The interface a row of the batch is written to: that which its header names."""
        name = self._names.get(row)
        if not name:
            return parent
        key = (parent.id, name)
        if key not in self._named and len(self._named) < _MAX_INTERFACES:
            text = self._renamer.interface(name.decode("utf-8", "replace"))
            number = -1 - len(self._named)
            self._named[key] = replace(parent, id=number, name=text, addresses=())
        return self._named.get(key, parent)

    def is_left(self, row: int, program: Program, draft: Draft) -> bool:
        """Whether a frame that named its program still holds a name in what was only kept of it."""
        if row not in self._told:
            return False
        names = [name.casefold().encode() for name in (program.name, program.behalf)]
        names = [name for name in names if len(name) >= _TELLING]
        if not names:
            return False
        octets = np.frombuffer(bytes(draft.out), np.uint8)
        kept = np.where(np.frombuffer(bytes(draft.known), np.uint8) == 0, octets, 0)
        text = kept.astype(np.uint8).tobytes().lower()
        return any(name in text for name in names)


def _has(data: bytes) -> bool:
    return data[-SIZE:][:4] == MAGIC.to_bytes(4, "big") and len(data) >= SIZE
