"""Writing to disk beside a watch: a slow disk must cost no packet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

MAX_WAITING = 256 << 20
"""Bytes that wait to be written: two seconds of a loaded gigabit link."""


class Scribe:
    """Does one job after the other in a thread of its own.

    The thread begins with the first job: after rights were dropped, which is done thread by
    thread. A watch that is killed leaves all but the jobs that still waited.
    """

    def __init__(self) -> None:
        self.error: OSError | None = None
        """What ended the work; later jobs are refused."""
        self._jobs: deque[tuple[Callable[[], object], int]] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = False

    def offer(self, job: Callable[[], object], size: int, *, wait: bool = False) -> bool:
        """Take a job that keeps `size` bytes until it is done, where there is room for it.

        With `wait`, room is waited for.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self.error is not None or self._has_room(size))
            if self.error is not None or not self._has_room(size):
                return False
            self._jobs.append((job, size))
            self._waiting += size
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
        return True

    def close(self) -> None:
        """Do what waits, then end."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _has_room(self, size: int) -> bool:
        return not self._jobs or self._waiting + size <= MAX_WAITING

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._ended)
                if not self._jobs:
                    return
                job, size = self._jobs[0]
            try:
                job()
            except OSError as error:
                with self._changed:
                    self.error = error
                    self._jobs.clear()
                    self._changed.notify_all()
                return
            # The job itself keeps what it is about.
            del job
            with self._changed:
                self._jobs.popleft()
                self._waiting -= size
                self._changed.notify_all()
