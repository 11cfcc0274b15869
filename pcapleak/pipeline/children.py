"""Processes that work for another one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pcapleak.pipeline.gc_policy import RARELY

if TYPE_CHECKING:
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection as End
    else:
        from multiprocessing.connection import Connection as End

Task = TypeVar("Task")
Result = TypeVar("Result")


class _Child(NamedTuple):
    process: multiprocessing.process.BaseProcess
    tasks: End
    results: End

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.terminate()
        self.process.join()
        self.tasks.close()
        self.results.close()


def share_out(
    tasks: Sequence[Task], do: Callable[[Task], Result], processes: int
) -> Iterator[tuple[int, Result | None]]:
    """Have `do` done for each task by some processes: the task's number and its result, as they
    come; None where the process was killed at it.

    Each child has pipes of its own, so one that is killed takes nothing of the others' along: in
    `concurrent.futures` all write to one pipe, and one that dies while it writes stops them for
    ever. Raises what `do` raised.
    """
    left = deque(enumerate(tasks))
    free: list[_Child] = []
    busy: dict[End, tuple[_Child, int]] = {}
    try:
        while left or busy:
            while left and len(busy) < processes:
                number, task = left.popleft()
                child = free.pop() if free else _start(do)
                busy[child.results] = child, number
                with suppress(OSError):  # Its results will say that it is gone.
                    child.tasks.send(task)
            ready = wait(list(busy))
            for results in [one for one in busy if one in ready]:
                child, number = busy[results]
                try:
                    result = results.recv()
                except (EOFError, OSError):
                    del busy[results]
                    child.end()
                    yield number, None
                    continue
                del busy[results]
                free.append(child)
                if isinstance(result, Exception):
                    raise result
                yield number, result
    finally:
        for child in (*free, *(child for child, _ in busy.values())):
            child.end()


def _start(do: Callable[[Any], object]) -> _Child:
    # Spawned: a process without what this one holds, and pipes, not a socket in a folder that a
    # confined process may not write.
    spawn = multiprocessing.get_context("spawn")
    taken, tasks = spawn.Pipe(duplex=False)
    results, given = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_serve, args=(do, taken, given), daemon=True)
    process.start()
    taken.close()
    given.close()
    return _Child(process, tasks, results)


def _serve(do: Callable[[Any], object], taken: End, given: End) -> None:
    """In the child: do what comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent ends it
    gc.set_threshold(*RARELY)
    _end_with_parent()
    while True:
        try:
            task = taken.recv()
        except EOFError:
            return
        try:
            result = do(task)
        except Exception as error:  # raised again by the parent
            result = error
        given.send(result)


def _end_with_parent() -> None:
    """End this process when the one that started it ends, in whatever way."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
