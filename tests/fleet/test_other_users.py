"""What another user of this machine can do to a batch: nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from cli_runs import run
from places import ROOT

NOBODY = 65534
CASES = ROOT / "captures" / "cases"


@pytest.fixture
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to act as another user")


def as_nobody(act: Callable[[], list[str]]) -> list[str]:
    """What `act` gives in a process of another user without rights."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        os.write(writing, json.dumps(act()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    found: list[str] = json.loads(text)
    return found


def succeeding(*ways: tuple[str, Callable[[], object]]) -> list[str]:
    found = []
    for name, way in ways:
        try:
            way()
        except OSError:
            continue
        found.append(name)
    return found


def listeners(pids: list[int]) -> list[str]:
    """Names of the Unix sockets at which processes listen; abstract ones begin with an @."""
    held = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if match := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                held.add(match[1])
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return [row[7] for row in rows if row[6] in held and len(row) > 7 and row[3] == "00010000"]


def reach(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("\0" + name[1:] if name.startswith("@") else name)


def attack(pids: list[int], names: list[str], folders: list[Path]) -> list[str]:
    """What another user may do to processes, their sockets and their folders."""
    return succeeding(
        *((f"signal {pid}", lambda pid=pid: os.kill(pid, signal.SIGTERM)) for pid in pids),
        *((f"memory {pid}", lambda pid=pid: open(f"/proc/{pid}/mem", "r+b")) for pid in pids),
        *((f"files {pid}", lambda pid=pid: os.listdir(f"/proc/{pid}/fd")) for pid in pids),
        *((f"connect {name}", lambda name=name: reach(name)) for name in names),
        *((f"write {path}", (path / "planted.json").touch) for path in folders),
    )


def test_a_local_run_cannot_be_spoken_to_by_another_user(root: None, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o755)
    captures = [str(path) for path in sorted(CASES.glob("*.pcap*"))]
    command = [sys.executable, "-m", "pcapleak", "batch", *captures]
    command += ["--workers", "2", "--results", str(kept)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as batch:
        try:
            main = psutil.Process(batch.pid)
            deadline = time.monotonic() + 60
            while not list(kept.glob("*.json")) and time.monotonic() < deadline:
                time.sleep(0.05)
            family = [main, *main.children(recursive=True)]
            pids = [one.pid for one in family]
            assert len(pids) >= 3, "the workers were not there yet"
            inet = [end for one in family for end in one.net_connections("inet")]
            names = listeners(pids)
            done = as_nobody(lambda: attack(pids, names, [kept]))
            possible = attack([], [], [kept])
        finally:
            batch.terminate()
    assert not psutil.wait_procs(family, 10)[1], "workers end with what started them"
    assert not inet
    assert not done
    assert len(possible) == 1, "the same succeeds where the user may"


def test_a_scheduler_of_another_user_is_refused(root: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        with socket.create_server(("127.0.0.1", port)) as server:
            os.write(writing, b"!")
            server.settimeout(30)
            server.accept()
            os.write(writing, b"reached")
        os._exit(0)
    assert os.read(reading, 1) == b"!"
    os.set_blocking(reading, False)
    try:
        capture = str(ROOT / "captures" / "socks.pcapng")
        result = run("batch", capture, "--scheduler", f"tcp://127.0.0.1:{port}")
        assert result.returncode == 2
        assert f"user {NOBODY} listens there" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        with pytest.raises(BlockingIOError):
            os.read(reading, 10)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
