"""A capture that another program records: a stream on standard input, dumpcap, or tcpdump."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from pcapleak.capture.source import open_capture
from pcapleak.errors import CaptureError, PcapleakError
from pcapleak.live import elsewhere
from pcapleak.live.asked import Asked
from pcapleak.live.noticed import Noticed
from pcapleak.values.packets import DeviceChange, Interface, RecordBatch

MAX_WAITING = 64
"""Batches between the reader and the watch; then the program's own buffer fills."""
EVERY = "any"
"""What Linux calls all devices together; other systems have no such name."""
END_S = 2.0
"""How long a program that was asked to end may take to write what it has: dumpcap takes 0.3 s."""
LIST_S = 20.0
"""How long dumpcap may take to say what it can record."""
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel|dropped on interface[^:]*: \d+/(\d+)")


class PipedSource:
    """Reads a pcap or pcapng stream as it comes. `start` begins; reading is done in a thread."""

    def __init__(
        self,
        path: str,
        command: list[str] | None,
        name: str | None = None,
        called: Mapping[str, str] | None = None,
        names: Collection[str] = (),
    ) -> None:
        """`name` is the interface where only one is recorded, for a format that has no names;
        `called` is what the system calls interfaces that the recording names otherwise; `names`
        are what is recorded, by all names it has.

        `command` writes the capture to its standard output; None reads our own
        input. It is started at once, while there are rights to give it.
        """
        self.path = path
        self.names = () if EVERY in names else names
        """Empty where it is all, or nobody knows."""
        self.format = "live"
        self.interfaces: list[Interface] = []
        self.problems: list[str] = []
        self._noticed = Noticed(self.names)
        self.changes = self._noticed.changes
        self.gaps = self._noticed.gaps
        self.notes = self._noticed.notes
        self.follower: Asked | None = None
        """What the machine has now, where that is asked for."""
        self.expression: str | None = None
        """The filter that packets had to match."""
        self.bytes_read = 0
        self.received = 0
        self.ended = False
        self.loses = False
        self._batches: queue.Queue[RecordBatch | None] = queue.Queue(MAX_WAITING)
        self._left: deque[RecordBatch] = deque()
        """What came once the program was asked to end, and just before."""
        self._error: CaptureError | None = None
        self._stopped = False
        self._name = name
        self._called = {} if called is None else called
        # Once confined, nobody can ask.
        self._devices = {} if command is None else dict(socket.if_nameindex())
        self._placed = 0
        """Interfaces whose devices were looked for."""
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        if command is not None:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
            self._process = _start(command, self._said)

    @property
    def dropped(self) -> int:
        """Packets the recording program says it lost; known at its end."""
        return sum(interface.drops or 0 for interface in self.interfaces) or self._told_drops()

    def follow(self, asked: Asked) -> None:
        """Tell what changes in the machine from now on."""
        self.follower = asked
        self._noticed.begin(asked.devices.values())
        self._noticed.ways_out(asked.routes, asked.devices)

    def start(self) -> None:
        """Begin to read: what the program writes becomes our standard input.

        (A descriptor's name under /dev/fd may not be opened once rights were dropped.)
        """
        if self._process is not None:
            assert self._process.stdout is not None
            os.dup2(self._process.stdout.fileno(), 0)
            self._process.stdout.close()
        if self.follower is not None:
            self.follower.start()
        threading.Thread(target=self._read, daemon=True).start()

    def read(self, timeout_s: float) -> RecordBatch | None:
        """What has arrived, waiting at most this long.

        Raises `PcapleakError` where it is no capture, or the program cannot record.
        """
        if not self._left:
            self._wait(timeout_s)
        self._note_changes()
        if not self._left:
            if self._error is not None and not self.received:
                raise self._failure(self._error)
            return None
        batch = self._left.popleft()
        self._call_by_name()
        self.received += len(batch)
        self.bytes_read += int(batch.captured_length.sum())
        return batch

    def _wait(self, timeout_s: float) -> None:
        """Take the next batch, or the end, where it comes in time."""
        with contextlib.suppress(queue.Empty):
            batch = self._batches.get(timeout=max(0.001, timeout_s))
            if batch is None:
                self.ended = True
            else:
                self._left.append(batch)

    def stop(self) -> None:
        """Ask the program to end, and take what it still writes: last it says what it lost."""
        if self._process is None:
            return
        # What comes from now on waits for nobody.
        self.loses = True
        if self.follower is not None:
            self.follower.end()
        _ask_to_end(self._process)
        end_s = time.monotonic() + END_S
        while not self.ended and time.monotonic() < end_s:
            self._wait(end_s - time.monotonic())
        if not self.ended:
            self.gaps.append("the recording program did not end in time to say what it lost")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, end_s - time.monotonic()))
        failure = "" if self.follower is None else self.follower.wait()
        if failure:
            self.gaps.append(f"devices and routes could not be asked for at the end ({failure})")
        self._note_changes()

    def _note_changes(self) -> None:
        """Take what the machine's answers tell."""
        if self.follower is None:
            return
        version = self.follower.version
        for change in self.follower.read():
            if isinstance(change, DeviceChange):
                self._noticed.device(change)
                continue
            device = self.follower.devices[change.device]
            for interface in self.interfaces[: self._placed]:
                if device.name in (interface.name, interface.description):
                    self._noticed.address(interface, change.address)
        if version != self.follower.version:
            self._noticed.ways_out(self.follower.routes, self.follower.devices)

    def _call_by_name(self) -> None:
        """Name what the recording knows by its index on this machine alone, and as people do."""
        for interface in self.interfaces:
            if interface.description is None and interface.name is not None:
                interface.description = self._called.get(interface.name) or None
            if interface.name is None and interface.index is not None:
                interface.name = self._devices.get(interface.index)
        if self.follower is None:
            return
        for interface in self.interfaces[self._placed :]:
            self._placed += 1
            for device in self.follower.devices.values():
                if device.name in (interface.name, interface.description):
                    self._noticed.interface(interface, device.addresses)

    def close(self) -> None:
        """Stop the program and let go of what it wrote."""
        self._stopped = True
        if self.follower is not None:
            self.follower.end()
        with contextlib.suppress(queue.Empty):
            while True:
                self._batches.get_nowait()
        if self._process is not None:
            _ask_to_end(self._process)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)

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


_KEEPER = '"$@" </dev/null & exec >&-; read -r _; kill $! 2>/dev/null; wait $!'
"""Starts a program, and has it end once a line comes, or no more can."""


def _start(command: list[str], said: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a recorder, out of Ctrl-C's reach: it ends once the watch has."""
    if sys.platform == "win32":
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )  # fmt: skip
    # A watch that has given up its rights may not signal what it started while it had them.
    return subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "sh", *command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True,
    )  # fmt: skip


def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Have a recorder write what it has and end."""
    if sys.platform == "win32":
        try:
            # What reaches a group of its own; without a console nothing does.
            process.send_signal(signal.CTRL_BREAK_EVENT)
        except OSError:
            process.terminate()
    elif process.stdin is not None:
        with contextlib.suppress(OSError, ValueError):
            # A line, since a child that judges may hold the pipe open.
            process.stdin.write(b"\n")
            process.stdin.close()


def dumpcap_source(names: tuple[str, ...], expression: str | None) -> PipedSource:
    """Packets by way of dumpcap, which may have the right to capture where Python has none."""
    program = _program("dumpcap")
    chosen = [Recordable(name, "") for name in names or (EVERY,)]
    up: list[str] = []
    if sys.platform != "linux":
        up = [one.name for one in elsewhere.list_devices() if one.is_up]
        chosen = choose(_listed(program), names, up)
    devices = [word for one in chosen for word in ("-i", one.device)]
    filters = [] if expression is None else ["-f", expression]
    command = [program, "-q", *filters, *devices, "-w", "-"]
    shown = names or [
        one.device if one.device in up or not one.called else one.called for one in chosen
    ]
    recorded = {name for one in chosen for name in one}
    return PipedSource("live:" + ",".join(shown), command, called=dict(chosen), names=recorded)


class Recordable(NamedTuple):
    """An interface that dumpcap can record."""

    device: str
    """On Windows Npcap's name: `\\Device\\NPF_` and a GUID."""
    called: str
    """What the system's settings call it; empty where dumpcap does not know."""


def _listed(program: str) -> list[Recordable]:
    try:
        done = subprocess.run(
            [program, "-D"], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIST_S,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PcapleakError(
            f"--via dumpcap: it cannot be asked what it records ({error})"
        ) from error
    listed = parse_list(done.stdout.decode(errors="replace"))
    if not listed:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise PcapleakError(
            f"--via dumpcap: it may record no interface ({said}); run it with more rights, or let "
            "Wireshark's installer give them (Npcap on Windows, ChmodBPF on macOS)"
        )
    return listed


_LISTED = re.compile(r"\d+\. (\S+)(?: \((.*)\))?$")


def parse_list(text: str) -> list[Recordable]:
    """The interfaces that `dumpcap -D` prints: number, name, and in parentheses what the system
    calls it (dumpcap(1))."""
    found = (_LISTED.match(line) for line in text.splitlines())
    return [Recordable(one[1], one[2] or "") for one in found if one is not None]


def choose(
    listed: Iterable[Recordable], names: tuple[str, ...], up: Iterable[str]
) -> list[Recordable]:
    """The interfaces that are called `names` by either name; where none are given, those that are
    `up`, and Npcap's loopback, which no system's list has.

    Raises `PcapleakError` for a name that is none of them.
    """
    by_name = {name: one for one in listed for name in (one.called, one.device) if name}
    for name in names:
        if name not in by_name:
            known = ", ".join(dict.fromkeys(one.called or one.device for one in by_name.values()))
            raise PcapleakError(
                f"--iface {name}: dumpcap records no such interface; there are {known}"
            )
    wanted = names or (*up, f"{elsewhere.NPF}Loopback")
    chosen = list(dict.fromkeys(by_name[name] for name in wanted if name in by_name))
    if not chosen:
        raise PcapleakError("live: no interface that dumpcap records is up; name one by --iface")
    return chosen


def tcpdump_source(names: tuple[str, ...], expression: str | None) -> PipedSource:
    """Packets by way of tcpdump: one interface, or all of them."""
    if len(names) > 1:
        raise PcapleakError(
            "--via tcpdump records one interface or all of them; give one --iface, or none, "
            "or use --via dumpcap"
        )
    what = ["-i", names[0]] if names else ["-i", EVERY, "-y", "LINUX_SLL2"]
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
    name = names[0] if names else EVERY
    return PipedSource(f"live:{name}", command, name, names=(name,))


def _program(name: str) -> str:
    # Wireshark's installer leaves PATH alone.
    programs = os.environ.get("PROGRAMFILES", "C:\\Program Files")
    installed = Path(programs, "Wireshark", f"{name}.exe")
    path = shutil.which(name)
    if path is None and sys.platform == "win32" and installed.is_file():
        path = str(installed)
    if path is None:
        where = "Wireshark" if name == "dumpcap" else "it"
        raise PcapleakError(
            f"--via {name}: {name} is not installed; install {where}, or use --via -"
        )
    return path
