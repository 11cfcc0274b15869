"""Child processes of the lab: each in its own group, each ended by its own id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self


class LabError(Exception):
    """Something of the lab could not be built, started or read."""


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    """Return as soon as ``condition()`` holds; raise `LabError` naming ``what`` at the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"timed out after {timeout_s:g} s: {what}")
        time.sleep(0.02)


class Process:
    """A running child with its output in a log file; leaving the context ends its group."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        pass_fds: tuple[int, ...] = (),
        environment: dict[str, str] | None = None,
        stop_signal: int = signal.SIGTERM,
        grace_s: float = 5.0,
    ) -> None:
        self.name = log.stem
        self.log = log
        self._stop_signal = stop_signal
        self._grace_s = grace_s
        with log.open("wb") as output:
            self.child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def wait_for(self, text: str, timeout_s: float = 10.0) -> None:
        """Return once the output contains ``text``; raise `LabError` if it ends or never does."""

        def said() -> bool:
            output = self.output()
            if text in output:
                return True
            if self.child.poll() is not None:
                raise LabError(f"{self.name} ended ({self.child.returncode}): {output[-2000:]}")
            return False

        wait_until(said, f"{self.name} to say {text!r}", timeout_s)

    def output(self) -> str:
        """All the child has printed so far."""
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """Ask the group to end, insist after the grace; returns when the child is gone."""
        if self.child.poll() is None:
            self._signal(self._stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(self._grace_s)
        # What the child left behind in its group goes with it.
        self._signal(signal.SIGKILL)
        self.child.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
