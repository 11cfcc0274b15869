"""Work in a forked child, and how its result comes."""

from __future__ import annotations

import sys
import time

import pytest

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


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_child_tells_what_it_takes_while_it_runs() -> None:
    child = Background(_busy, cpu_s=10, niceness=0)
    try:
        before = time.process_time()
        while child.so_far_s() < 0.05:
            time.sleep(0.01)
        assert not child.poll()
        assert time.process_time() - before < 0.05
    finally:
        child.close()
    assert child.so_far_s() == child.ran_s >= 0.05


def _busy() -> None:
    while True:
        pass


def test_a_child_that_fails_gives_nothing() -> None:
    child: Background[float] = Background(lambda: 1 / 0, cpu_s=10, niceness=0)
    assert child.wait(10)
    assert child.result is None
    assert not child.killed
