"""PCAPdroid's trailers: whose packet it is, behind each Ethernet frame of its recordings.

Its `pcap_dump.c`: zeros up to four bytes, a magic, a user id, 20 bytes of the program's name, a
checksum. Anybody on the link can put such bytes behind a frame, so they count only where every
whole frame of the interface has them, as in all that PCAPdroid writes.
"""

from __future__ import annotations

import numpy as np

from pcapleak.dissect.field_reads import take_u32
from pcapleak.dissect.link import ETHERNET
from pcapleak.values.packets import Bool, Int64, Packets, RecordBatch, distinct
from pcapleak.values.programs import Program, plain

MAGIC = 0x01072021
SIZE = 32
_PADDING = 3


class Trailers:
    """Which interfaces have trailers, and what those of the last batch say."""

    def __init__(self) -> None:
        self._open = np.ones(1, np.bool_)
        """By interface: no whole frame without a trailer was seen."""
        self._trailed: set[int] = set()
        self._found: list[tuple[int, Program]] = []
        self._refused: list[int] = []

    def look(self, batch: RecordBatch, packets: Packets, end: Int64, declared_end: Int64) -> None:
        """Look behind the packets, which end at `declared_end`, to their frames' `end`."""
        highest = int(packets.interface.max(initial=0))
        if highest >= len(self._open):
            more = np.ones(highest + 1 - len(self._open), np.bool_)
            self._open = np.concatenate((self._open, more))
        rows = np.flatnonzero(self._open[packets.interface])
        if not len(rows):
            return
        row = packets.row[rows]
        whole = batch.captured_length[row] >= batch.original_length[row]
        rows, row = rows[whole], row[whole]
        has = self._has(batch, row, end[rows], declared_end[rows])
        for interface in distinct(packets.interface[rows[~has]]):
            self._open[interface] = False
            if interface in self._trailed:
                self._refused.append(interface)
        said = rows[has & self._open[packets.interface[rows]]]
        self._trailed.update(distinct(packets.interface[said]))
        for place in said.tolist():
            at = int(end[place]) - SIZE
            program = read_trailer(batch.data[at : at + SIZE].tobytes())
            if program is not None:
                self._found.append((place, program))

    def take(self) -> list[tuple[int, Program]]:
        """The programs of the last packets by their place among them; once."""
        found, self._found = self._found, []
        return found

    def take_refused(self) -> list[int]:
        """Interfaces whose trailers turned out to be a stranger's; once."""
        refused, self._refused = self._refused, []
        return refused

    @staticmethod
    def _has(batch: RecordBatch, row: Int64, end: Int64, declared_end: Int64) -> Bool:
        room = end - declared_end - SIZE
        has = (batch.link_type[row] == ETHERNET) & (room >= 0) & (room <= _PADDING)
        near = np.flatnonzero(has)
        if len(near):
            has[near] = take_u32(batch.data, end[near] - SIZE) == MAGIC
        found: Bool = has
        return found


def read_trailer(data: bytes) -> Program | None:
    """The program in a trailer; None where PCAPdroid could not tell one."""
    uid = int.from_bytes(data[4:8], "big", signed=True)
    name = plain(data[8:28].partition(b"\0")[0].decode("utf-8", "replace"))
    if not name and uid < 0:
        return None
    return Program(name or f"uid {uid}", user=str(uid) if uid >= 0 else "")
