"""A capture that another program records: a stream on standard input, dumpcap, or tcpdump."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from typing import IO

from pcapleak.capture.source import open_capture
from pcapleak.errors import CaptureError, PcapleakError
from pcapleak.live.notebook import TimedNote
from pcapleak.values.packets import DeviceChange, Interface, RecordBatch

MAX_WAITING = 64
"""Batches between the reader and the watch; then the program's own buffer fills."""
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel|dropped on interface[^:]*: \d+/(\d+)")


class PipedSource:
    """Reads a pcap or pcapng stream as it comes. `start` begins; reading is done in a thread."""

    def __init__(self, path: str, command: list[str] | None, name: str | None = None) -> None:
        """`name` is the interface where only one is recorded, for a format that has no names.

        `command` writes the capture to its standard output; None reads our own
        input. It is started at once, while there are rights to give it.
        """
        self.path = path
        self.format = "live"
        self.interfaces: list[Interface] = []
        self.problems: list[str] = []
        self.changes: list[DeviceChange] = []
        self.gaps: list[str] = []
        self.notes: list[TimedNote] = []
        self.expression: str | None = None
        """The filter that packets had to match."""
        self.bytes_read = 0
        self.received = 0
        self.ended = False
        self.loses = False
        self._batches: queue.Queue[RecordBatch | None] = queue.Queue(MAX_WAITING)
        self._error: CaptureError | None = None
        self._stopped = False
        self._name = name
        # Once confined, nobody can ask.
        self._devices = {} if command is None else dict(socket.if_nameindex())
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        if command is not None:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._said,
                start_new_session=True,
            )  # fmt: skip

    @property
    def dropped(self) -> int:
        """Packets the recording program says it lost; known at its end."""
        return sum(interface.drops or 0 for interface in self.interfaces) or self._told_drops()

    def start(self) -> None:
        """Begin to read: what the program writes becomes our standard input.

        (A descriptor's name under /dev/fd may not be opened once rights were dropped.)
        """
        if self._process is not None:
            assert self._process.stdout is not None
            os.dup2(self._process.stdout.fileno(), 0)
            self._process.stdout.close()
        threading.Thread(target=self._read, daemon=True).start()

    def read(self, timeout_s: float) -> RecordBatch | None:
        """What has arrived, waiting at most this long.

        Raises `PcapleakError` where it is no capture, or the program cannot record.
        """
        try:
            batch = self._batches.get(timeout=max(0.001, timeout_s))
        except queue.Empty:
            return None
        if batch is None:
            self.ended = True
            if self._error is not None and not self.received:
                raise self._failure(self._error)
            return None
        self._call_by_name()
        self.received += len(batch)
        self.bytes_read += int(batch.captured_length.sum())
        return batch

    def _call_by_name(self) -> None:
        """Name what the recording knows by its index on this machine alone."""
        for interface in self.interfaces:
            if interface.name is None and interface.index is not None:
                interface.name = self._devices.get(interface.index)

    def close(self) -> None:
        """Stop the program and let go of what it wrote."""
        self._stopped = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._batches.get_nowait()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)

    def _read(self) -> None:
        """In the thread: hand on what comes, then None."""
        try:
            with open_capture("-", interfaces=self.interfaces) as source:
                for batch in source:
                    if self._stopped:
                        return
                    if self._name is not None and self.interfaces[0].name is None:
                        self.interfaces[0].name = self._name
                    self._batches.put(batch)
                self.problems += source.problems
                self.format = source.format
        except CaptureError as error:
            self._error = error
        finally:
            self._batches.put(None)

    def _told(self) -> str:
        """What the program has said so far."""
        if self._said is None:
            return ""
        self._said.seek(0)
        return self._said.read(1 << 16).decode(errors="replace")

    def _told_drops(self) -> int:
        if self._process is None or self._process.poll() is None:
            return 0
        return sum(int(a or b) for a, b in _DROPPED.findall(self._told()))

    def _failure(self, error: CaptureError) -> PcapleakError:
        said = " ".join(self._told().split())
        return PcapleakError(f"{self.path}: {said}") if said else error


def dumpcap_source(names: tuple[str, ...], expression: str | None) -> PipedSource:
    """Packets by way of dumpcap, which may have the right to capture where Python has none."""
    devices = [word for name in names or ("any",) for word in ("-i", name)]
    filters = [] if expression is None else ["-f", expression]
    command = [_program("dumpcap"), "-q", *filters, *devices, "-w", "-"]
    return PipedSource("live:" + (",".join(names) or "any"), command)


def tcpdump_source(names: tuple[str, ...], expression: str | None) -> PipedSource:
    """Packets by way of tcpdump: one interface, or all of them."""
    if len(names) > 1:
        raise PcapleakError(
            "--via tcpdump records one interface or all of them; give one --iface, or none, "
            "or use --via dumpcap"
        )
    what = ["-i", names[0]] if names else ["-i", "any", "-y", "LINUX_SLL2"]
    filters = [] if expression is None else [expression]
    command = [
        _program("tcpdump"),
        *what,
        "--immediate-mode",
        "-U",
        "-n",
        "-s",
        "0",
        "-w",
        "-",
        *filters,
    ]
    name = names[0] if names else "any"
    return PipedSource(f"live:{name}", command, name)


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise PcapleakError(f"--via {name}: {name} is not installed; install it, or use --via -")
    return path
