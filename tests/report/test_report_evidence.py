"""The evidence file, read back by tools that are not ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cli_runs import PROXY, SOCKS, run

from pcapleak.capture import open_capture
from pcapleak.report.document import Finding
from pcapleak.report.writers.evidence import CONTEXT_FRAMES, write_evidence


def finding(*frames: int, message: str = "seen") -> Finding:
    return Finding(
        "PL101", "x", "critical", "certain", "eth0", "s", message, "r", frames=list(frames)
    )


def read(path: Path) -> list[tuple[int, bytes, int, str]]:
    """Time, bytes, original length and comment of every record."""
    records = []
    with open_capture(path) as source:
        for batch in source:
            for row in range(len(batch)):
                start, length = int(batch.offset[row]), int(batch.captured_length[row])
                records.append(
                    (
                        int(batch.ts_ns[row]),
                        batch.data[start : start + length].tobytes(),
                        int(batch.original_length[row]),
                        batch.comments.get(row, ""),
                    )
                )
    return records


def test_frames_of_findings_with_their_neighbours(tmp_path: Path) -> None:
    """The file holds the findings' frames and a little around them, unchanged and commented."""
    target = tmp_path / "evidence.pcapng"
    count = write_evidence([SOCKS], [finding(10, 11), finding(1, message="first")], target)
    whole, kept = read(SOCKS), read(target)
    frames = [1, 2, 3, *range(10 - CONTEXT_FRAMES, 12 + CONTEXT_FRAMES)]
    assert count == len(frames)
    assert [record[:3] for record in kept] == [whole[frame - 1][:3] for frame in frames]
    comments = {frame: record[3] for frame, record in zip(frames, kept, strict=True)}
    assert comments[1] == "PL101: first\nframe 1 of the capture"
    assert comments[10] == "PL101: seen\nframe 10 of the capture"
    assert [frame for frame, comment in comments.items() if comment] == [1, 10, 11]


def test_hostile_message_is_written_as_text(tmp_path: Path) -> None:
    """A comment holds no escape sequence."""
    target = tmp_path / "evidence.pcapng"
    write_evidence([SOCKS], [finding(5, message="\x1b[31m\u202e")], target)
    assert b"\x1b[31m" not in target.read_bytes()
    assert b"PL101: \\x1b[31m\\u202e" in target.read_bytes()


def test_merged_captures_give_their_frames(tmp_path: Path) -> None:
    """Frames of a merged report are those of the common timeline."""
    target = tmp_path / "evidence.pcapng"
    direct = SOCKS.parent / "direct.pcapng"
    write_evidence([SOCKS, direct], [finding(1)], target)
    first = min(read(SOCKS)[0][0], read(direct)[0][0])
    assert read(target)[0][0] == first


def test_wireshark_reads_the_comments_and_times(tmp_path: Path, tshark: str) -> None:
    """tshark opens the file cleanly: comments, interface names and nanoseconds are there."""
    target = tmp_path / "evidence.pcapng"
    assert run("analyze", SOCKS, "--proxy", PROXY, "--evidence", target, "-q").returncode == 1
    fields = ["frame.comment", "frame.interface_name", "frame.time_epoch"]
    result = subprocess.run(
        [tshark, "-r", target, "-T", "json", *(f"-e{field}" for field in fields)],
        capture_output=True,
        text=True,
        check=True,
    )
    layers = [packet["_source"]["layers"] for packet in json.loads(result.stdout)]
    comments = [comment for layer in layers for comment in layer.get("frame.comment", [])]
    assert any(comment.startswith("PL101: ") for comment in comments)
    assert {layer["frame.interface_name"][0] for layer in layers} == {"eth0"}
    times = {record[0] for record in read(SOCKS)}
    for layer in layers:
        seconds, fraction = layer["frame.time_epoch"][0].split(".")
        assert int(seconds) * 10**9 + int(fraction) in times


def test_one_file_a_finding(tmp_path: Path) -> None:
    """`--evidence-per-finding` writes a file for each, named by number and id."""
    folder = tmp_path / "evidence"
    result = run(
        "analyze", SOCKS, "--proxy", PROXY, "--evidence-per-finding", folder, "--json", "-"
    )
    findings = json.loads(result.stdout)["findings"]
    expected = [f"{number:03}-{entry['id']}.pcapng" for number, entry in enumerate(findings, 1)]
    assert expected
    assert sorted(path.name for path in folder.iterdir()) == expected


@pytest.mark.parametrize("option", ["--csv", "--parquet"])
def test_tables_are_written_and_read_back(tmp_path: Path, option: str) -> None:
    """Each table is a file with a row for each entry of the report."""
    import pandas as pd

    folder = tmp_path / "tables"
    result = run("analyze", SOCKS, option, folder, "--json", "-", "--exit-zero")
    report = json.loads(result.stdout)
    read_table = {"--csv": pd.read_csv, "--parquet": pd.read_parquet}[option]
    tables = {path.stem: read_table(path) for path in folder.iterdir()}
    assert len(tables["flows"]) == len(report["flows"]) == report["statistics"]["flows"]
    assert len(tables["names"]) == len(report["mdns_names"])
    sessions = report["ice_sessions"]
    assert len(tables["candidates"]) == sum(len(session["candidates"]) for session in sessions)
    first = tables["flows"]["first_time"][0]
    if option == "--csv":
        assert first == report["flows"][0]["first_time"]
    else:
        assert first.value == report["flows"][0]["first_time_ns"]


def test_hostile_cells_are_no_formulas(tmp_path: Path) -> None:
    """A spreadsheet that opens a table runs nothing."""
    from sample_report import sample

    from pcapleak.report.writers.tables import write_csv

    write_csv(sample("=HYPERLINK(1)\x1b\n"), tmp_path)
    text = (tmp_path / "names.csv").read_text()
    assert "'=HYPERLINK(1)\\x1b\\x0a" in text
    assert "\x1b" not in text
