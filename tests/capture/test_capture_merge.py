from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from capture_files import Pcapng, pcap_header, pcap_record
from conftest import need_tool

from pcapleak.capture import merge_captures, open_capture
from pcapleak.capture import window as window_module
from pcapleak.values.packets import Interface

ORDERED = ("rising", "equal", "shuffled")


def write_files(folder: Path, rnd: random.Random, kinds: tuple[str, ...]) -> list[Path]:
    paths = []
    for number, kind in enumerate(kinds):
        times = [1_700_000_000 + rnd.randrange(300) for _ in range(rnd.randrange(1, 200))]
        if kind != "shuffled":
            times.sort()
        if kind == "equal":
            times = [time // 60 * 60 for time in times]
        body = b"".join(
            pcap_record(b"%d:%d" % (number, i) + bytes(50), time) for i, time in enumerate(times)
        )
        paths.append(folder / f"{number}.pcap")
        paths[-1].write_bytes(pcap_header() + body)
    return paths


def merged(paths: list[Path]) -> list[tuple[int, int, bytes]]:
    interfaces: list[Interface] = []
    sources = [open_capture(p, interfaces=interfaces, capture=i) for i, p in enumerate(paths)]
    rows = []
    for batch in merge_captures(sources):
        for i in range(len(batch)):
            start = int(batch.offset[i])
            content = batch.data[start : start + int(batch.captured_length[i])].tobytes()
            assert int(interfaces[batch.interface[i]].capture) == int(content.split(b":")[0])
            rows.append((int(batch.frame[i]), int(batch.ts_ns[i]), content))
    for source in sources:
        source.close()
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_the_order_is_mergecaps(tmp_path: Path, seed: int) -> None:
    mergecap = need_tool("mergecap")
    rnd = random.Random(seed)
    kinds = tuple(rnd.choice(ORDERED) for _ in range(rnd.randrange(2, 5)))
    paths = write_files(tmp_path, rnd, kinds)
    target = tmp_path / "merged.pcap"
    subprocess.run([mergecap, "-F", "pcap", "-w", target, *paths], check=True, capture_output=True)
    expected = []
    with open_capture(target) as source:
        for batch in source:
            for i in range(len(batch)):
                start = int(batch.offset[i])
                content = batch.data[start : start + int(batch.captured_length[i])].tobytes()
                expected.append((int(batch.frame[i]), int(batch.ts_ns[i]), content))
    assert merged(paths) == expected


@pytest.mark.parametrize("seed", range(3))
def test_batches_do_not_show_in_the_timeline(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files in windows of 300 bytes give the same order."""
    rnd = random.Random(seed)
    paths = write_files(tmp_path, rnd, ("rising", "shuffled", "equal"))
    expected = merged(paths)
    monkeypatch.setattr(window_module.StreamWindow.__init__, "__defaults__", (300,))
    assert merged(paths) == expected


def test_comments_and_directions_follow_their_packets(tmp_path: Path) -> None:
    build = Pcapng()
    flags = (2, (2).to_bytes(4, "little"))
    first, second = tmp_path / "a.pcapng", tmp_path / "b.pcap"
    first.write_bytes(
        build.section()
        + build.interface()
        + build.packet(b"0:a", 1_700_000_000_000_000)
        + build.packet(b"0:b", 1_700_000_002_000_000, 0, (1, b"look"), flags)
    )
    second.write_bytes(pcap_header() + pcap_record(b"1:c", 1_700_000_001))
    interfaces: list[Interface] = []
    sources = [
        open_capture(p, interfaces=interfaces, capture=i) for i, p in enumerate((first, second))
    ]
    rows: list[tuple[str | None, int]] = []
    for batch in merge_captures(sources):
        for i in range(len(batch)):
            direction = 0 if batch.direction is None else int(batch.direction[i])
            rows.append((batch.comments.get(i), direction))
    for source in sources:
        source.close()
    assert rows == [(None, 0), (None, 0), ("look", 2)]


def test_an_empty_capture_merges_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(pcap_header())
    with open_capture(path) as source:
        assert list(merge_captures([source])) == []
