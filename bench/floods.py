"""Captures made to be slow: CPU and memory of each flood, small and ten times as large.

    python bench/floods.py > bench/results/floods.md

What is linear costs as much a packet in both. The floods are those of tests/floods.py; each runs
in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

import floods  # noqa: E402
from test_hostile import colliding  # noqa: E402

from pcapleak.track.flows.index import FlowIndex  # noqa: E402

SMALL, LARGE = 100_000, 1_000_000


def flood(kind: str, total: int) -> tuple[float, int]:
    """CPU seconds and the most megabytes of one flood's analysis."""
    command = [sys.executable, str(TESTS / "floods.py"), kind, str(total)]
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
    print(f"| every packet has another | {SMALL:,} | {LARGE:,} | MB |")
    print("|---|---:|---:|---:|")
    for kind, made in floods.FLOODS.items():
        small, _ = flood(kind, SMALL)
        large, megabytes = flood(kind, LARGE)
        what = (made.__doc__ or kind).partition("\n")[0].rstrip(".")
        cells = f"{small / SMALL * 1e9:,.0f} | {large / LARGE * 1e9:,.0f} | {megabytes}"
        print(f"| {kind}: {what} | {cells} |", flush=True)
    few, many = (collisions(total) / total * 1e9 for total in (1 << 14, 1 << 16))
    print("\nFlow keys built to collide in a fixed hash, nanoseconds each to put into the index:")
    print(f"{few:,.0f} for {1 << 14:,}, {many:,.0f} for {1 << 16:,}.")


if __name__ == "__main__":
    main()
