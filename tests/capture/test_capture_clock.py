from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from pcapleak.capture.clock import Clock, to_ns

LAST = 9_223_372_035 * 10**9


@example([38370001], 163, 0)
@given(
    ticks=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8),
    resolution=st.integers(0, 255),
    offset_s=st.integers(-(2**63), 2**63 - 1) | st.just(0) | st.integers(-(10**9), 10**9),
)
def test_times_are_rounded_down_to_a_nanosecond_or_stop_at_the_end(
    ticks: list[int], resolution: int, offset_s: int
) -> None:
    exponent = resolution & 0x7F
    unit = Fraction(1, 2**exponent if resolution & 0x80 else 10**exponent)
    result = to_ns(np.array(ticks, np.uint64), Clock(resolution, offset_s)).tolist()
    for tick, ns in zip(ticks, result, strict=True):
        exact = (tick * unit + offset_s) * 10**9
        if abs(exact) < LAST and abs(offset_s) < LAST // 10**9 and tick * unit < LAST // 10**9:
            assert ns == floor(exact)
        else:
            assert -LAST <= ns <= LAST + 10**9
