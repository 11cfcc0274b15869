"""Systems without what Unix or Linux alone have: captures are read all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import CAPTURES, ROOT

AS_WINDOWS = ROOT / "tests" / "support" / "as_windows.py"
CAPTURE = CAPTURES / "split-tunnel.pcapng"


def elsewhere(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("-P", AS_WINDOWS, *arguments)


def here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("-m", "pcapleak", *arguments)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    encoding = os.environ.get("PYTHONIOENCODING")
    return subprocess.run(
        command, capture_output=True, text=True, encoding=encoding, timeout=120, check=False
    )


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


def test_a_pipe_is_read_the_same() -> None:
    """Where the system waits for sockets alone, a thread reads it."""
    command = ("analyze", "-", "--json", "-", "--quiet", "--tunnel", "wg0")
    found = [
        subprocess.run([sys.executable, *map(str, by), *command], input=CAPTURE.read_bytes(),
                       capture_output=True, timeout=120, check=False)
        for by in (("-P", AS_WINDOWS), ("-m", "pcapleak"))
    ]  # fmt: skip
    there, usual = ((one.returncode, one.stdout, one.stderr) for one in found)
    assert there == usual


def test_what_a_code_page_lacks_shows_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows gives what is piped an encoding without arrows."""
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    command = ("analyze", CAPTURE, "--tunnel", "wg0", "--verbose")
    there, usual = elsewhere(*command), here(*command)
    assert "\\u2192" in there.stdout
    assert (there.returncode, there.stdout) == (usual.returncode, usual.stdout)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("live", "--via", "ring"), "packet sockets are read on Linux only"),
        (("guard", "--", sys.executable, "-c", ""), "guard: on Windows a command cannot be kept"),
        (("live", "--exec", "alert.bat"), "has a shell read what 'alert.bat' is given"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_told_in_a_line(
    command: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = tmp_path / "alert.bat"
    batch.touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = elsewhere(*command)
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 1
    assert told in found.stderr


UNIX = {
    *("cli/confinement", "live/command", "live/devices", "live/follow", "live/owners"),
    *("live/peers", "live/privileges", "live/processes", "live/ring", "live/routes"),
    "pipeline/background",
}
"""Modules with functions that no other system calls, as the tests above hold."""


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_types_hold_on_other_systems(platform: str) -> None:
    """What the standard library has there is used alone, but for those."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--platform", platform, "--no-warn-unreachable",
         "--cache-dir", f".mypy_cache/{platform}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    wrong = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert done.returncode in (0, 1), done.stderr
    assert not [line for line in wrong if line[9:].partition(".py:")[0] not in UNIX]
