from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import os
import random
import subprocess
import sys
import threading
import time
from io import FileIO
from pathlib import Path

import pytest
from backports import zstd
from capture_files import Pcapng, pcap_header, pcap_record

from pcapleak.capture import open_capture
from pcapleak.capture import stream as stream_module
from pcapleak.errors import CaptureError

COUNT = 2000
RANDOM = random.Random(7)
CAPTURE = pcap_header() + b"".join(
    pcap_record(RANDOM.randbytes(100), 1_700_000_000 + i) for i in range(COUNT)
)

PACK = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "xz": lzma.compress,
    # Blocks of 100 kB, so that a cut leaves whole ones.
    "bzip2": functools.partial(bz2.compress, compresslevel=1),
}
PACKED = pytest.mark.parametrize("kind", PACK)


def count(path: Path) -> tuple[int, bool, list[str], str]:
    with open_capture(path) as source:
        packets = sum(map(len, source))
        return packets, source.truncated, source.problems, source.format


@PACKED
def test_compression_is_told_by_content_not_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "misleading.txt"
    path.write_bytes(PACK[kind](CAPTURE))
    assert count(path) == (COUNT, False, [], f"pcap ({kind})")


@PACKED
def test_compressed_pcapng_in_several_members_reads_as_one(tmp_path: Path, kind: str) -> None:
    build = Pcapng()
    raw = build.section() + build.interface() + build.packet(b"x" * 5000, 1) * 300
    path = tmp_path / "file"
    path.write_bytes(b"".join(PACK[kind](raw[i : i + 70_000]) for i in range(0, len(raw), 70_000)))
    assert count(path) == (300, False, [], f"pcapng ({kind})")


@PACKED
def test_a_cut_compressed_capture_gives_what_it_holds(tmp_path: Path, kind: str) -> None:
    packed = PACK[kind](CAPTURE)
    path = tmp_path / "file"
    path.write_bytes(packed[: len(packed) - 40])
    packets, truncated, problems, _ = count(path)
    assert truncated
    assert problems
    assert 0 < packets <= COUNT


@PACKED
@pytest.mark.parametrize("seed", range(8))
def test_damage_inside_compressed_data_never_raises(tmp_path: Path, kind: str, seed: int) -> None:
    packed = bytearray(PACK[kind](CAPTURE))
    at = random.Random(seed).randrange(40, len(packed) - 20)
    packed[at : at + 8] = b"\xff\x00\xaa\x55" * 2
    path = tmp_path / "file"
    path.write_bytes(packed)
    try:
        packets, truncated, problems, _ = count(path)
    except CaptureError:
        return
    assert packets <= COUNT
    assert truncated == bool(problems)


def test_a_decompression_bomb_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "FREE_BYTES", 1 << 20)
    path = tmp_path / "bomb.zst"
    path.write_bytes(zstd.compress(pcap_header() + pcap_record(bytes(200_000)) * 400))
    packets, truncated, problems, _ = count(path)
    assert 0 < packets < 400
    assert truncated
    assert "250 times" in problems[0]


def test_what_follows_compressed_data_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(CAPTURE) + b"not gzip")
    packets, _, problems, _ = count(path)
    assert packets == COUNT
    assert "follow the compressed data" in problems[0]
    path.write_bytes(gzip.compress(CAPTURE) + bytes(4096))
    assert count(path)[2] == []


def test_packets_from_a_pipe_arrive_while_it_is_open(tmp_path: Path) -> None:
    """Each batch is there before the next is written: nobody waits for a full window."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    seen = threading.Semaphore(0)
    record = pcap_record(b"some data")

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            pipe.write(pcap_header() + record)
            for part in (record[:7], record[7:] + record, record):
                if not seen.acquire(timeout=20):
                    return
                pipe.write(part)
                if part == record[:7]:
                    seen.release()

    writer = threading.Thread(target=write)
    writer.start()
    sizes = []
    with open_capture(path) as source:
        assert source.size is None
        for batch in source:
            sizes.append(len(batch))
            seen.release()
    writer.join()
    assert sizes == [1, 2, 1]
    assert not source.truncated


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_standard_input_is_dash(pack: type, tmp_path: Path) -> None:
    program = (
        "from pcapleak.capture import open_capture\n"
        "with open_capture('-') as s: print(sum(map(len, s)), s.size is None, s.problems)"
    )
    piped = subprocess.run(
        [sys.executable, "-c", program], input=pack(CAPTURE), capture_output=True, check=True
    )
    assert piped.stdout.decode().strip() == f"{COUNT} True []"
    path = tmp_path / "file"
    path.write_bytes(pack(CAPTURE))
    with path.open("rb") as file:
        redirected = subprocess.run(
            [sys.executable, "-c", program], stdin=file, capture_output=True, check=True
        )
    assert redirected.stdout.decode().strip() == f"{COUNT} False []"


def test_a_pipe_larger_than_its_window_reads_whole(tmp_path: Path) -> None:
    """80 MB through a pipe: records that cross a window's end are moved, not lost."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    total = 60_000

    def write() -> None:
        with path.open("wb") as pipe:
            pipe.write(pcap_header())
            for i in range(total):
                pipe.write(pcap_record(i.to_bytes(4, "big") * 333))

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    with open_capture(path) as source:
        for batch in source:
            for row in (0, len(batch) - 1):
                start = int(batch.offset[row])
                content = batch.data[start : start + int(batch.captured_length[row])].tobytes()
                assert content == (seen + row).to_bytes(4, "big") * 333
            seen += len(batch)
    writer.join()
    assert seen == total
    assert not source.truncated


MEASURE = r"""
import re, sys
from pathlib import Path
from pcapleak.capture import open_capture
with open_capture(sys.argv[1]) as source:
    packets = sum(map(len, source))
print(packets, int(re.search("VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.parametrize("how", ["file", "pipe"])
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path, how: str) -> None:
    """A capture of 600 MB (mostly a hole: its records are zeros) within 160 MiB."""
    path = tmp_path / "large.pcap"
    size, total = 65_536, 9_000
    with path.open("wb") as file:
        file.write(pcap_header())
        for _ in range(total):
            file.write(pcap_record(b"", original=size)[:8] + size.to_bytes(4, "little") * 2)
            file.seek(size, os.SEEK_CUR)
        file.truncate()
    command = [sys.executable, "-c", MEASURE, str(path) if how == "file" else "-"]
    source = subprocess.Popen(["cat", path], stdout=subprocess.PIPE) if how == "pipe" else None
    done = subprocess.run(
        command, stdin=source.stdout if source else None, capture_output=True, check=True
    )
    if source is not None:
        assert source.stdout is not None
        source.stdout.close()
        source.wait()
    packets, peak_mib = map(int, done.stdout.split())
    assert packets == total
    assert peak_mib < 160


def test_a_pipe_is_read_ahead_and_waited_for() -> None:
    """As Windows needs it: what has come is there at once, what has not is waited for, and the end
    stays the end."""
    reading, writing = os.pipe()
    pipe = stream_module.ReadAhead(FileIO(reading))
    assert not pipe.wait(0)
    os.write(writing, b"abc")
    assert pipe.wait(5)
    assert pipe.read(2) == b"ab"
    assert pipe.wait(0)
    assert pipe.read(2) == b"c"
    threading.Timer(0.1, os.write, (writing, b"d")).start()
    assert pipe.read(2) == b"d"
    os.close(writing)
    assert pipe.wait(5)
    assert [pipe.read(1), pipe.read(1)] == [b"", b""]
    pipe.close()


def test_a_pipe_that_gives_nothing_is_closed_at_once() -> None:
    reading, writing = os.pipe()
    pipe = stream_module.ReadAhead(FileIO(reading))
    start_s = time.monotonic()
    pipe.close()
    assert time.monotonic() - start_s < 1
    os.close(writing)


def test_more_than_is_read_ahead_loses_nothing() -> None:
    reading, writing = os.pipe()
    data = RANDOM.randbytes(1 << 20) * 20
    assert len(data) > stream_module.MAX_AHEAD * stream_module.READ
    with os.fdopen(writing, "wb") as file, stream_module.ReadAhead(FileIO(reading)) as pipe:
        writer = threading.Thread(target=lambda: (file.write(data), file.close()))
        writer.start()
        time.sleep(0.2)
        assert pipe.read() == data
        writer.join()


def test_a_pipe_that_fails_says_so() -> None:
    class Broken(FileIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    reading, writing = os.pipe()
    pipe = stream_module.ReadAhead(Broken(reading))
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error"):
            pipe.read(1)
    pipe.close()
    os.close(writing)
