"""Flow keys and the hash table that finds them, many at a time.

An incremental open-addressing table on a keyed hash, so that a capture cannot be built to make
it slow. The hash only finds candidates; the whole key is compared.
"""

from __future__ import annotations

import os
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pcapleak.values.packets import Bool, Int64, UInt64

ORIG_HI, ORIG_LO, RESP_HI, RESP_LO, PORTS, META = range(6)
"""Columns of the stored keys. `PORTS` is orig's << 16 | resp's; `META` is
interface << 32 | encapsulation << 16 | version << 8 | protocol."""

_Number = TypeVar("_Number", np.int64, np.uint64, np.uint32, np.uint8)

_TAG = np.uint64(0xFFFF_FFFF_0000_0000)
_NUMBER = np.uint64(0x0000_0000_FFFF_FFFF)
_TAG_UNIT = np.uint64(1 << 32)
_SIXTEEN = np.uint64(16)


class Keys(NamedTuple):
    """Flow keys as packets have them, in columns; a row's sender stands first."""

    source_hi: UInt64
    source_lo: UInt64
    destination_hi: UInt64
    destination_lo: UInt64
    ports: UInt64
    reverse_ports: UInt64
    meta: UInt64

    def select(self, rows: Int64 | slice) -> Keys:
        """The keys of `rows`."""
        return Keys(*(column[rows] for column in self))


class FlowIndex:
    """Numbers flow keys from 0 in the order they are added; both directions are one flow."""

    def __init__(self) -> None:
        self.size = 0
        self._slots: UInt64 = np.zeros(1 << 14, np.uint64)
        self._stored: UInt64 = np.zeros((1 << 12, 6), np.uint64)
        self._hashes: UInt64 = np.zeros(1 << 12, np.uint64)
        self._secret = np.frombuffer(os.urandom(48), np.uint64) | np.uint64(1)

    @property
    def stored(self) -> UInt64:
        """The keys in the order of their numbers, as orig has them: shape (size, 6)."""
        return self._stored[: self.size]

    def hash(self, keys: Keys) -> UInt64:
        """Equal for both directions: the ends are hashed apart, then added."""
        secret = self._secret
        total = keys.meta * secret[5]
        for hi, lo, ports in (
            (keys.source_hi, keys.source_lo, keys.ports),
            (keys.destination_hi, keys.destination_lo, keys.reverse_ports),
        ):
            end = lo * secret[1]
            end += hi * secret[0]
            end += (ports >> _SIXTEEN) * secret[2]
            end ^= end >> np.uint64(32)
            end *= secret[3]
            end ^= end >> np.uint64(29)
            total += end
        total ^= total >> np.uint64(32)
        total *= secret[4]
        mixed: UInt64 = total ^ (total >> np.uint64(29))
        return mixed

    def find(self, hashes: UInt64, keys: Keys) -> tuple[Int64, Bool]:
        """The number of each key, -1 where it has none, and whether orig is its source."""
        number = self._candidates(hashes)
        forward, same = self.compare(number, keys)
        # Two keys of one tag: almost never, so those are looked for one by one.
        for row in np.flatnonzero((number >= 0) & ~same).tolist():
            number[row], forward[row] = self._find_one(int(hashes[row]), keys, row)
        return number, forward

    def _candidates(self, hashes: UInt64) -> Int64:
        """The number of the first key that has each hash's tag, -1 where there is none."""
        mask = len(self._slots) - 1
        slot = (hashes & np.uint64(mask)).view(np.int64)
        value = self._slots.take(slot)
        rows = np.flatnonzero((value ^ hashes) >= _TAG_UNIT)
        rows = rows[np.flatnonzero(value[rows])]
        while len(rows):
            slot[rows] = further = (slot[rows] + 1) & mask
            value[rows] = held = self._slots.take(further)
            rows = rows[np.flatnonzero((held != 0) & ((held ^ hashes[rows]) >= _TAG_UNIT))]
        number: Int64 = (value & _NUMBER).view(np.int64)
        number -= 1
        return number

    def compare(self, number: Int64, keys: Keys) -> tuple[Bool, Bool]:
        """Whether orig of the stored keys is the source of `keys`, and whether they are the same.

        Numbers of -1 stand for no key; what is said of those is nonsense.
        """
        stored = self._stored.take(number, axis=0)
        forward = (stored[:, ORIG_LO] == keys.source_lo) & (stored[:, PORTS] == keys.ports)
        forward &= stored[:, RESP_LO] == keys.destination_lo
        forward &= stored[:, ORIG_HI] == keys.source_hi
        forward &= stored[:, RESP_HI] == keys.destination_hi
        back = (stored[:, RESP_LO] == keys.source_lo) & (stored[:, PORTS] == keys.reverse_ports)
        back &= stored[:, ORIG_LO] == keys.destination_lo
        back &= stored[:, RESP_HI] == keys.source_hi
        back &= stored[:, ORIG_HI] == keys.destination_hi
        return forward, (stored[:, META] == keys.meta) & (forward | back)

    def _find_one(self, hashed: int, keys: Keys, row: int) -> tuple[int, bool]:
        """As `find`, of one key."""
        key = keys.select(slice(row, row + 1))
        mask = len(self._slots) - 1
        slot = hashed & mask
        while value := int(self._slots[slot]):
            if value ^ hashed < _TAG_UNIT:
                number = np.array([(value & int(_NUMBER)) - 1])
                forward, same = self.compare(number, key)
                if same[0]:
                    return int(number[0]), bool(forward[0])
            slot = (slot + 1) & mask
        return -1, False

    def number(self, keys: Keys, limit: int | None = None) -> tuple[Int64, Bool]:
        """The number of each key and whether orig is its source, new keys entered in the order of
        their rows, up to `limit`; -1 for those beyond it."""
        hashes = self.hash(keys)
        number, forward = self.find(hashes, keys)
        missing = np.flatnonzero(number < 0)
        while len(missing):
            # One new key for each distinct hash. Where the key is another one all the same, look
            # again, so that two keys of one hash each get their own.
            first, group = _distinct(hashes[missing])
            room = len(first) if limit is None else max(0, limit - self.size)
            rows = missing[first[:room]]
            if not len(rows):
                break
            start = self.size
            self.add(hashes[rows], keys.select(rows))
            given = np.where(group < room, group + start, -1)
            forward[missing], same = self.compare(given, keys.select(missing))
            given[~same] = -1
            number[missing] = given
            missing = missing[np.flatnonzero(~same & (group < room))]
        return number, forward

    def add(self, hashes: UInt64, keys: Keys) -> Int64:
        """Give numbers to keys that have none; no two of them may be equal."""
        start, stop = self.size, self.size + len(hashes)
        room = len(self._hashes)
        if stop > room:
            while stop > room:
                room *= 2
            self._stored = grown(self._stored, room)
            self._hashes = grown(self._hashes, room)
        self.size = stop
        rows = self._stored[start:stop]
        rows[:, ORIG_HI], rows[:, ORIG_LO] = keys.source_hi, keys.source_lo
        rows[:, RESP_HI], rows[:, RESP_LO] = keys.destination_hi, keys.destination_lo
        rows[:, PORTS], rows[:, META] = keys.ports, keys.meta
        self._hashes[start:stop] = hashes
        slots = len(self._slots)
        # At most a quarter full, so that nearly every key is found at the first look
        if stop * 4 > slots:
            while stop * 4 > slots:
                slots *= 2
            self._slots = np.zeros(slots, np.uint64)
            self._place(0)
        else:
            self._place(start)
        return np.arange(start, stop)

    def _place(self, start: int) -> None:
        """Enter keys into the slots; of several that want one, the last written stays."""
        mask = len(self._slots) - 1
        hashes = self._hashes[start : self.size]
        value = (hashes & _TAG) | np.arange(start + 1, self.size + 1, dtype=np.uint64)
        slot = (hashes & np.uint64(mask)).astype(np.int64)
        while len(value):
            free = self._slots[slot] == 0
            self._slots[slot[free]] = value[free]
            left = self._slots[slot] != value
            value, slot = value[left], (slot[left] + 1) & mask


def _distinct(hashes: UInt64) -> tuple[Int64, Int64]:
    """Where each distinct hash comes first, ascending, and for each row the place of its hash
    among those."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    first = np.minimum.reduceat(order, begins)
    ascending = np.argsort(first)
    place = np.empty(len(first), np.int64)
    place[ascending] = np.arange(len(first))
    group = np.empty(len(hashes), np.int64)
    group[order] = np.repeat(place, np.diff(begins, append=len(hashes)))
    return first[ascending], group


def grown(column: NDArray[_Number], room: int) -> NDArray[_Number]:
    """`column` with room for as many rows, the new ones zero."""
    larger = np.zeros((room, *column.shape[1:]), column.dtype)
    larger[: len(column)] = column
    return larger
