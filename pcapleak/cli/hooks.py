"""Runs the command of `--exec`, from a process beside the watch that never sees a packet."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import typer

from pcapleak.values.findings import Severity

if TYPE_CHECKING:
    from pcapleak.report.document import Finding

MAX_CHILDREN = 8
"""Commands running at a time; findings beyond it wait."""
MAX_WAITING = 1000
"""Findings of a watch that a command is run for at all."""
MAX_LINE = 1 << 14
"""Bytes that tell of one: a message of 2,000 characters, six bytes each at most."""
_LOOK_S = 0.1
"""How often it is looked whether a command has ended while others wait for it."""


class Hooks:
    """Has a command run for findings: arguments are passed, no shell reads them.

    Made before the watch confines itself: what packets talk it into can have no program run but
    this one, with the words of a finding behind it. On Windows, where nothing confines a watch, a
    thread runs it. Without a command it does nothing.
    """

    def __init__(
        self, command: Sequence[str], fail_on: Severity, prepare: Callable[[], object]
    ) -> None:
        """`fail_on` is the severity from which on findings count; the process beside begins with
        `prepare`, which gives up its rights."""
        self._fail_on = fail_on
        self._told = 0
        self._ask: socket.socket | _Thread | None = None
        if not command:
            return
        if sys.platform == "win32":
            self._ask = _Thread(command)
            return
        self._ask, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ask.setblocking(False)
        if os.fork() == 0:
            status = 1
            try:
                self._ask.close()
                prepare()
                _detach()
                _serve(partial(_hear, asked), command)
                status = 0
            finally:
                os._exit(status)
        asked.close()

    def add(self, findings: Sequence[Finding]) -> None:
        """Findings that are new."""
        from pcapleak.report.text import safe

        if self._ask is None:
            return
        for finding in findings:
            if finding.severity >= self._fail_on and self._told < MAX_WAITING:
                self._told += 1
                words = [finding.id, str(finding.severity), safe(finding.message, 2000)]
                with contextlib.suppress(OSError):
                    self._ask.send(json.dumps(words).encode())

    def close(self) -> None:
        """No more come; what was told of is still run."""
        if self._ask is not None:
            self._ask.close()
            self._ask = None


class _Thread:
    """What runs the command where no process beside can: a thread, told as over a socket."""

    def __init__(self, command: Sequence[str]) -> None:
        self._lines: queue.Queue[bytes] = queue.Queue()
        self.send = self._lines.put
        self._thread = threading.Thread(target=_serve, args=(self._hear, command), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more comes: what waits is started before the watch ends."""
        self.send(b"")
        self._thread.join()

    def _hear(self, timeout_s: float | None) -> bytes:
        try:
            return self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None


def _hear(asked: socket.socket, timeout_s: float | None) -> bytes:
    asked.settimeout(timeout_s)
    return asked.recv(MAX_LINE)


def _detach() -> None:
    """Have nobody wait for this process: standard output is the report's."""
    if sys.platform != "win32":
        os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)


def _serve(hear: Callable[[float | None], bytes], command: Sequence[str]) -> None:
    running: list[subprocess.Popen[bytes]] = []
    waiting: list[list[str]] = []
    ended = False
    while not ended or waiting:
        # With nothing to look after, the next finding is waited for without end.
        try:
            line = b"" if ended else hear(_LOOK_S if waiting or running else None)
            ended = not line
            waiting += [json.loads(line)] if line else []
        except TimeoutError:
            pass
        if ended and running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running[0].wait(_LOOK_S)
        running = [child for child in running if child.poll() is None]
        while waiting and len(running) < MAX_CHILDREN:
            try:
                child = subprocess.Popen(
                    [*command, *waiting.pop(0)], stdin=subprocess.DEVNULL, stdout=2
                )
            except OSError as error:
                typer.echo(f"pcapleak: --exec {command[0]}: {error.strerror}", err=True)
                return
            running.append(child)
