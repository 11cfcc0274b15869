"""One piece of work beside the running process, on a copy of all it knows."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Generic, TypeVar

if sys.platform != "win32":
    # Here, and not where it is first used (`os.wait4` is that too): a watch without its rights may
    # not be able to read it any more.
    import resource

T = TypeVar("T")

REST_S = 0.02
"""How long the rest of a result is waited for once it has begun to come: a pipe holds 64 kB, and
who looked only now and then would take that much each time."""

REAP_S = 0.005
"""How often a child that has written all is looked at until it is gone."""

NICENESS = 5
"""Of work that gives way to what goes on beside it, packets above all; so it does where the process
has real-time priority."""


class Background(Generic[T]):
    """Runs a function in a forked child, which sees the state of the moment of the fork.

    The function must be pure but for its result. `poll` gives the result once it is there. The
    kernel ends a child that takes more than `cpu_s` seconds of processor time. Windows has no such
    children.
    """

    def __init__(self, work: Callable[[], T], *, cpu_s: int, niceness: int) -> None:
        self._pipe, out = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                os.close(self._pipe)
                if hasattr(os, "sched_setscheduler"):
                    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
                os.nice(niceness)
                _limit(cpu_s)
                result = pickle.dumps(work(), pickle.HIGHEST_PROTOCOL)
                with os.fdopen(out, "wb") as file:
                    file.write(result)
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
        self.killed = False
        """It was ended from without: it took too long, or too much memory."""
        self.ran_s = 0.0
        """Processor time that it took."""

    def poll(self) -> bool:
        """Take what the child has written so far; whether it is done."""
        while not self._ended and self._waits_for_more():
            part = os.read(self._pipe, 1 << 20)
            self._data += part
            self._ended = not part
        if self._ended and not self.done:
            # A large child takes its time to go, and nobody waits for it.
            self._reap(os.WNOHANG)
        return self.done

    def so_far_s(self) -> float:
        """Processor time that it has taken so far; 0 where the system does not tell."""
        try:
            # clock_getcpuclockid(3) of a process, which Python lacks.
            return time.clock_gettime(~self._pid << 3 | 2)
        except OSError:
            return self.ran_s

    def wait(self, timeout_s: float) -> bool:
        """Wait for the child at most so long; whether it is done."""
        end_s = time.monotonic() + timeout_s
        while not self.poll() and (left_s := end_s - time.monotonic()) > 0:
            # What has written all is still to be reaped.
            ready = [] if self._ended else [self._pipe]
            select.select(ready, [], [], left_s if ready else min(left_s, REAP_S))
        return self.done

    def close(self) -> None:
        """End the child, finished or not."""
        if not self.done:
            os.kill(self._pid, signal.SIGKILL)
            self._data.clear()
            self._reap(0)

    def _waits_for_more(self) -> bool:
        return bool(select.select([self._pipe], [], [], REST_S if self._data else 0)[0])

    def _reap(self, options: int) -> None:
        pid, status, used = os.wait4(self._pid, options)
        if pid == 0:
            return
        self.ran_s = used.ru_utime + used.ru_stime
        self.done = True
        os.close(self._pipe)
        self.killed = os.WIFSIGNALED(status)
        if status == 0 and self._data:
            self.result = pickle.loads(self._data)  # noqa: S301  (our own child wrote it)
        self._data.clear()


def _limit(cpu_s: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    # With both limits at once the kernel kills, and dumps no core.
    most = cpu_s if hard == resource.RLIM_INFINITY else min(cpu_s, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
