"""What holds for every capture, however damaged, and for every way of reading it."""

from __future__ import annotations

import random
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from capture_files import Pcapng, pcap_header, pcap_record
from hypothesis import given, settings
from hypothesis import strategies as st

from pcapleak.capture import open_capture
from pcapleak.capture import window as window_module
from pcapleak.capture.source import MAX_ROWS
from pcapleak.errors import CaptureError
from pcapleak.values.packets import RecordBatch


def pcap(rnd: random.Random, order: str) -> bytes:
    return pcap_header(order) + b"".join(
        pcap_record(rnd.randbytes(rnd.randrange(90)), 1_700_000_000 + i, i, order=order)
        for i in range(40)
    )


def pcapng(rnd: random.Random, order: str) -> bytes:
    build = Pcapng(order)
    parts = [
        build.section((1, b"comment")),
        build.interface(1, 60, (9, b"\x09")),
        build.interface(113),
    ]
    for i in range(40):
        data = rnd.randbytes(rnd.randrange(90))
        kind = rnd.randrange(8)
        if kind == 0:
            parts.append(build.simple(data))
        elif kind == 1:
            parts.append(build.obsolete(data, i, i % 2))
        elif kind == 2:
            parts.append(build.block(rnd.choice((0xBAD, 4, 5, 9, 10, 77)), data))
        elif kind == 3 and i > 20:
            parts += [build.section(), build.interface(101), build.interface(1)]
        else:
            flags = (2, (1 + i % 2).to_bytes(4, "little" if order == "<" else "big"))
            parts.append(build.packet(data, i << 33, i % 2, flags, (1, b"note")))
    return b"".join(parts)


def mutated(rnd: random.Random, raw: bytes, changes: int) -> bytes:
    out = bytearray(raw)
    for _ in range(changes):
        at = rnd.randrange(24, len(out))
        what = rnd.randrange(4)
        if what == 0:
            out[at] = rnd.randrange(256)
        elif what == 1:
            out[at : at + 4] = rnd.choice(
                (bytes(4), b"\xff" * 4, b"\x0a\x0d\x0d\x0a", rnd.randbytes(4))
            )
        elif what == 2:
            del out[at : at + rnd.randrange(1, 9)]
        else:
            out[at:at] = out[max(24, at - 40) : at]
    return bytes(out)


class Reading:
    """Everything one reading of a capture gives, in a comparable form."""

    def __init__(self, raw: bytes, window: int | None) -> None:
        self.rows: list[tuple[Any, ...]] = []
        defaults = window_module.StreamWindow.__init__.__defaults__
        with tempfile.NamedTemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
            if window is not None:
                patch.setattr(window_module.StreamWindow.__init__, "__defaults__", (window,))
            assert defaults is not None
            Path(file.name).write_bytes(raw)
            with open_capture(file.name) as source:
                for batch in source:
                    check(batch, len(source.interfaces))
                    self.rows += rows(batch)
                self.end = (source.truncated, source.problems, source.frames)
                self.interfaces = source.interfaces
                assert source.truncated <= bool(source.problems)


def check(batch: RecordBatch, interfaces: int) -> None:
    assert len(batch) > 0
    assert batch.captured_length.min() >= 0
    assert batch.offset.min() >= 0
    assert int((batch.offset + batch.captured_length).max()) + 128 <= len(batch.data)
    assert np.all(np.diff(batch.frame) > 0)
    assert 0 <= batch.interface.min() <= batch.interface.max() < interfaces
    assert batch.original_length.min() >= 0
    assert set(batch.comments) | set(batch.programs) <= set(range(len(batch)))
    for column in (batch.captured_length, batch.original_length, batch.ts_ns, batch.frame):
        assert column.dtype == np.int64
        assert len(column) == len(batch)
    assert batch.interface.dtype == batch.link_type.dtype == np.int32


def rows(batch: RecordBatch) -> list[tuple[Any, ...]]:
    return [
        (
            int(batch.frame[i]),
            int(batch.ts_ns[i]),
            int(batch.interface[i]),
            int(batch.link_type[i]),
            int(batch.original_length[i]),
            0 if batch.direction is None else int(batch.direction[i]),
            batch.comments.get(i),
            batch.data[int(batch.offset[i]) :][: int(batch.captured_length[i])].tobytes(),
        )
        for i in range(len(batch))
    ]


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32),
    make=st.sampled_from((pcap, pcapng)),
    order=st.sampled_from(("<", ">")),
    changes=st.integers(0, 6),
    window=st.sampled_from((64, 100, 333, 2000)),
)
def test_damage_never_raises_and_windows_never_show(
    seed: int, make: Any, order: str, changes: int, window: int
) -> None:
    rnd = random.Random(seed)
    raw = mutated(rnd, make(rnd, order), changes)
    try:
        expected = Reading(raw, None)
    except CaptureError:
        with pytest.raises(CaptureError):
            Reading(raw, window)
        return
    small = Reading(raw, window)
    assert small.rows == expected.rows
    assert small.interfaces == expected.interfaces
    assert small.end == expected.end


def test_batches_are_bounded_however_small_the_packets(tmp_path: Path) -> None:
    """A window of the smallest records is given in several batches, frame by frame the same."""
    path = tmp_path / "small.pcap"
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    path.write_bytes(header + (struct.pack("<IIII", 1, 0, 1, 1) + b"E") * (2 * MAX_ROWS + 5))
    with open_capture(path) as source:
        batches = list(source)
    assert [len(batch) for batch in batches] == [MAX_ROWS, MAX_ROWS, 5]
    frames = np.concatenate([batch.frame for batch in batches])
    assert frames.tolist() == list(range(1, len(frames) + 1))
