"""A report says which bytes, which policy and which options it is about, and is reproducible."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import random
import re
from pathlib import Path

import pytest
from cli_runs import run
from places import ROOT

import pcapleak
from pcapleak.capture import digest
from pcapleak.policy.policy import Policy

CAPTURE = ROOT / "captures" / "socks.pcapng"


def test_the_report_names_its_inputs_by_digest(tmp_path: Path) -> None:
    document = pcapleak.analyze(CAPTURE).document
    assert document.captures[0].sha256 == hashlib.sha256(CAPTURE.read_bytes()).hexdigest()
    merged = pcapleak.analyze([CAPTURE, ROOT / "captures" / "direct.pcapng"], merge=True).document
    assert len({capture.sha256 for capture in merged.captures} - {None}) == 2
    several = pcapleak.analyze([CAPTURE, CAPTURE], jobs=2)
    assert [report.document.captures[0].sha256 for report in several] == [
        document.captures[0].sha256
    ] * 2


def test_a_stream_has_no_digest(tmp_path: Path) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "pcapleak", "analyze", "-", "--json", "-", "--exit-zero"]
    done = subprocess.run(command, input=CAPTURE.read_bytes(), capture_output=True, check=True)
    assert json.loads(done.stdout)["captures"][0]["sha256"] is None


def test_the_policy_has_a_digest_equal_for_equal_policies() -> None:
    proxy = ["socks5://198.51.100.30:1080"]
    one, same = Policy.from_options(proxy=proxy), Policy.from_options(proxy=proxy)
    other = Policy.from_options(proxy=proxy, strict=True)
    assert one.digest() == same.digest() != other.digest()
    assert pcapleak.analyze(CAPTURE, one).document.policy.sha256 == one.digest()


def test_options_are_told() -> None:
    listed = pcapleak.analyze(CAPTURE).document.generator.options
    assert listed == ["all-flows"]
    assert pcapleak.analyze(CAPTURE, all_flows=False).document.generator.options == []


def untimed(path: Path) -> bytes:
    """A file, without the time at which a page was made."""
    data = path.read_bytes()
    return re.sub(rb"(?<= at )[-0-9]+ [:0-9]+ UTC", b"", data) if path.suffix == ".html" else data


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    """JSON, HTML, tables, evidence and JUnit, in processes with other hash seeds."""
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        run(
            "analyze", str(CAPTURE), "--exit-zero", "--json", "a.json",
            "--html", "a.html", "--csv", "csv", "--parquet", "pq",
            "--evidence", "e.pcapng", "--junit", "j.xml",
            cwd=folder, PYTHONHASHSEED=str(number),
        )  # fmt: skip
    one, two = (
        {path.relative_to(tmp_path / n): untimed(path) for path in (tmp_path / n).rglob("*.*")}
        for n in "01"
    )
    assert one == two
    assert len(one) > 15


@pytest.mark.parametrize("size", [0, 1, 3 * mmap.PAGESIZE, 3 * mmap.PAGESIZE + 1])
def test_files_are_hashed_whole_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(digest, "PIECE", mmap.PAGESIZE)
    path = tmp_path / "file"
    path.write_bytes(random.Random(size).randbytes(size))
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest.Digests([path, tmp_path, tmp_path / "none"]).results() == [expected, None, None]


def test_a_file_that_is_cut_while_it_is_hashed_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cut"
    path.write_bytes(bytes(100_000))
    monkeypatch.setattr(digest, "PIECE", 4096)

    class Cutting:
        def __init__(self) -> None:
            self.got = 0

        def update(self, piece: memoryview) -> None:
            self.got += len(piece)
            os.truncate(path, 4096)

        def hexdigest(self) -> str:
            return str(self.got)

    monkeypatch.setattr(hashlib, "sha256", Cutting)
    assert digest.Digests([path]).results() == ["4096"]
