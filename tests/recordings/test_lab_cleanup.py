"""However a recording ends, nothing of it stays: no namespace, process, file or policy."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, need_tool

from captures.lab import LabError
from captures.lab.network import network, sweep


def namespaces(pid: int) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if f"pcapleak-lab{pid}-" in line]


def left_behind(pid: int, scratch: Path) -> list[str]:
    """What is still there of the lab that ran as ``pid`` with its files in ``scratch``."""
    processes = [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and str(scratch).encode() in _command(entry)
    ]
    etc = [str(path) for path in Path("/etc/netns").glob(f"pcapleak-lab{pid}-*")]
    return namespaces(pid) + processes + etc + [path.name for path in scratch.iterdir()]


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for the lab's files, of a path short enough for Chromium's socket in it."""
    with tempfile.TemporaryDirectory(prefix="lab-", dir="/tmp") as folder:
        yield Path(folder)


def start_lab(scratch: Path, output: Path) -> subprocess.Popen[bytes]:
    """A lab in the middle of a recording, the browser running."""
    for tool in ("chromium", "turnserver", "dnsmasq", "dumpcap", "nft", "microsocks"):
        need_tool(tool)
    lab = subprocess.Popen(
        [sys.executable, "-m", "captures.lab", "--output", str(output), "mode-3"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    while not list(scratch.glob("pcapleak-lab-*/chromium-client/Default")):
        assert lab.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return lab


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(
    number: signal.Signals, root_network: None, scratch: Path, tmp_path: Path
) -> None:
    lab = start_lab(scratch, tmp_path)
    assert namespaces(lab.pid)
    lab.send_signal(number)
    assert lab.wait(30) == 130
    assert left_behind(lab.pid, scratch) == []


def test_a_failure_takes_the_network_down(root_network: None, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no-such-command"), network(tmp_path) as net:
        assert namespaces(os.getpid())
        net.client.run("no-such-command")
    assert namespaces(os.getpid()) == []


def test_the_next_lab_sweeps_up_after_one_that_was_killed(
    root_network: None, scratch: Path, tmp_path: Path
) -> None:
    lab = start_lab(scratch, tmp_path)
    lab.kill()
    lab.wait()
    assert namespaces(lab.pid)
    sweep()
    # Its temporary folder is the system's to remove.
    for folder in scratch.iterdir():
        shutil.rmtree(folder)
    assert left_behind(lab.pid, scratch) == []
