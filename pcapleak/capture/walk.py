"""Finds where the records of a capture start.

A capture is a chain: where a record starts is known only from the length of the one before.
Followed one by one, each step waits for main memory and for Python. `walk` guesses a record
start in each of many pieces of the window, follows all chains in lock-step with numpy, and
then proves every guess: a chain counts only if the one before it, which starts at a proven
record, ends exactly where it begins. Where one does not, the chain is followed by itself
until it meets the start of another. So the result is always that of `walk_scalar`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct

from pcapleak.values.packets import Bytes, Int64

LANES: Final = 256
PIECE: Final = 16384
"""Bytes a lane covers at least: shorter chains cost more than they save."""
SEARCH: Final = 2048
"""Bytes searched for a record start in each piece."""
FEW: Final = 16
"""Below this many chains Python alone is faster than numpy."""


class Framing(Struct, frozen=True):
    """How the records of a format follow each other."""

    little: bool
    header: int
    """Bytes needed before a record's length is known."""
    length_at: int
    extra: int
    """Bytes of a record which its length field does not count."""
    shortest: int
    longest: int
    """The length field's sane range: a value outside ends the walk."""
    section: int | None = None
    """A block type that ends the walk (pcapng): the type is the word before the length."""
    find: Callable[[bytes, int], int] | None = None
    """A likely record start in some bytes, from an offset on, or -1. None: follow one chain."""


def walk(data: Bytes, start: int, end: int, framing: Framing) -> tuple[Int64, int]:
    """The starts of all whole records in `data[start:end]`, and where the walk ended.

    At that place is the end of the data, an incomplete record, a length outside the sane
    range or a section's start.
    """
    lanes = min((end - start) // PIECE, LANES)
    if lanes < FEW or framing.find is None:
        return walk_scalar(data, start, end, framing)
    guesses = _guess(data, start, end, framing, lanes)
    if len(guesses) < FEW or np.diff(guesses, append=end).max() > framing.longest:
        return walk_scalar(data, start, end, framing)
    heads, ends = _follow(data, guesses, end, framing)
    if np.array_equal(ends[:-1], guesses[1:]):
        return heads, int(ends[-1])
    return _join(data, heads, guesses, ends, end, framing)


def walk_scalar(
    data: Bytes, start: int, end: int, framing: Framing, stop: int | None = None
) -> tuple[Int64, int]:
    """As `walk`, one record after another; `stop` ends it at the first record at or past it."""
    view = data.data
    word = struct.Struct("<I" if framing.little else ">I").unpack_from
    length_at, extra, section = framing.length_at, framing.extra, framing.section
    shortest, longest = framing.shortest, framing.longest
    pad = 3 if section is not None else 0
    last = min(end - framing.header, end if stop is None else stop - 1)
    heads: list[int] = []
    at = start
    while at <= last:
        length = word(view, at + length_at)[0]
        if length < shortest or length > longest:
            break
        after = at + extra + (length + pad & ~pad)
        if after > end or (section is not None and word(view, at)[0] == section):
            break
        heads.append(at)
        at = after
    return np.array(heads, np.int64), at


def _guess(data: Bytes, start: int, end: int, framing: Framing, lanes: int) -> Int64:
    """`start`, and a likely record start in each of the other pieces that shows one."""
    find = framing.find
    assert find is not None
    guesses = [start]
    step = (end - start) // lanes & ~3
    for piece in range(start + step, start + lanes * step, step):
        found = find(data[piece : min(piece + SEARCH, end)].tobytes(), 0)
        if found >= 0:
            guesses.append(piece + found)
    return np.array(guesses, np.int64)


def _follow(data: Bytes, starts: Int64, end: int, framing: Framing) -> tuple[Int64, Int64]:
    """All chains in lock-step, each up to the next one's start: sorted heads, chain ends.

    No chain may be longer than the longest record: then a length outside the sane range leads
    past the chain's stop, and only there it has to be looked for.
    """
    order = "<" if framing.little else ">"
    words = np.ndarray((len(data) - 11,), f"{order}u4", data, framing.length_at, (1,))
    section, least = framing.section, np.uint32(framing.shortest)
    most = framing.longest - framing.shortest
    extra = np.int64(framing.extra + framing.shortest)
    ends = starts.copy()
    lanes = np.arange(len(starts))
    at, stop = starts, np.append(starts[1:], end - framing.header + 1)
    going = at < stop
    at, stop, lanes = at[going], stop[going], lanes[going]
    found: list[Int64] = []
    while len(at) >= FEW:
        length = words[at] - least  # Of one below the least, larger than all
        if section is not None:
            step = length.astype(np.int64) + 3
            step &= ~3
            after = at + step
        else:
            after = at + length
        after += extra
        going = after < stop
        if np.count_nonzero(going) < len(going):
            over = np.flatnonzero(~going)
            last, beyond = at[over], after[over]
            bad = (beyond > end) | (length[over] > most)
            ends[lanes[over]] = np.where(bad, last, beyond)
            found.append(last[~bad])
            found.append(at[going])
            at, stop, lanes = after[going], stop[going], lanes[going]
        else:
            found.append(at)
            at = after
    for lane, first, last_stop in zip(lanes.tolist(), at.tolist(), stop.tolist(), strict=True):
        heads, ends[lane] = walk_scalar(data, first, end, framing, last_stop)
        found.append(heads)
    heads = np.concatenate(found)
    heads.sort()
    if section is not None:
        kinds = np.ndarray((len(data) - 3,), f"{order}u4", data, 0, (1,))[heads]
        sections = heads[kinds == section]
        if len(sections):
            heads = _before(heads, sections, starts, ends)
    return heads, ends


def _before(heads: Int64, sections: Int64, starts: Int64, ends: Int64) -> Int64:
    """The heads of each chain that lie before the first section in it, where it ends."""
    cut = np.full(len(starts), np.iinfo(np.int64).max)
    np.minimum.at(cut, np.searchsorted(starts, sections, "right") - 1, sections)
    np.minimum(ends, cut, out=ends)
    kept: Int64 = heads[heads < cut[np.searchsorted(starts, heads, "right") - 1]]
    return kept


def _join(
    data: Bytes, heads: Int64, starts: Int64, ends: Int64, end: int, framing: Framing
) -> tuple[Int64, int]:
    """The one true chain through the lanes, where some lane began or ended elsewhere."""
    known = starts.tolist()
    bounds = [*np.searchsorted(heads, starts).tolist(), len(heads)]
    parts: list[Int64] = []
    lane, at = 0, known[0]
    while True:
        parts.append(heads[bounds[lane] : bounds[lane + 1]])
        at = int(ends[lane])
        lane += 1
        while lane < len(known) and known[lane] != at:
            if known[lane] < at:
                lane += 1
                continue
            between, reached = walk_scalar(data, at, end, framing, known[lane])
            parts.append(between)
            if reached < known[lane]:
                return np.concatenate(parts), reached
            at = reached
        if lane == len(known):
            rest, at = walk_scalar(data, at, end, framing)
            parts.append(rest)
            return np.concatenate(parts), at
