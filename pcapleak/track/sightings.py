"""When something was seen, and in which frames: bounded, whatever the count."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pcapleak.values.evidence import MAX_FRAMES
from pcapleak.values.packets import Context

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

NOTHING: Mapping[Any, Any] = MappingProxyType({})
"""What a table is until it has an entry: a link has fifteen, mostly empty, of 64 bytes each."""


class Sighting:
    """First and last time, count, and the first frames of one fact."""

    __slots__ = ("count", "first_ns", "frames", "last_ns")

    def __init__(self, context: Context) -> None:
        self.first_ns = context.ts_ns
        self.last_ns = context.ts_ns
        self.count = 1
        self.frames = [context.frame]

    def add(self, context: Context) -> None:
        """See it once more."""
        self.count += 1
        if context.ts_ns < self.first_ns:
            self.first_ns = context.ts_ns
        elif context.ts_ns > self.last_ns:
            self.last_ns = context.ts_ns
        if len(self.frames) < MAX_FRAMES:
            self.frames.append(context.frame)


class Budget:
    """How many sightings many small tables may hold together, beyond the first of each."""

    __slots__ = ("left", "refused")

    def __init__(self, left: int) -> None:
        self.left = left
        self.refused = 0


def see(
    sightings: dict[Key, Sighting], key: Key, context: Context, limit: int, budget: Budget
) -> Sighting | None:
    """Count `key` as seen, and give its sighting. A new one is passed over where there are
    `limit` already, or others and nothing is left of the budget."""
    known = sightings.get(key)
    if known is not None:
        known.add(context)
        return known
    if not sightings:
        known = sightings[key] = Sighting(context)
    elif len(sightings) < limit:
        if budget.left:
            budget.left -= 1
            known = sightings[key] = Sighting(context)
        else:
            budget.refused += 1
    return known


def begun(table: Mapping[Key, Value]) -> dict[Key, Value]:
    """`table`, or a new one in place of `NOTHING`, to write to."""
    return table if isinstance(table, dict) else {}


def merge_frames(sightings: Iterable[Sighting | None]) -> tuple[list[int], int]:
    """The first frames of several facts in order, and how often they were seen in all."""
    frames: set[int] = set()
    count = 0
    for sighting in sightings:
        if sighting is not None:
            frames.update(sighting.frames)
            count += sighting.count
    return sorted(frames)[:MAX_FRAMES], count
