from __future__ import annotations

import random

import numpy as np
import pytest
from capture_files import Pcapng, pcap_record
from hypothesis import given, settings
from hypothesis import strategies as st

from pcapleak.capture import pcapng
from pcapleak.capture.pcap import MAGICS, record_framing
from pcapleak.capture.walk import Framing, walk, walk_scalar

SIZES = ((14, 80), (80, 1500), (1500, 9000))


def records(rnd: random.Random, kind: str, order: str, wanted: int) -> bytes:
    """Records whose payloads are noise, zeros, or pieces of this very capture."""
    out = bytearray()
    build = Pcapng(order)
    seconds = 1_700_000_000
    while len(out) < wanted:
        seconds += rnd.random() < 0.3
        size = rnd.randint(*rnd.choices(SIZES, (3, 6, 1))[0])
        nested = rnd.random()
        if nested < 0.4 and len(out) > size:
            start = rnd.randrange(len(out) - size)
            data = bytes(out[start : start + size])
        else:
            data = rnd.randbytes(size) if nested < 0.9 else bytes(size)
        if kind == "pcap":
            extra = 100 if rnd.random() < 0.1 else 0
            out += pcap_record(data, seconds, rnd.randrange(10**6), size + extra, order)
        elif rnd.random() < 0.01:
            out += build.block(5, rnd.randbytes(20))
        else:
            options = ((2, bytes(4)),) if rnd.random() < 0.1 else ()
            out += build.packet(data, seconds * 10**6, 0, *options)
    return bytes(out)


def damaged(rnd: random.Random, data: bytes, how: str) -> bytes:
    if how == "cut":
        return data[: -rnd.randint(1, 2000)]
    if how == "garbage behind":
        return data + rnd.randbytes(rnd.randint(1, 5000))
    if how == "overwritten":
        at = rnd.randrange(len(data) - 50)
        return data[:at] + rnd.randbytes(50) + data[at + 50 :]
    if how == "another section":
        at = rnd.randrange(len(data) // 4) * 4
        return data[:at] + Pcapng(">").section() + data[at:]
    return data


def framing_for(kind: str, order: str, data: np.ndarray) -> Framing:
    if kind == "pcapng":
        return pcapng.block_framing(little=order == "<")
    magic = {"<": "d4c3b2a1", ">": "a1b2c3d4"}[order]
    return record_framing(MAGICS[bytes.fromhex(magic)], 262144, data[:4].tobytes())


HOW = ("whole", "cut", "garbage behind", "overwritten", "another section")


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(("pcap", "pcapng")),
    order=st.sampled_from(("<", ">")),
    how=st.sampled_from(HOW),
)
def test_many_lanes_find_what_one_finds(seed: int, kind: str, order: str, how: str) -> None:
    rnd = random.Random(seed)
    raw = damaged(rnd, records(rnd, kind, order, 600_000), how)
    data = np.frombuffer(raw + bytes(128), np.uint8)
    framing = framing_for(kind, order, data)
    heads, after = walk(data, 0, len(raw), framing)
    expected, expected_after = walk_scalar(data, 0, len(raw), framing)
    assert after == expected_after
    assert np.array_equal(heads, expected)


def test_lanes_that_start_inside_nested_captures_are_not_believed() -> None:
    """Every payload is a run of perfect records, shifted: most guesses are wrong."""
    inner = b"".join(pcap_record(bytes(20), 1_700_000_000 + i) for i in range(40))
    raw = b"".join(pcap_record(inner[: 1400 - i % 13], 1_700_000_000) for i in range(800))
    data = np.frombuffer(raw + bytes(128), np.uint8)
    framing = framing_for("pcap", "<", data)
    heads, after = walk(data, 0, len(raw), framing)
    assert len(heads) == 800
    assert after == len(raw)


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_a_walk_may_start_and_end_anywhere(kind: str) -> None:
    raw = records(random.Random(1), kind, "<", 500_000)
    data = np.frombuffer(raw + bytes(128), np.uint8)
    framing = framing_for(kind, "<", data)
    all_heads, _ = walk_scalar(data, 0, len(raw), framing)
    start, end = int(all_heads[10]), int(all_heads[-10]) + 7
    heads, after = walk(data, start, end, framing)
    assert np.array_equal(heads, all_heads[10:-10])
    assert after == all_heads[-10]
