"""Time stamps of pcapng interfaces, as integer nanoseconds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pcapleak.values.packets import SECOND as SECOND
from pcapleak.values.packets import Int64, UInt64

_LAST_SECOND = 9_223_372_035
"""The last whole second before 64 bits of nanoseconds end, in 2262: later times stop here."""


class Clock(NamedTuple):
    """if_tsresol as stored, and if_tsoffset (draft-ietf-opsawg-pcapng section 4.2)."""

    resolution: int = 6
    offset_s: int = 0


def to_ns(ticks: UInt64, clock: Clock) -> Int64:
    """Nanoseconds since the epoch, rounded down."""
    exponent = clock.resolution & 0x7F
    decimal = not clock.resolution & 0x80
    if not len(ticks):
        return ticks.view(np.int64)
    if decimal and exponent <= 9 and not clock.offset_s:
        scale = 10 ** (9 - exponent)
        if int(ticks.max()) * scale < _LAST_SECOND * SECOND:
            return (ticks * np.uint64(scale)).view(np.int64)
    if decimal:
        seconds, fraction = _decimal(ticks, exponent)
    else:
        seconds, fraction = _binary(ticks, exponent)
    # Offset first: a file may count from another epoch, and only the sum must fit.
    offset = max(min(clock.offset_s, _LAST_SECOND), -_LAST_SECOND)
    whole = np.minimum(seconds, np.uint64(2 * _LAST_SECOND)).astype(np.int64) + offset
    whole = np.clip(whole, -_LAST_SECOND, _LAST_SECOND)
    result: Int64 = whole * SECOND + fraction.view(np.int64)
    return result


def _decimal(ticks: UInt64, exponent: int) -> tuple[UInt64, UInt64]:
    """Seconds and nanoseconds of ticks of 10**-exponent seconds."""
    if exponent > 19:
        # 2**64 ticks are less than two seconds, and 10**exponent does not fit 64 bits.
        ticks = ticks // np.uint64(10) ** np.uint64(min(exponent - 19, 19))
        if exponent > 38:
            ticks = np.zeros_like(ticks)
        exponent = 19
    unit = np.uint64(10**exponent)
    seconds = ticks // unit
    rest = ticks - seconds * unit
    if exponent <= 9:
        return seconds, rest * np.uint64(10 ** (9 - exponent))
    return seconds, rest // np.uint64(10 ** (exponent - 9))


def _binary(ticks: UInt64, exponent: int) -> tuple[UInt64, UInt64]:
    """Seconds and nanoseconds of ticks of 2**-exponent seconds."""
    if exponent < 64:
        seconds = ticks >> np.uint64(exponent)
        rest = ticks & np.uint64((1 << exponent) - 1)
    else:
        seconds, rest = np.zeros_like(ticks), ticks
    if exponent <= 34:
        # 34 bits of fraction times 10**9 (30 bits) just fit.
        return seconds, rest * np.uint64(SECOND) >> np.uint64(exponent)
    # In halves of 32 bits; what the lower one leaves is less than the last bit kept.
    half = np.uint64(32)
    lower = (rest & np.uint64(0xFFFF_FFFF)) * np.uint64(SECOND) >> half
    upper = (rest >> half) * np.uint64(SECOND) + lower
    return seconds, upper >> np.uint64(min(exponent - 32, 63))
