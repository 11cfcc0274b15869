"""Captures of other projects, read as Wireshark counts them and cut wherever a disk may fill up.

`PCAPLEAK_ALL_CUTS=1` (`make cuts`) cuts every file of the corpus; otherwise a sample is cut.
"""

from __future__ import annotations

import csv
import functools
import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import CORPUS, need_tool

from pcapleak.capture import open_capture
from pcapleak.errors import CaptureError

UNSUPPORTED = "tshark refuses the file for its link type; the records are sound"
VERSION = "tshark refuses the section's version number; the blocks are sound"
FUZZED = "tshark refuses the link type a fuzzer wrote; the record is whole or the cut is told"
OUR_READING: dict[str, tuple[int, str]] = {
    "gopacket__be_test901.pcapng": (3, VERSION),
    "gopacket__le_test901.pcapng": (3, VERSION),
    "libpcap__pcapng-invalid-vers-1.pcapng": (1, VERSION),
    "libpcap__pcapng-invalid-vers-2.pcapng": (1, VERSION),
    "libpcap__filter_dsa.pcap": (8, UNSUPPORTED),
    "tcpdump__edsa.pcap": (10, UNSUPPORTED),
    "tcpdump__frf16_magic_ie-oobr.pcap": (1, UNSUPPORTED),
    "tcpdump__juniper_monitor_invalid_cookie_length.pcap": (1, UNSUPPORTED),
    "pcapplusplus__cfuzz-min-5631583764873216.pcap": (1, FUZZED),
    "pcapplusplus__cfuzz-min-5685520970809344.pcap": (1, FUZZED),
    "pcapplusplus__crash-pcapng-epb-unbounded-length.pcapng": (
        1,
        "the packet claims more than its block holds: tshark stops, we show what is there",
    ),
}
"""Frames of each file where our count and tshark's differ, and why ours is right."""


def manifest() -> list[dict[str, str]]:
    path = CORPUS / "MANIFEST.tsv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [row for row in rows if not row["file"].endswith(".snoop")]


ROWS = manifest()
each_file = pytest.mark.parametrize("row", ROWS, ids=[row["file"] for row in ROWS])


def frames_and_packets(path: Path) -> tuple[int, list[np.ndarray], bool, list[str]]:
    """The last frame number Wireshark would give, and the batches' frame numbers."""
    with open_capture(path) as source:
        frames = [batch.frame for batch in source]
        return source.frames, frames, source.truncated, source.problems


@each_file
def test_frames_are_as_many_as_tshark_counts(corpus: Path, row: dict[str, str]) -> None:
    name = row["file"]
    count, frames, _, _ = frames_and_packets(corpus / "public" / name)
    expected, reason = OUR_READING.get(name, (int(row["packets_tshark"]), ""))
    assert count == expected, reason
    if name in OUR_READING:
        assert expected != int(row["packets_tshark"]), "no longer an exception"
    numbers = np.concatenate(frames) if frames else np.empty(0, np.int64)
    assert np.all(np.diff(numbers) > 0)
    assert len(numbers) <= count


def tshark_frames(tshark: str, path: Path) -> dict[int, tuple[int, int, str]]:
    """Captured and original length and time of each frame in tshark's view."""
    fields = ("frame.number", "frame.cap_len", "frame.len", "frame.time_epoch")
    done = subprocess.run(
        [tshark, "-n", "-r", path, "-T", "fields", *(p for f in fields for p in ("-e", f))],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {int(number): (int(cap), int(size), time) for number, cap, size, time in rows}


def test_lengths_and_times_equal_tsharks(corpus: Path, tshark: str) -> None:
    """Packet by packet, on a sample of each container."""
    pcapng = [row["file"] for row in ROWS if row["file"].endswith(("ng", "gz"))]
    pcap = [row["file"] for row in ROWS if row["file"].endswith("pcap")]
    compared = 0
    for name in (*pcapng[::6], *pcap[::30]):
        if name in OUR_READING:
            continue
        theirs = tshark_frames(tshark, corpus / "public" / name)
        with open_capture(corpus / "public" / name) as source:
            for batch in source:
                for frame, captured, original, ns in zip(
                    batch.frame.tolist(),
                    batch.captured_length.tolist(),
                    batch.original_length.tolist(),
                    batch.ts_ns.tolist(),
                    strict=True,
                ):
                    their_captured, their_original, time = theirs[frame]
                    assert (captured, original) == (their_captured, their_original), name
                    compared += 1
                    # No time: a simple packet. Microseconds above a second, which fuzzers
                    # write, overflow in tshark and show as a sign or a tenth digit; we add.
                    whole, _, fraction = time.partition(".")
                    if len(fraction) == 9 and not whole.startswith("-"):
                        assert ns == int(whole) * 10**9 + int(fraction), (name, frame)
    assert compared > 2000


def test_packets_of_each_interface_are_as_capinfos_counts_them(corpus: Path) -> None:
    capinfos = need_tool("capinfos")
    compared = 0
    for row in ROWS:
        name = row["file"]
        if not name.endswith("pcapng") or name in OUR_READING:
            continue
        done = subprocess.run(
            [capinfos, "-I", corpus / "public" / name], capture_output=True, text=True, check=False
        )
        counts = [
            int(line.split("=")[1])
            for line in done.stdout.splitlines()
            if "Number of packets =" in line
        ]
        with open_capture(corpus / "public" / name) as source:
            ours = Counter(number for batch in source for number in batch.interface.tolist())
            interfaces = len(source.interfaces)
        if interfaces != len(counts):
            continue
        assert [ours[i] for i in range(interfaces)] == counts, name
        compared += 1
    assert compared > 80


def cut_sample() -> list[dict[str, str]]:
    if os.environ.get("PCAPLEAK_ALL_CUTS"):
        return ROWS
    kinds: dict[tuple[str, str], dict[str, str]] = {}
    for row in sorted(ROWS, key=lambda row: int(row["bytes"])):
        if int(row["bytes"]) > 400 and row["file"] not in OUR_READING:
            kinds.setdefault((row["container"], row["file"].rsplit(".", 1)[-1]), row)
    return list(kinds.values())


@functools.cache
def whole(path: Path) -> tuple[int, bool]:
    frames, _, truncated, _ = frames_and_packets(path)
    return frames, truncated


@pytest.mark.parametrize("row", cut_sample(), ids=[row["file"] for row in cut_sample()])
def test_a_cut_gives_what_precedes_it_and_raises_nothing(
    corpus: Path, row: dict[str, str], tmp_path: Path
) -> None:
    path = corpus / "public" / row["file"]
    raw = path.read_bytes()
    rnd = random.Random(row["file"])
    sizes = {rnd.randrange(len(raw)) for _ in range(50)} | set(
        range(max(0, len(raw) - 200), len(raw))
    )
    all_frames, _ = whole(path)
    target = tmp_path / "cut"
    last = 0
    for size in sorted(sizes):
        target.write_bytes(raw[:size])
        try:
            frames, _, truncated, problems = frames_and_packets(target)
        except CaptureError as error:
            # Only where not even the file's own header is whole, or what compression hides it.
            assert size < 24 or row["file"].endswith("gz"), error
            continue
        assert last <= frames <= all_frames
        last = frames
        if truncated:
            assert problems
        else:
            assert not any("ends inside" in problem for problem in problems)
    assert last <= all_frames
