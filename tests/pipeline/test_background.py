"""Work in a forked child, and how its result comes."""

from __future__ import annotations

import time

from pcapleak.pipeline.background import Background


def test_a_large_result_comes_at_once_to_who_looks_now_and_then() -> None:
    """And not as much of it at each look as a pipe holds."""
    child = Background(lambda: bytes(5_000_000), cpu_s=10, niceness=0)
    looks = 0
    while not child.poll():
        looks += 1
        assert looks < 20
        time.sleep(0.1)
    assert child.result == bytes(5_000_000)


def test_a_child_that_fails_gives_nothing() -> None:
    child: Background[float] = Background(lambda: 1 / 0, cpu_s=10, niceness=0)
    assert child.wait(10)
    assert child.result is None
    assert not child.killed
