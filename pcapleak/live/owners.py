"""Which process holds a socket: the open files of all processes that may be looked at.

It is also a program of its own, with nothing but the standard library: started while there
is root, it keeps root to answer which process holds a socket and never sees a packet. It
reads lines of inode numbers and answers each with one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple, TextIO

MAX_KNOWN = 20_000
"""Sockets remembered: at about 200 bytes each, 4 MB."""


class Owner(NamedTuple):
    """A process."""

    pid: int
    name: str
    parent: str = ""
    """What started it."""
    container: str = ""
    """The first characters of its container's id, behind its pod's where it has one."""


class Owners:
    """Owners of sockets by inode, found by looking through /proc."""

    def __init__(self) -> None:
        self._known: dict[int, Owner] = {}

    def find(self, inodes: list[int]) -> dict[int, Owner]:
        """The owners of those that can be seen."""
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        wanted = {inode for inode in inodes if inode not in self._known}
        if wanted:
            self._look(wanted)
        return {inode: self._known[inode] for inode in inodes if inode in self._known}

    def _look(self, wanted: set[int]) -> None:
        """Newest processes first; those whose files may not be read are passed over."""
        names = os.listdir("/proc")  # noqa: PTH208  (a path object for each file is too slow)
        for pid in sorted((int(name) for name in names if name.isdecimal()), reverse=True):
            folder = f"/proc/{pid}/fd"
            try:
                files = os.listdir(folder)  # noqa: PTH208
            except OSError:
                continue
            for file in files:
                try:
                    target = os.readlink(f"{folder}/{file}")  # noqa: PTH115
                except OSError:
                    continue
                if not target.startswith("socket:["):
                    continue
                inode = int(target[8:-1])
                if inode in wanted:
                    wanted.discard(inode)
                    self._known[inode] = _owner(pid)
            if not wanted:
                return


def _owner(pid: int) -> Owner:
    """What /proc tells of a process; of one that is gone since, as much as was read."""
    parent = _read(pid, "stat").rpartition(")")[2].split()[1:2]
    started_by = _read(int(parent[0]), "comm") if parent and parent[0] != "0" else ""
    return Owner(
        pid,
        _read(pid, "comm").rstrip("\n"),
        started_by.rstrip("\n"),
        container_of(_read(pid, "cgroup")),
    )


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text("utf-8", "replace")
    except OSError:
        return ""


_CONTAINER = re.compile(r"(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:/|$)", re.MULTILINE)
_NAMED = re.compile(
    r"/(?:lxc(?:\.payload)?[./]|machine\.slice/(?:machine-|systemd-nspawn@))([^/\s]{1,64}?)"
    r"(?:\.scope|\.service)?(?:/|$)",
    re.MULTILINE,
)
_POD = re.compile(r"[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})\b")
_SHOWN = 12
"""Characters of a container's id that its tools show."""


def container_of(cgroup: str) -> str:
    """The container that a process's /proc/PID/cgroup tells, as Docker, podman, containerd,
    CRI-O (an id of 64 digits), LXC and systemd-nspawn (a name) make their groups; in Kubernetes
    behind its pod's uid. Empty where it tells none."""
    pod = _POD.search(cgroup)
    found = _CONTAINER.findall(cgroup)
    name = found[-1][:_SHOWN] if found else ""
    if not name and pod is None and (told := _NAMED.search(cgroup)):
        name = told[1].replace("\\x2d", "-")
    return "/".join(
        part for part in (f"pod{pod[1].replace('_', '-')}" if pod else "", name) if part
    )


class OwnersBeside:
    """The same, asked of another process, which sees no packet."""

    def __init__(self, prepare: Callable[[], object]) -> None:
        """It begins with `prepare`, which gives up its rights."""
        questions, ask = os.pipe()
        answers, answer = os.pipe()
        if os.fork() == 0:
            status = 1
            try:
                os.close(ask)
                os.close(answers)
                prepare()
                os.setsid()
                nothing = os.open(os.devnull, os.O_RDWR)
                for number in range(3):  # who reads the watch's output waits for no helper
                    os.dup2(nothing, number)
                with os.fdopen(questions) as asked, os.fdopen(answer, "w") as told:
                    serve(asked, told)
                status = 0
            finally:
                os._exit(status)
        os.close(questions)
        os.close(answer)
        self._ask: IO[bytes] = os.fdopen(ask, "wb")
        self._answers: IO[bytes] = os.fdopen(answers, "rb")

    def find(self, inodes: list[int]) -> dict[int, Owner]:
        """The owners of those that exist; nothing where the helper is gone."""
        return _asked(self._ask, self._answers, inodes)

    def close(self) -> None:
        """Let the helper end. It is not waited for: a judgement that was given up may hold its
        pipe a while longer."""
        with contextlib.suppress(OSError):
            self._ask.close()
        self._answers.close()


class RootOwners:
    """The same, asked of a process that keeps root for it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={},
        )

    def find(self, inodes: list[int]) -> dict[int, Owner]:
        """The owners of those that exist; nothing where the helper is gone."""
        assert self._process.stdin is not None and self._process.stdout is not None
        return _asked(self._process.stdin, self._process.stdout, inodes)

    def close(self) -> None:
        """End the helper."""
        self._process.communicate()


def _asked(ask: IO[bytes], answers: IO[bytes], inodes: list[int]) -> dict[int, Owner]:
    try:
        ask.write(json.dumps(inodes).encode() + b"\n")
        ask.flush()
        answer = answers.readline()
    except OSError:
        return {}
    if not answer:
        return {}
    return {int(inode): Owner(*owner) for inode, owner in json.loads(answer).items()}


def serve(asked: TextIO, told: TextIO) -> None:
    """Answer until no more is asked."""
    owners = Owners()
    for line in asked:
        found = owners.find(json.loads(line))
        told.write(json.dumps(found) + "\n")
        told.flush()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
