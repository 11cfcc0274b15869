"""What is written never takes the place of what is read, and what is no verdict exits 2."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from places import ROOT

from pcapleak.errors import PcapleakError
from pcapleak.report.output import Committer, OutputFile, write_text
from pcapleak.report.writers.json import read_reports

CAPTURE = ROOT / "captures" / "full-tunnel.pcapng"
FILES = ("--json", "--html", "--evidence", "--junit")
FOLDERS = ("--csv", "--evidence-per-finding")


def pcapleak(
    *arguments: str | Path, stdout: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "pcapleak", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one line of a command that ended without a verdict."""
    text = done.stderr.decode()
    assert done.returncode == 2, text
    assert len(text.splitlines()) == 1, text
    assert text.startswith("pcapleak: ")
    return text


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Path]:
    """A capture of which the test makes sure that it stays."""
    path = tmp_path / "in.pcapng"
    shutil.copy(CAPTURE, path)
    yield path
    assert path.read_bytes() == CAPTURE.read_bytes()


def named(how: str, path: Path) -> Path:
    other = path.with_name(how)
    match how:
        case "symbolic":
            other.symlink_to(path)
        case "hard":
            other.hardlink_to(path)
        case "dots":
            return path.parent / "." / path.name
        case _:
            return path
    return other


@pytest.mark.parametrize("how", ["itself", "dots", "symbolic", "hard"])
@pytest.mark.parametrize("option", FILES)
def test_a_report_never_replaces_the_capture(option: str, how: str, capture: Path) -> None:
    assert "is an input" in refused(pcapleak("analyze", capture, option, named(how, capture)))


@pytest.mark.parametrize("option", ["--policy", "--page", "--baseline", "--geo-map"])
def test_a_report_never_replaces_another_input(option: str, capture: Path) -> None:
    given = capture.with_name("given")
    match option:
        case "--page":
            given.write_text("candidate:1 1 udp 1 192.0.2.1 9 typ host")
        case "--baseline":
            pcapleak("analyze", capture, "--json", given, "-q")
        case _:
            given.write_text("")
    before = given.read_bytes()
    assert "is an input" in refused(pcapleak("analyze", capture, option, given, "--html", given))
    assert given.read_bytes() == before


def test_the_second_of_merged_captures_is_an_input_too(capture: Path) -> None:
    second = capture.with_name("second.pcapng")
    shutil.copy(CAPTURE, second)
    refused(pcapleak("analyze", capture, second, "--merge", "--json", second))
    assert second.read_bytes() == CAPTURE.read_bytes()


@pytest.mark.parametrize("target", ["in.pcapng", "hard", "key"])
def test_a_redacted_copy_never_replaces_what_it_is_made_from(target: str, capture: Path) -> None:
    named("hard", capture)
    key = capture.with_name("key")
    key.write_bytes(bytes(32))
    done = pcapleak("redact", capture, capture.with_name(target), "--key", key)
    assert "is an input" in refused(done)
    assert key.read_bytes() == bytes(32)


@pytest.mark.parametrize("outcome", ["refused", "damaged", "written"])
@pytest.mark.parametrize("command", ["redact", "analyze"])
def test_a_new_key_stays_only_where_it_was_used(
    command: str, outcome: str, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, damaged, folder, temporary = (
        tmp_path / name for name in ("key", "damaged", "folder", "temporary")
    )
    damaged.write_bytes(b"no capture")
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    source = damaged if outcome == "damaged" else capture
    target = folder if outcome == "refused" else tmp_path / "out"
    if command == "redact":
        done = pcapleak("redact", source, target, "--key", key)
    else:
        done = pcapleak("analyze", source, "--redact", "--redact-key", key, "--html", target, "-q")
    if outcome == "written":
        assert done.returncode in (0, 1), done.stderr
        assert key.stat().st_size == 32
        assert pcapleak("redact", capture, tmp_path / "more", "--key", key).returncode == 0
    else:
        assert done.returncode == 2
        assert not key.exists()
        assert not target.is_file()
    assert not list(temporary.iterdir())


def test_a_summary_never_replaces_a_capture(capture: Path) -> None:
    for option in ("--json", "--html"):
        assert "is an input" in refused(pcapleak("batch", capture, option, capture))


def test_two_options_that_name_one_file_are_refused(capture: Path) -> None:
    out = capture.with_name("out")
    again = capture.parent / "." / "out"
    done = pcapleak("analyze", capture, "--json", out, "--html", again)
    assert "name one file" in refused(done)
    assert not out.exists()


def test_what_is_written_is_its_owners_alone_and_nothing_else_is_left(capture: Path) -> None:
    folder = capture.parent
    options = [part for option in (*FILES, *FOLDERS) for part in (option, folder / option[2:])]
    assert pcapleak("analyze", capture, *options).returncode == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"in.pcapng", *(option[2:] for option in (*FILES, *FOLDERS))}
    written = [path for path in folder.rglob("*") if path.is_file() and path != capture]
    assert len(written) > len(FILES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_a_file_that_was_there_keeps_its_mode_and_a_link_stays_a_link(capture: Path) -> None:
    real, link = capture.with_name("real"), capture.with_name("link")
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    assert pcapleak("analyze", capture, "-q", "--json", link).returncode == 0
    assert link.is_symlink()
    assert real.read_text().startswith("{")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_what_fails_leaves_the_old_report(capture: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("old")
    damaged = tmp_path / "damaged.pcapng"
    damaged.write_bytes(b"no capture")
    assert pcapleak("analyze", damaged, "--json", report).returncode == 2
    assert report.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_no_folder_is_made_that_was_not_asked_for(capture: Path) -> None:
    for option in (*FILES, *FOLDERS):
        refused(pcapleak("analyze", capture, option, capture.parent / "a" / "b"))
    refused(pcapleak("batch", capture, "--results", capture.parent / "a" / "b"))
    assert not (capture.parent / "a").exists()


def test_pipes_and_devices_are_written_through(capture: Path) -> None:
    pipe = capture.with_name("pipe")
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    assert pcapleak("analyze", capture, "-q", "--json", pipe).returncode == 0
    reader.join(20)
    assert got[0].startswith(b"{")
    assert pipe.is_fifo()
    assert pcapleak("analyze", capture, "-q", "--json", "/dev/null").returncode == 0
    assert Path("/dev/null").is_char_device()
    assert "is no file" in refused(pcapleak("redact", capture, pipe))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root makes nodes")
def test_a_device_is_never_replaced(capture: Path) -> None:
    node = capture.with_name("node")
    os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    assert "is no file" in refused(pcapleak("redact", capture, node))
    assert pcapleak("analyze", capture, "-q", "--json", node).returncode == 0
    assert node.is_char_device()


COMMANDS: dict[str, Callable[[Path], list[str | Path]]] = {
    "analyze": lambda path: ["analyze", path],
    "analyze --json": lambda path: ["analyze", path, "--json", "-"],
    "analyze -q": lambda path: ["analyze", path, "-q"],
    "batch": lambda path: ["batch", path, "--workers", "1"],
    "batch --json": lambda path: ["batch", path, "--workers", "1", "--json", "-"],
    "decode": lambda path: ["decode", path],
    "decode --json": lambda path: ["decode", path, "--json"],
    "diff": lambda path: ["diff", path.with_name("a.json"), path.with_name("b.json")],
    "explain": lambda path: ["explain", "PL101"],
    "candidate": lambda path: ["candidate", "candidate:1 1 udp 1 192.0.2.1 9 typ host"],
    "geo": lambda path: ["geo", "192.0.2.1"],
    "redact": lambda path: ["redact", path, path.with_name("out.pcapng")],
    "schema": lambda path: ["schema"],
    "page": lambda path: ["page", "--stun", "stun:192.0.2.1"],
    "policy init": lambda path: ["policy", "init"],
    "interfaces": lambda path: ["interfaces"],
    "--help": lambda path: ["--help"],
    "--version": lambda path: ["--version"],
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    path = folder / "in.pcapng"
    shutil.copy(CAPTURE, path)
    pcapleak("analyze", path, "-q", "--json", folder / "a.json")
    socks = ROOT / "captures" / "socks.pcapng"
    pcapleak("analyze", socks, "-q", "--json", folder / "b.json")
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_gone_is_no_leak(command: str, prepared: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = pcapleak(*COMMANDS[command](prepared), stdout=write)
    os.close(write)
    assert done.returncode == 2
    assert done.stderr == b""


def test_files_are_written_for_who_reads_no_more_of_the_page(
    prepared: Path, tmp_path: Path
) -> None:
    """As `| head` does."""
    read, write = os.pipe()
    os.close(read)
    page, report = tmp_path / "page.html", tmp_path / "report.json"
    done = pcapleak("analyze", prepared, "--html", page, "--json", report, stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (2, b"")
    assert page.stat().st_size and read_reports(report)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_no_leak(command: str, prepared: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = pcapleak(*COMMANDS[command](prepared), stdout=full.fileno())
    assert "No space left" in refused(done)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("option", FILES)
def test_a_report_that_the_disk_cannot_take_is_no_leak(option: str, prepared: Path) -> None:
    done = pcapleak("analyze", prepared, option, "/dev/full", "-q")
    assert "/dev/full: cannot be written (No space left" in refused(done)


HOSTILE = {
    "deep.json": b"[" * 100_000,
    "deep.toml": b"a = " + b"[" * 100_000,
    "digits.toml": b"a = " + b"9" * 6000,
    "bytes": bytes(range(256)) * 4,
    "empty": b"",
    "null.json": b"null",
    "wrong.json": b'{"captures": 1, "verdict": {"result": {}}}',
}
READERS = {
    "policy": lambda path, side: ["analyze", path, "--policy", side],
    "geo-map": lambda path, side: ["analyze", path, "--geo-map", side],
    "geo-db": lambda path, side: ["analyze", path, "--geo-db", side],
    "page": lambda path, side: ["analyze", path, "--page", side],
    "baseline": lambda path, side: ["analyze", path, "--baseline", side],
    "diff": lambda path, side: ["diff", side, side],
    "key": lambda path, side: ["redact", path, path.with_name("o"), "--key", side],
    "capture": lambda path, side: ["analyze", side],
    "decoded": lambda path, side: ["decode", side],
    "redacted": lambda path, side: ["redact", side, path.with_name("o")],
    "batch policy": lambda path, side: ["batch", path, "--policy", side],
}  # fmt: skip
HARMLESS = {("policy", "empty"), ("geo-map", "empty"), ("batch policy", "empty")}
"""An empty table says nothing, which is right."""


@pytest.mark.parametrize("side", HOSTILE)
@pytest.mark.parametrize("reader", READERS)
def test_a_hostile_side_file_is_one_line(
    reader: str, side: str, prepared: Path, tmp_path: Path
) -> None:
    path = tmp_path / side
    path.write_bytes(HOSTILE[side])
    done = pcapleak(*READERS[reader](prepared, path))
    if (reader, side) in HARMLESS:
        assert done.returncode == 0
    else:
        assert side in refused(done)


def test_nothing_is_written_where_it_may_not_be(prepared: Path) -> None:
    """As root, too: /proc takes no file."""
    for option in (*FILES, *FOLDERS):
        assert "/proc/x" in refused(pcapleak("analyze", prepared, option, "/proc/x"))
    assert "/proc/x" in refused(pcapleak("redact", prepared, "/proc/x"))
    assert "/proc/x" in refused(pcapleak("batch", prepared, "--results", "/proc/x"))
    assert "/proc/x" in refused(pcapleak("policy", "init", "/proc/x"))
    assert "/proc/x" in refused(pcapleak("page", "/proc/x"))
    for option in ("--json", "--jsonl", "--record", "--evidence"):
        assert "/proc/x" in refused(pcapleak("live", "--via", "-", option, "/proc/x"))


def test_another_process_puts_files_into_their_places_and_those_alone(tmp_path: Path) -> None:
    one, other = OutputFile(tmp_path / "one"), OutputFile(tmp_path / "other")
    with Committer([one, other]) as committer:
        with one as file:
            file.write(b"text")
        with pytest.raises(KeyError):
            committer.rename(tmp_path / "else")
        other.file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").read_text() == "text"


def test_a_failure_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(PcapleakError, match="cannot be written"), OutputFile(path) as file:
        file.write(b"half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
