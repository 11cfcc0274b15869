"""Small captures that say much are analyzed in seconds, and their reports stay small."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import bombs
import pytest
from conftest import need_tool

CPU_S = 10
"""Of processor time, tshark's too: the machine may do much else."""
MEGABYTES = 300
REPORT_KB = 32 << 10
"""65,536 interfaces of 300 bytes each, and what else there is."""


@pytest.mark.parametrize("make", bombs.BOMBS, ids=[make.__name__ for make in bombs.BOMBS])
def test_a_small_capture_takes_seconds(
    make: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "keys" in make.__name__:
        need_tool("tshark")
    path = tmp_path / "bomb.pcapng"
    make(path)
    cost = bombs.analysis(path)
    with capsys.disabled():
        sys.stdout.write(f"\n{make.__doc__}: {cost.cpu_s:.1f} s, {cost.megabytes} MB\n")
    assert cost.cpu_s < CPU_S
    assert cost.megabytes < MEGABYTES
    assert cost.written < REPORT_KB
    document = json.loads(cost.report)
    assert document["statistics"]["packets"] > 0


def test_keys_beyond_what_is_read_are_told(tmp_path: Path) -> None:
    need_tool("tshark")
    told = {}
    for make in (bombs.colliding_keys, bombs.too_many_keys):
        path = tmp_path / f"{make.__name__}.pcapng"
        make(path)
        document = json.loads(bombs.analysis(path).report)
        told[make] = document["captures"][0]["problems"]
    assert not told[bombs.colliding_keys]
    assert any("more than 20,000" in each for each in told[bombs.too_many_keys])
