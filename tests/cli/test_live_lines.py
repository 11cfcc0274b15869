"""The lines of a watch on standard error, where nobody is at a terminal."""

from __future__ import annotations

import fcntl
import io
import os
import sys
from types import SimpleNamespace

import pytest

from pcapleak.cli.live_screen import MAX_LINES, Screen
from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.report.document import MdnsName, Time
from pcapleak.report.update import Update
from pcapleak.track.state import CaptureFacts

SOURCE = SimpleNamespace(path="live:eth0", interfaces=[])


def test_a_watch_waits_for_nobody_who_reads_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a pipe holds; all of it is there for who reads later."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    monkeypatch.setattr(
        sys, "stderr", io.TextIOWrapper(io.FileIO(writing, "w"), line_buffering=True)
    )
    screen = Screen(SOURCE, [], None)  # type: ignore[arg-type]
    for number in range(1000):
        screen.say(f"{number} " + "x" * 100)
    with os.fdopen(reading) as lines:
        read = [next(lines) for _ in range(1000)]
    screen.close()
    assert [line.split()[1] for line in read] == [str(number) for number in range(1000)]


def test_what_a_stranger_makes_up_fills_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    analyzer = Analyzer()
    analyzer.state.captures.append(CaptureFacts("live:eth0", "live"))
    names = [
        MdnsName(f"{number}.local", None, ["192.0.2.1"], None, first_time=Time(number))
        for number in range(3 * MAX_LINES)
    ]
    screen = Screen(SOURCE, [], None)  # type: ignore[arg-type]
    update = Update(analyzer.document(), [], [], 0, [], names, [], verdict_changed=False)
    screen.update(None, update)  # type: ignore[arg-type]
    screen.close()
    *shown, last = capsys.readouterr().err.splitlines()
    assert len(shown) == MAX_LINES
    assert last == f"... and {2 * MAX_LINES} more names"
