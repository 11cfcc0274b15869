from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from capture_files import Pcapng, pcap_header

from pcapleak.capture import find_captures
from pcapleak.errors import CaptureError


def test_folders_give_what_is_a_capture_by_content(tmp_path: Path) -> None:
    deep = tmp_path / "b" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "z.pcap").write_bytes(pcap_header())
    (tmp_path / "letter.pcap").write_text("not a capture")
    (tmp_path / "empty.pcap").write_bytes(b"")
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"not a capture either"))
    (tmp_path / "broken.gz").write_bytes(gzip.compress(b"x" * 100)[:12])
    (deep / "no-suffix").write_bytes(Pcapng().section())
    (deep / "packed.bin").write_bytes(gzip.compress(pcap_header()))
    (deep / "back").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert list(find_captures([tmp_path], recursive=True)) == [
        str(tmp_path / "z.pcap"),
        str(deep / "no-suffix"),
        str(deep / "packed.bin"),
    ]
    # What is called like a capture is told to be none, where many are looked through.
    told = list(find_captures([tmp_path], recursive=True, damaged=True))
    assert {Path(path).name for path in told} == {
        "empty.pcap",
        "letter.pcap",
        "z.pcap",
        "no-suffix",
        "packed.bin",
    }


def test_named_files_are_passed_on_in_order(tmp_path: Path) -> None:
    paths = ["-", str(tmp_path / "missing.pcap"), "-"]
    assert list(find_captures(paths)) == paths


def test_a_folder_needs_recursive(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="--recursive"):
        list(find_captures([tmp_path]))
