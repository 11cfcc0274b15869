"""Options of pcapng packets (draft-ietf-opsawg-pcapng section 4.3), many packets at a time."""

from __future__ import annotations

from typing import Final

import numpy as np

from pcapleak.capture.blocks import Section, text
from pcapleak.capture.facts import Facts
from pcapleak.capture.programs import read_comment, read_user_comment, tells_who_ran
from pcapleak.values.packets import Bool, Direction, Int64, RecordBatch
from pcapleak.values.programs import Program

COMMENT: Final = 1
FLAGS: Final = 2
PROCESS_INDEX: Final = 0x8001
"""Apple's epb_pib_index: which process information block the packet belongs to."""
EFFECTIVE_PROCESS_INDEX: Final = 0x8003
"""The same of the process on whose behalf it was sent."""
PROCESS_AND_THREAD: Final = 8
"""epb_processid_threadid: the ids of the process and of its thread."""

MAX_OPTIONS: Final = 256
"""Options looked at in a packet: each round costs a few microseconds, however few packets are
left in it, so a block stuffed with a million of them must not ask for a million rounds."""

WHO_RAN: Final = (
    "programs named by etl2pcapng are those that ran when a packet was recorded, which are often "
    "not those that sent it"
)

_DIRECTIONS: Final = np.array(
    [Direction.UNKNOWN, Direction.INBOUND, Direction.OUTBOUND, Direction.UNKNOWN], np.uint8
)


def read_packet_options(
    batch: RecordBatch,
    rows: Int64,
    begin: Int64,
    stop: Int64,
    section: Section,
    facts: Facts,
    base: int = 0,
) -> None:
    """Fill directions, comments and programs of `rows`; each one's options are in
    `batch.data[begin:stop]`, and `base` is where in the capture that data begins."""
    ran: list[int] = []
    _read(batch, rows, begin, stop, section, facts, base, ran)
    for row in ran:
        if batch.direction is not None and batch.direction[row] == Direction.INBOUND:
            batch.programs.pop(row, None)
        else:
            facts.notes.add(WHO_RAN)
    if not section.own:
        # The user or the parent of a program that its recorder does not tell: a part of a comment
        # that only looks so.
        for row in [row for row, told in batch.programs.items() if not _is_named(told)]:
            del batch.programs[row]


def _is_named(program: Program) -> bool:
    return bool(program.name) or program.pid is not None


def _read(
    batch: RecordBatch,
    rows: Int64,
    begin: Int64,
    stop: Int64,
    section: Section,
    facts: Facts,
    base: int,
    ran: list[int],
) -> None:
    words = np.ndarray((len(batch.data) - 1,), f"{section.order}u2", batch.data, 0, (1,))
    at, stop = begin[rows], stop[rows]
    for _ in range(MAX_OPTIONS):
        within = at + 4 <= stop
        rows, at, stop = rows[within], at[within], stop[within]
        code = words[at]
        length = words[at + 2].astype(np.int64)
        value = at + 4
        good = (code != 0) & (value + length <= stop)
        rows, stop, code, value, length = (
            column[good] for column in (rows, stop, code, value, length)
        )
        if not len(rows):
            return
        _flags(batch, rows, value, (code == FLAGS) & (length == 4), section.little)
        _texts(batch, rows, value, length, code, section, base, ran)
        at = value + ((length + 3) & ~3)
    facts.notes.add(f"packet options beyond the {MAX_OPTIONS}th were not read")


def _flags(batch: RecordBatch, rows: Int64, value: Int64, mine: Bool, little: bool) -> None:
    if mine.any():
        if batch.direction is None:
            batch.direction = np.zeros(len(batch), np.uint8)
        low = batch.data[value[mine] + (0 if little else 3)]
        batch.direction[rows[mine]] = _DIRECTIONS[low & 3]


def _texts(
    batch: RecordBatch,
    rows: Int64,
    value: Int64,
    length: Int64,
    code: np.ndarray,
    section: Section,
    base: int,
    ran: list[int],
) -> None:
    for i in np.flatnonzero(code == COMMENT).tolist():
        row, start = int(rows[i]), int(value[i])
        comment = text(batch.data[start : start + int(length[i])].tobytes())
        batch.comments[row] = "\n".join(filter(None, (batch.comments.get(row), comment)))
        found = read_comment(comment, section.writer)
        if found is None and section.users:
            found = read_user_comment(comment, section.users)
        if found is not None:
            known = batch.programs.get(row)
            batch.programs[row] = found if known is None else known.completed(found)
            if not section.writer and tells_who_ran(comment):
                ran.append(row)
    indexed = (code == PROCESS_INDEX) | (code == EFFECTIVE_PROCESS_INDEX)
    for i in np.flatnonzero(indexed & (length == 4)).tolist():
        number = _number(batch, int(value[i]), section)
        if number < len(section.processes):
            process, row = section.processes[number], int(rows[i])
            if code[i] == EFFECTIVE_PROCESS_INDEX:
                process = Program(behalf=process.name)
            known = batch.programs.get(row, Program())
            batch.programs[row] = known.completed(process)
    for i in np.flatnonzero((code == PROCESS_AND_THREAD) & (length == 8)).tolist():
        pid = _number(batch, int(value[i]), section)
        row = int(rows[i])
        known = batch.programs.get(row, Program())
        told = section.known.of(pid, int(batch.ts_ns[row]), base + int(value[i]))
        batch.programs[row] = known.completed(told)


def _number(batch: RecordBatch, start: int, section: Section) -> int:
    field = batch.data[start : start + 4].tobytes()
    return int.from_bytes(field, "little" if section.little else "big")
