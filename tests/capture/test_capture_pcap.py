from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from capture_files import pcap_header, pcap_record

from pcapleak.capture import open_capture
from pcapleak.errors import CaptureError
from pcapleak.values.packets import Direction, RecordBatch


def read(path: Path) -> tuple[list[RecordBatch], bool, list[str]]:
    with open_capture(path) as source:
        return list(source), source.truncated, source.problems


def payloads(batches: list[RecordBatch]) -> list[bytes]:
    return [
        batch.data[o : o + n].tobytes()
        for batch in batches
        for o, n in zip(batch.offset.tolist(), batch.captured_length.tolist(), strict=True)
    ]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "tick_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_both_byte_orders_and_resolutions(
    tmp_path: Path, order: str, magic: int, tick_ns: int
) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(
        pcap_header(order, magic, link_type=113, snap_length=96)
        + pcap_record(b"first", 1_700_000_000, 5, 500, order)
        + pcap_record(b"second", 1_700_000_001, 999_999, order=order)
    )
    with open_capture(path) as source:
        (batch,) = source
        assert payloads([batch]) == [b"first", b"second"]
        assert batch.original_length.tolist() == [500, 6]
        assert batch.ts_ns.tolist() == [
            1_700_000_000 * 10**9 + 5 * tick_ns,
            1_700_000_001 * 10**9 + 999_999 * tick_ns,
        ]
        assert batch.frame.tolist() == [1, 2]
        assert batch.link_type.tolist() == [113, 113]
        (interface,) = source.interfaces
        assert (interface.id, interface.link_type, interface.snap_length) == (0, 113, 96)
        assert not source.truncated
        assert source.problems == []
        assert source.bytes_read == source.size == path.stat().st_size


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_modified_variant_tells_the_direction(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.pcap"
    raw = pcap_header(order, 0xA1B2CD34)
    for kind in (0, 4, 3):
        raw += struct.pack(f"{order}IIIIIHBB", 1_700_000_000, 7, 4, 4, 2, 0x0800, kind, 0) + b"data"
    path.write_bytes(raw)
    (batch,), truncated, problems = read(path)
    assert payloads([batch]) == [b"data"] * 3
    assert batch.direction is not None
    assert batch.direction.tolist() == [Direction.INBOUND, Direction.OUTBOUND, Direction.UNKNOWN]
    assert (truncated, problems) == (False, [])


def test_lengths_swapped_by_old_versions_are_read_right(tmp_path: Path) -> None:
    """libpcap before version 2.3 of the format wrote the original length first."""
    path = tmp_path / "a.pcap"
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 2, 0, 0, 68, 1)
    path.write_bytes(head + struct.pack("<IIII", 1, 0, 1500, 4) + b"data" + pcap_record(b"more"))
    (batch,), truncated, _ = read(path)
    assert payloads([batch]) == [b"data", b"more"]
    assert batch.original_length.tolist() == [1500, 4]
    assert not truncated


def test_bits_above_the_link_type_are_not_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_header(link_type=0x2400_0001) + pcap_record(b"x"))
    (batch,), _, _ = read(path)
    assert batch.link_type.tolist() == [1]


def test_a_cut_record_leaves_those_before_it(tmp_path: Path) -> None:
    whole = pcap_header() + pcap_record(b"first") + pcap_record(b"second")
    for size in range(24, len(whole)):
        path = tmp_path / "cut.pcap"
        path.write_bytes(whole[:size])
        batches, truncated, problems = read(path)
        expected = 0 if size < 24 + 21 else 1
        assert len(payloads(batches)) == expected
        assert truncated == (size not in (24, 24 + 21)), size
        assert len(problems) == truncated


def test_an_impossible_length_stops_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    bad = struct.pack("<IIII", 1, 0, 0x7FFF_FFFF, 60)
    path.write_bytes(pcap_header() + pcap_record(b"first") + bad + bytes(400))
    batches, truncated, problems = read(path)
    assert payloads(batches) == [b"first"]
    assert truncated
    assert "byte 45" in problems[0]


def test_records_reach_past_every_window(tmp_path: Path) -> None:
    """A file larger than two windows, mapped: every record is whole and in place."""
    path = tmp_path / "large.pcap"
    count, size = 70_000, 1000
    with path.open("wb") as file:
        file.write(pcap_header())
        for i in range(count):
            file.write(pcap_record(i.to_bytes(4, "big") * (size // 4), 1_700_000_000 + i))
    with open_capture(path) as source:
        seen = 0
        for batch in source:
            ends = batch.offset + batch.captured_length
            assert int(ends.max()) + 128 <= len(batch.data)
            first = batch.data[batch.offset[:, None] + np.arange(4)].copy().view(">u4")[:, 0]
            assert np.array_equal(first, np.arange(seen, seen + len(batch)))
            assert np.array_equal(batch.frame, np.arange(seen, seen + len(batch)) + 1)
            seen += len(batch)
        assert seen == count
        assert not source.truncated
        assert source.bytes_read == source.size


def test_a_record_longer_than_the_search_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_header() + b"".join(pcap_record(bytes([i]) * 200_000) for i in range(20)))
    batches, truncated, _ = read(path)
    assert [p[:1] for p in payloads(batches)] == [bytes([i]) for i in range(20)]
    assert not truncated


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "is empty"),
        (b"hello, this is a letter\n", "is text"),
        (bytes(range(128, 256)), "is not a capture"),
        (pcap_header()[:23], "ends inside the pcap file header"),
        (b"\x04\x22\x4d\x18" + bytes(20), "lz4 -d"),
        (b"\x0a\x0d\x0d\x0a" + bytes(20), "damaged pcapng section header"),
    ],
)
def test_what_is_no_capture_is_said_in_one_line(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CaptureError, match=words) as caught:
        open_capture(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    assert "; " in text


def test_a_folder_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"is a directory; .*--recursive"):
        open_capture(tmp_path)
