"""Captures made to be slow: CPU and memory of each flood, four and sixteen times as large, and of
files that are small and say much.

    python bench/floods.py > bench/results/floods.md

What is linear costs as much a packet in all three. The floods are those of
tests/support/floods.py; each runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent.parent / "tests" / "support"
sys.path[:0] = [str(SUPPORT), str(SUPPORT.parent / "pipeline")]

import floods  # noqa: E402
from bombs import analysis, bombs  # noqa: E402
from test_hostile import colliding  # noqa: E402

from pcapleak.track.flows.index import FlowIndex  # noqa: E402

SIZES = (62_500, 250_000, 1_000_000)


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
            cost = analysis(path)
            size = path.stat().st_size >> 10
            spent = f"{cost.cpu_s:.1f} | {cost.lasted_s:.1f} | {cost.megabytes}"
            print(f"| {what} | {size} | {spent} | {cost.written} |")


if __name__ == "__main__":
    main()
