"""The flow table as columns: what is summed over it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pcapleak.judge.columns import MAX_TALLY, tally
from pcapleak.values.endpoints import address_of


@given(
    st.sampled_from([4, 6]),
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 99), st.integers(1, 5), st.integers(0, 2)),
        max_size=300,
    ),
)
def test_the_heaviest_addresses_come_first_and_equal_ones_in_order(
    version: int, rows: list[tuple[int, int, int, int]]
) -> None:
    hi, lo, one, other = (np.array([row[i] for row in rows], np.int64) for i in range(4))
    upper = np.zeros(len(rows), np.uint64) if version == 4 else hi.astype(np.uint64)
    found = tally(version, upper, lo.astype(np.uint64), one, other)
    for weight, given_back in zip((one, other), found, strict=True):
        sums: Counter[tuple[int, int]] = Counter()
        for high, low, amount in zip(upper.tolist(), lo.tolist(), weight.tolist(), strict=True):
            sums[high, low] += amount
        ranked = sorted((-amount, words) for words, amount in sums.items() if amount)
        assert given_back == [
            (address_of(version, *words), -amount) for amount, words in ranked[:MAX_TALLY]
        ]
