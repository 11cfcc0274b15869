"""Memory of `pcapleak analyze` on a 2 GB capture, given as a file and through a pipe.

    python bench/memory.py [GIGABYTES]

The capture is made by bench/generate.py (most of it one client's usual traffic) in a temporary
folder and deleted afterwards. Printed are the peak resident set and the time; the exit status
is 1 where one run took more than 300 MB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_MB = 300
BYTES_A_PACKET = 1083
"""Of the generator's mixed traffic."""


def peak(arguments: list[str], stdin: Path | None) -> tuple[float, float]:
    """Peak resident megabytes and seconds of one run."""
    command = [sys.executable, "-m", "pcapleak", "analyze", "--quiet", "--exit-zero", *arguments]
    feeder = None
    if stdin is not None:
        feeder = subprocess.Popen(["cat", str(stdin)], stdout=subprocess.PIPE)
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=feeder.stdout if feeder else subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    if feeder and feeder.stdout:
        feeder.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    if feeder:
        feeder.wait()
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return usage.ru_maxrss / 1024, time.perf_counter() - start


def main() -> None:
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    within = True
    with tempfile.TemporaryDirectory(prefix="pcapleak-memory-") as scratch:
        packets = int(gigabytes * 2**30 / BYTES_A_PACKET)
        # Not in this process: a child's peak begins with what its parent held.
        generator = Path(__file__).with_name("generate.py")
        command = [sys.executable, str(generator), "mixed", str(packets), scratch]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        capture = Path(scratch) / "mixed.pcap"
        print(f"{capture.stat().st_size / 2**30:.2f} GB, {packets} packets")
        for name, arguments, stdin in (
            ("file", [str(capture)], None),
            ("pipe", ["-"], capture),
        ):
            megabytes, seconds = peak(arguments, stdin)
            within &= megabytes <= LIMIT_MB
            print(f"{name}: {megabytes:.0f} MB resident at the most, {seconds:.1f} s")
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
