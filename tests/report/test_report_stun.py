"""STUN messages as tables."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pandas as pd
import pytest
from places import CAPTURES

import pcapleak
from pcapleak.errors import CaptureError, PcapleakError
from pcapleak.report.writers import stun_tables as stun
from pcapleak.report.writers import tables as frames

NAMES = ("video-call", "turn-udp", "firefox-data-channel")


@pytest.mark.parametrize("name", NAMES)
def test_every_stun_message_tshark_sees_is_a_row(name: str, tshark: str) -> None:
    path = CAPTURES / f"{name}.pcapng"
    fields = ("frame.number", "stun.type.class", "stun.att.tie-breaker", "stun.att.username")
    command = [tshark, "-n", "-r", str(path), "-Y", "stun.type && !icmp && !icmpv6"]
    command += ["-T", "fields", *(part for field in fields for part in ("-e", field))]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    classes = {"0x0000": "request", "0x0001": "indication", "0x0010": "success", "0x0011": "error"}
    want = [line.split("\t") for line in told.splitlines()]
    table = pcapleak.analyze(path).stun
    plain = table[table["layers"].map(len) == 0]
    got = plain[["frame", "message_class", "tie_breaker", "username"]].itertuples(index=False)
    assert want
    assert [[str(frame), str(kind), tie or "", user or ""] for frame, kind, tie, user in got] == [
        [frame, classes[kind], tie, user] for frame, kind, tie, user in want
    ]


def test_pieces_hold_what_the_whole_holds() -> None:
    paths = [CAPTURES / f"{name}.pcapng" for name in NAMES]
    whole = stun.stun_table(paths)
    pieces = list(pcapleak.stun_tables(paths, rows=7))
    assert {len(piece) for piece in pieces[:-1]} == {7}
    assert all((piece.dtypes == whole.dtypes).all() for piece in pieces)
    assert pd.concat(pieces, ignore_index=True).equals(whole)
    assert whole["frame"].is_monotonic_increasing


def test_a_capture_without_stun_gives_one_empty_table() -> None:
    (empty,) = pcapleak.stun_tables([CAPTURES / "firefox-socks.pcapng"])
    assert len(empty) == 0
    assert list(empty.columns) == [column.name for column in frames.STUN]
    full = stun.stun_table([CAPTURES / "socks.pcapng"])
    assert (empty.dtypes == full.dtypes).all()


def test_files_are_written_piece_by_piece(tmp_path: Path) -> None:
    paths = [CAPTURES / "video-call.pcapng"]
    whole = stun.stun_table(paths)
    stun.write_csv(paths, tmp_path, rows=5)
    stun.write_parquet(paths, tmp_path, rows=5)
    text = pd.read_csv(tmp_path / "stun.csv", dtype=str, keep_default_na=False)
    assert text["transaction_id"].tolist() == whole["transaction_id"].tolist()
    assert text["mapped_address"].tolist() == whole["mapped_address"].fillna("").tolist()
    columns = pd.read_parquet(tmp_path / "stun.parquet")
    assert columns["frame"].tolist() == whole["frame"].tolist()
    assert columns["time"].tolist() == whole["time"].tolist()
    assert columns["software"].fillna("").tolist() == whole["software"].fillna("").tolist()


def test_a_stream_or_a_lost_file_cannot_be_read_again(tmp_path: Path) -> None:
    with pytest.raises(PcapleakError, match="second reading"):
        next(pcapleak.stun_tables(["-"]))
    with pytest.raises(CaptureError):
        stun.stun_table([tmp_path / "gone.pcap"])
