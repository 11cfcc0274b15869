"""The commands, run as a user runs them, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from places import CAPTURES, ROOT

SOCKS = CAPTURES / "socks.pcapng"
DIRECT = CAPTURES / "direct.pcapng"
PROXY = "socks5://198.51.100.30:1080"


def run(
    *arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "FORCE_COLOR")}
    result = subprocess.run(
        [sys.executable, "-m", "pcapleak", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )
    assert b"Traceback" not in result.stderr, result.stderr.decode()
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


def imported(*arguments: str | Path) -> set[str]:
    """The top-level packages a command loads."""
    code = "import sys; sys.argv[0] = 'pcapleak'; from pcapleak.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    return {name.partition(".")[0] for name in result.stderr.decode().split()}
