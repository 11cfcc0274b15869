"""Systems without what Unix or Linux alone have: captures are read all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import CAPTURES

CAPTURE = CAPTURES / "split-tunnel.pcapng"

ELSEWHERE = """
import asyncio, mmap, multiprocessing, os, select, signal, socket, sys
import numpy, rich.console, typer, typer.completion

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "grp", "pwd", "resource", "termios"}:
            raise ImportError(f"{name} is of Unix")

sys.meta_path.insert(0, Missing())
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules.pop(name, None)
for module, names in (
    (mmap, ("MADV_DONTNEED", "MADV_SEQUENTIAL", "MADV_WILLNEED")),
    (os, ("fork", "geteuid", "getuid", "memfd_create", "nice", "sched_setscheduler", "uname")),
    (select, ("epoll", "poll")),
    (signal, ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE")),
    (socket, ("AF_NETLINK", "AF_PACKET", "AF_UNIX")),
):
    for name in names:
        delattr(module, name)
sys.platform = "win32"

from pcapleak.cli import main
main()
"""
"""Runs the command as Windows would: without these modules and names."""


def elsewhere(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("-c", ELSEWHERE, *arguments)


def here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("-m", "pcapleak", *arguments)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ("analyze", CAPTURE, "--tunnel", "wg0"),
        ("analyze", CAPTURE, "--json", "-", "--quiet"),
        ("decode", CAPTURE),
        ("explain", "PL101"),
    ],
    ids=lambda command: " ".join(map(str, command[:1] + command[2:])),
)
def test_what_reads_captures_prints_the_same(command: tuple[str | Path, ...]) -> None:
    there, usual = elsewhere(*command), here(*command)
    assert (there.returncode, there.stdout) == (usual.returncode, usual.stdout)
    assert there.stderr == usual.stderr


def test_a_redacted_capture_is_the_same(tmp_path: Path) -> None:
    there, usual = tmp_path / "there.pcapng", tmp_path / "here.pcapng"
    key = ("--key", tmp_path / "key")
    assert elsewhere("redact", CAPTURE, there, *key).returncode == 0
    assert here("redact", CAPTURE, usual, *key).returncode == 0
    assert there.read_bytes() == usual.read_bytes()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("live", "--iface", "eth0"), "needs Linux or macOS"),
        (("guard", "--", sys.executable, "-c", ""), "needs Linux or macOS"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_watched_is_told_in_a_line(command: tuple[str, ...], told: str) -> None:
    found = elsewhere(*command)
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 1
    assert told in found.stderr
