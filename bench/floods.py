"""Captures made to be slow: CPU and memory of each flood, four and sixteen times as large, and of
files that are small and say much.

    python bench/floods.py > bench/results/floods.md

What is linear costs as much a packet in all three. The floods are those of
tests/support/floods.py; each runs in a process of its own.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent.parent / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

import floods  # noqa: E402
from capture_files import Pcapng  # noqa: E402
from test_hostile import colliding  # noqa: E402

from pcapleak.track.flows.index import FlowIndex  # noqa: E402

SIZES = (62_500, 250_000, 1_000_000)

LAB = SUPPORT.parents[1] / "captures" / "signalling-tls.pcapng"


def flood(kind: str, total: int) -> tuple[float, int]:
    """CPU seconds and the most megabytes of one flood's analysis."""
    command = [sys.executable, str(SUPPORT / "floods.py"), kind, str(total)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return told["seconds"], told["megabytes"]


def collisions(total: int) -> float:
    """CPU seconds to put flow keys into the index that collide in a hash without a secret."""
    keys = colliding(total)
    start = time.process_time()
    index = FlowIndex()
    index.add(index.hash(keys), keys)
    return time.process_time() - start


def bombs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Small files that say much, by what they do."""
    build = Pcapng()
    long, many = folder / "long.pcapng.gz", folder / "many.pcapng.gz"
    for path, count, size in ((long, 4000, 60_000), (many, 65_536, 60)):
        said = [(2, b"n" * size), (3, b"d" * size)]
        with gzip.open(path, "wb", 6) as file:
            file.write(build.section())
            for _ in range(count):
                file.write(build.interface(1, 0, *said))
            file.write(build.packet(bytes(60)))
        yield f"{count:,} interfaces with names of {size:,} bytes", path
    yield "keys that open TLS", LAB


def analysis(path: Path) -> tuple[float, float, int, int]:
    """CPU and clock seconds and the most megabytes of one process of `pcapleak analyze`, its
    children's included, and the kilobytes it wrote."""
    command = [sys.executable, "-m", "pcapleak", "analyze", str(path), "--json", "-", "--exit-zero"]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out, subprocess.Popen(command, stdout=out) as process:
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        lasted = time.perf_counter() - start
        size = out.seek(0, os.SEEK_END)
    return used.ru_utime + used.ru_stime, lasted, used.ru_maxrss >> 10, size >> 10


def main() -> None:
    print("# Floods\n")
    print("Made by `python bench/floods.py`: nanoseconds of CPU a packet, and megabytes held.\n")
    print(f"| every packet has another | {' | '.join(f'{size:,}' for size in SIZES)} | MB |")
    print("|---|---:|---:|---:|---:|")
    for kind, made in floods.FLOODS.items():
        runs = [flood(kind, size) for size in SIZES]
        what = (made.__doc__ or kind).partition("\n")[0].rstrip(".")
        each = [
            f"{seconds / size * 1e9:,.0f}" for (seconds, _), size in zip(runs, SIZES, strict=True)
        ]
        print(f"| {kind}: {what} | {' | '.join(each)} | {runs[-1][1]} |", flush=True)
    few, many = (collisions(total) / total * 1e9 for total in (1 << 14, 1 << 16))
    print("\nFlow keys built to collide in a fixed hash, nanoseconds each to put into the index:")
    print(f"{few:,.0f} for {1 << 14:,}, {many:,.0f} for {1 << 16:,}.\n")
    print("| a file with | kB | CPU s | s | MB | kB of report |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for what, path in bombs(Path(folder)):
            cpu, lasted, megabytes, written = analysis(path)
            size = path.stat().st_size >> 10
            print(f"| {what} | {size} | {cpu:.1f} | {lasted:.1f} | {megabytes} | {written} |")


if __name__ == "__main__":
    main()
