"""`live --page`: what a page saves while packets come is held against them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import need_tool
from places import CAPTURES, ROOT

from captures.lab import Beside
from captures.lab.own_page import OWN_PAGES, record_own_page
from pcapleak.errors import PcapleakError
from pcapleak.pipeline.awaited import AwaitedPage
from pcapleak.report.report import Report

LINES = "\n".join(
    one["line"] for one in json.loads((CAPTURES / "direct.json").read_text())["candidates"]
)


@contextmanager
def watching(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A watch on a pipe that has all packets of a page's run, and stays open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pcapleak", "live", "--via", "-", "--json", "-", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.buffer.write((CAPTURES / "direct.pcapng").read_bytes())
    process.stdin.buffer.flush()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for whomever the watch becomes: run by root that is nobody, who may not look into
    the tests' own."""
    with tempfile.TemporaryDirectory(prefix="pcapleak-page-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def said(process: subprocess.Popen[str], text: str) -> str:
    """The next line on standard error that has a text."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(text)


def test_a_page_that_appears_is_held_against_the_packets(place: Path) -> None:
    page = place / "page.txt"
    with watching("--page", str(page)) as process:
        said(process, f"waiting for {page}")
        said(process, "watching")
        page.write_text(LINES)
        assert "candidates" in said(process, "is there: the page read")
        output, _ = process.communicate(timeout=60)
    document = Report.from_json(output).document
    assert {row.seen_by for row in document.page_rows} <= {"both", "wire"}
    assert any(row.seen_by == "both" for row in document.page_rows)
    assert not any("--page" in text for one in document.captures for text in one.problems)


def test_a_page_that_does_not_come_is_told(place: Path) -> None:
    with watching("--page", str(place / "never.json")) as process:
        said(process, "watching")
        output, _ = process.communicate(timeout=60)
    (capture,) = Report.from_json(output).document.captures
    assert any("never.json: did not appear" in text for text in capture.problems)


def test_a_page_of_before_is_left_alone_until_it_is_new(place: Path) -> None:
    page = place / "page.txt"
    page.write_text(LINES)
    with watching("--page", str(page)) as process:
        said(process, "is from before")
        said(process, "watching")
        output, _ = process.communicate(timeout=60)
    document = Report.from_json(output).document
    assert document.page_rows == []
    assert any("was there before" in text for text in document.captures[0].problems)


def test_one_file_is_not_both_read_and_written(tmp_path: Path) -> None:
    same = tmp_path / "same.json"
    done = subprocess.run(
        [sys.executable, "-m", "pcapleak", "live", "--via", "-", "--json", str(same),
         "--page", str(same)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "name one file" in done.stderr


def settled(page: AwaitedPage) -> object:
    """What it tells once it was looked at twice."""
    page._looked_s = 0.0
    page.poll()
    page._looked_s = 0.0
    return page.poll()


def test_a_file_that_grows_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    page = AwaitedPage(path)
    assert page.poll() is None
    path.write_text(LINES[:20])
    page._looked_s = 0.0
    assert page.poll() is None
    path.write_text(LINES)
    assert settled(page) is not None
    assert page.taken
    assert settled(page) is None


def test_what_cannot_be_read_is_told_and_read_when_it_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    page = AwaitedPage(path)
    path.write_text("nothing of the kind")
    assert settled(page) is None
    assert page.lacks() == page.problem
    assert page.problem is not None
    time.sleep(0.01)
    path.write_text(LINES)
    assert settled(page) is not None
    assert page.lacks() is None


def test_a_pipe_holds_no_watch_up(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    page = AwaitedPage(path)
    os.mkfifo(path)
    assert settled(page) is None
    with pytest.raises(PcapleakError, match="is no file"):
        AwaitedPage(path)
    with pytest.raises(PcapleakError, match="is no file"):
        AwaitedPage(tmp_path)


def test_a_folder_that_may_not_be_read_is_told(root_network: None, tmp_path: Path) -> None:
    with watching("--page", str(tmp_path / "page.txt")) as process:
        assert "may not be read" in said(process, "page.txt: its folder")
        output, _ = process.communicate(timeout=60)
    assert "may not be read" in str(Report.from_json(output).document.captures[0].problems)


def test_a_browser_saves_and_the_watch_reads(root_network: None, place: Path) -> None:
    """The lab's browser presses the page's button, and the watch beside it has the reading."""
    for tool in ("chromium", "turnserver", "dnsmasq", "dumpcap", "microsocks"):
        need_tool(tool)
    story = next(one for one in OWN_PAGES if one.name == "page-socks")
    watched = place / "watched.json"
    options = [part for name, value in story.policy.items() for part in (f"--{name}", value)]
    command = (
        sys.executable, "-m", "pcapleak", "live", "--iface", "eth0", "--json", str(watched),
        "--page", str(place / "pcapleak-reading.json"), *options,
    )  # fmt: skip
    record_own_page(story, place, Beside(command, "watching"))
    document = Report.from_json(watched.read_text()).document
    assert document.verdict.result == "leak"
    told = [row for row in document.page_rows if row.seen_by != "wire"]
    assert told
    assert {row.seen_by for row in told} == {"both"}
