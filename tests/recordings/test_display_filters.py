"""Every display filter of every finding is Wireshark's own language and shows the frames that the
finding claims, over the project's captures."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from case_keys import CASES, policy_of, runs
from conftest import ROOT

import pcapleak

Claim = tuple[str, tuple[int, ...]]
"""A filter and the frames that it is to show."""

ALL = os.environ.get("PCAPLEAK_FILTERS") == "all"
EVERY = 1 if ALL else 6
"""One capture of so many is looked at."""
COUNT = re.compile(r"^\|\s*[\d.]+ <> [\d.]+\s*\|\s*(\d+) \|", re.MULTILINE)


def captures() -> Iterator[tuple[Path, list[list[str]]]]:
    """Captures with the options to judge them by."""
    for path in sorted((ROOT / "captures").glob("*.pcapng")):
        yield path, [[]]
    options: dict[Path, list[list[str]]] = {}
    for run in runs():
        options.setdefault(run.capture, []).append(run.wanted["options"])
    yield from options.items()


def claims(path: Path, options: list[str]) -> set[Claim]:
    document = pcapleak.analyze(path, policy_of(options)).document
    return {
        (one.display_filter, tuple(sorted(set(one.frames))))
        for one in document.findings
        if one.frames
    }


def read(tool: str, path: Path, *arguments: str) -> str:
    return subprocess.run(
        [tool, "-n", "-r", str(path), *arguments], capture_output=True, text=True, check=True
    ).stdout


def unshown(tool: str, path: Path, made: list[Claim]) -> list[Claim]:
    """The claims of which some frame is not shown. Statistics of many filters take one reading,
    but a comma would part one from the next, and a capture of one moment has none."""
    missing = []
    together = [claim for claim in made if "," not in claim[0]]
    statistics = []
    for expression, frames in together:
        numbers = " || ".join(f"frame.number == {frame}" for frame in frames)
        statistics += ["-z", f"io,stat,0,({expression}) && ({numbers})"]
    if together:
        # The last one asked for is the first one told.
        counts = COUNT.findall(read(tool, path, "-q", *statistics))[::-1]
        together = together if counts else []
        missing += [
            claim
            for claim, count in zip(together, counts, strict=True)
            if int(count) != len(claim[1])
        ]
    for expression, frames in set(made) - set(together):
        shown = read(tool, path, "-Y", expression, "-T", "fields", "-e", "frame.number")
        if not set(frames) <= set(map(int, shown.split())):
            missing.append((expression, frames))
    return missing


@pytest.mark.timeout(900)
def test_every_filter_shows_the_frames_of_its_finding(
    tshark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CASES)
    seen = 0
    for path, ways in list(captures())[::EVERY]:
        made = sorted(set().union(*(claims(path, options) for options in ways)))
        seen += len(made)
        assert all(expression for expression, _ in made), path.name
        missing = unshown(tshark, path, made)
        # A client's port may be one that Wireshark knows another protocol by.
        for expression, frames in missing:
            shown = read(
                tshark, path, "-o", "udp.try_heuristic_first:TRUE", "-Y", expression,
                "-T", "fields", "-e", "frame.number",
            )  # fmt: skip
            assert set(frames) <= set(map(int, shown.split())), (path.name, expression)
    assert seen > 50
