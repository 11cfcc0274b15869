"""One piece of work beside the running process, on a copy of all it knows."""

from __future__ import annotations

import os
import pickle
import select
import signal
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

NICENESS = 5
"""The work gives way to what goes on beside it, packets above all; so it does where the process
has real-time priority."""


class Background(Generic[T]):
    """Runs a function in a forked child, which sees the state of the moment of the fork.

    The function must be pure but for its result. `poll` gives the result once it is there.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._pipe, out = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                os.close(self._pipe)
                if hasattr(os, "sched_setscheduler"):
                    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
                os.nice(NICENESS)
                with os.fdopen(out, "wb") as file:
                    pickle.dump(work(), file, pickle.HIGHEST_PROTOCOL)
                status = 0
            finally:
                # Nothing of the parent's is to be ended, flushed or closed here.
                os._exit(status)
        os.close(out)
        self._data = bytearray()
        self._ended = False
        self.done = False
        self.result: T | None = None
        """None where the child could not finish."""

    def poll(self) -> bool:
        """Take what the child has written so far; whether it is done."""
        while not self._ended and select.select([self._pipe], [], [], 0)[0]:
            part = os.read(self._pipe, 1 << 20)
            self._data += part
            self._ended = not part
        if self._ended and not self.done:
            # A large child takes its time to go, and nobody waits for it.
            self._reap(os.WNOHANG)
        return self.done

    def close(self) -> None:
        """End the child, finished or not."""
        if not self.done:
            os.kill(self._pid, signal.SIGKILL)
            self._data.clear()
            self._reap(0)

    def _reap(self, options: int) -> None:
        pid, status = os.waitpid(self._pid, options)
        if pid == 0:
            return
        self.done = True
        os.close(self._pipe)
        if status == 0 and self._data:
            self.result = pickle.loads(self._data)  # noqa: S301  (our own child wrote it)
        self._data.clear()
