"""Work shared out to processes, of which any may be killed at any time."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from pcapleak.pipeline.children import share_out

MORE_THAN_A_PIPE_HOLDS = 1 << 24


def _long(size: int) -> str:
    return "x" * size


def _double(number: int) -> int:
    if number < 0:
        raise ValueError(number)
    return 2 * number


def _or_die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _stuck_in_writing(child: psutil.Process) -> bool:
    """Whether it has nothing to do but wait."""
    before = child.cpu_times()
    time.sleep(0.2)
    return child.status() == psutil.STATUS_SLEEPING and child.cpu_times() == before


def _children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]


def test_results_come_with_their_numbers() -> None:
    assert sorted(share_out([5, 7, 9], _double, 2)) == [(0, 10), (1, 14), (2, 18)]
    assert list(share_out([], _double, 2)) == []
    assert not _children()


def test_what_a_child_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="-1"):
        list(share_out([1, -1, 1], _double, 2))
    assert not _children()


def test_a_killed_child_costs_its_own_task() -> None:
    assert sorted(share_out(range(8), _or_die, 2)) == [
        (number, None if number == 3 else number) for number in range(8)
    ]


def test_a_child_killed_while_it_writes_stops_nobody() -> None:
    """The others' results come, and its own task is told to be lost."""
    sizes = [1, *[MORE_THAN_A_PIPE_HOLDS] * 3]
    shared = share_out(sizes, _long, 4)
    found = dict([next(shared)])
    writing = [one for one in _children() if _stuck_in_writing(one)]
    while len(writing) < 3:
        writing = [one for one in _children() if _stuck_in_writing(one)]
    writing[-1].kill()
    found |= dict(shared)
    assert found.keys() == set(range(4))
    assert sum(text is None for text in found.values()) <= 1


def test_who_stops_listening_leaves_no_child() -> None:
    shared = share_out(range(100), _double, 2)
    next(shared)
    shared.close()
    assert not _children()
