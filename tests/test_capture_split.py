from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from capture_files import Pcapng, pcap_header, pcap_record

from pcapleak.capture import Part, open_capture, split_capture

BUILD = Pcapng()


def pcap(order: str) -> bytes:
    rnd = random.Random(1)
    return pcap_header(order) + b"".join(
        pcap_record(rnd.randbytes(rnd.randint(20, 1500)), 1_700_000_000 + i, i % 10**6, order=order)
        for i in range(9000)
    )


def pcapng(order: str, late: bytes = b"") -> bytes:
    rnd = random.Random(2)
    build = Pcapng(order)
    packets = [
        build.packet(rnd.randbytes(rnd.randint(20, 1500)), 1_700_000_000_000_000 + i, i % 2)
        for i in range(9000)
    ]
    head = build.section() + build.interface(1) + build.interface(101, 0, (9, b"\x09"))
    return head + b"".join(packets[:7000]) + late + b"".join(packets[7000:])


def columns(path: Path, part: Part | None = None) -> tuple[list[np.ndarray], bool, bool]:
    with open_capture(path, part=part) as source:
        batches = list(source)
        names = ("captured_length", "original_length", "ts_ns", "interface", "link_type", "frame")
        joined = [np.concatenate([getattr(b, n) for b in batches]) for n in names]
        first = [b.data[b.offset + 3] for b in batches]
        return [*joined, np.concatenate(first)], source.truncated, source.placeless


@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("make", [pcap, pcapng])
def test_the_parts_together_are_the_whole(
    tmp_path: Path, make: object, order: str, parts: int
) -> None:
    path = tmp_path / "file"
    assert callable(make)
    path.write_bytes(make(order))
    ranges = split_capture(path, parts)
    assert len(ranges) == parts
    expected, _, _ = columns(path)
    pieces, frames = [], 0
    for part in ranges:
        values, truncated, placeless = columns(path, part)
        assert (truncated, placeless) == (False, True)
        values[5] += frames
        frames = int(values[5][-1])
        pieces.append(values)
    for index, whole in enumerate(expected):
        assert np.array_equal(np.concatenate([values[index] for values in pieces]), whole)


def test_a_wrong_start_shows_in_the_part_before_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    raw = pcap("<")
    path.write_bytes(raw)
    _, truncated, _ = columns(path, Part(0, len(raw) // 2 | 1))
    assert truncated


@pytest.mark.parametrize("late", [BUILD.interface(1), BUILD.section(), BUILD.simple(b"untimed")])
def test_what_later_parts_would_need_to_know_is_told(tmp_path: Path, late: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(pcapng("<", late))
    assert not all(columns(path, part)[2] for part in split_capture(path, 3))


def test_small_and_odd_inputs_stay_whole(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(pcap("<")[:1000])
    assert split_capture(small, 4) == [Part(0, 1000)]
    text = tmp_path / "text"
    text.write_bytes(b"no capture " * 200_000)
    assert len(split_capture(text, 4)) == 1
    zeros = tmp_path / "zeros"
    zeros.write_bytes(pcap_header() + pcap_record(b"x") + bytes(4 << 20))
    assert len(split_capture(zeros, 4)) == 1
