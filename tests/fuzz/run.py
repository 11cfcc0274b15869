"""Fuzz every target for a while and print what came of it.

    python tests/fuzz/run.py --seconds 60 --jobs 2 [TARGET...]

Starts from `corpus/TARGET.txt` (one input a line, in hexadecimal). An input that crashes is
written to `crashers/TARGET.txt`, which the tests replay ever after; the exit status is then 1.
With `--keep` the corpus is written anew, from the inputs that reached something new.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from targets import TARGETS

HERE = Path(__file__).resolve().parent
CORPUS, CRASHERS = HERE / "corpus", HERE / "crashers"
MAX_KEPT, MAX_LENGTH = 60, 2048
TIMEOUT_S = 25
"""An input that takes longer is a crash; instrumented code is several times slower."""
ROUND_S = 60
MEMORY_MB, ALLOCATION_MB = 3000, 512
"""What a process, and one allocation, may take."""
DEEP = ("stun-shaped", "mdns-shaped", "streams", "pipeline", "redact")
"""Targets whose inputs are recipes: long ones from the beginning."""


class Result(NamedTuple):
    target: str
    executions: int
    inputs: int
    megabytes: int
    crashes: int
    output: str


def inputs(path: Path) -> list[bytes]:
    """The inputs of a corpus file."""
    if not path.exists():
        return []
    return [bytes.fromhex(line) for line in path.read_text().split()]


def fuzz(target: str, seconds: int, seed: int, *, keep: bool) -> Result:
    """Fuzz one target in processes of its own, each for a while: atheris leaks."""
    with tempfile.TemporaryDirectory() as scratch:
        found, seeds = Path(scratch) / "found", Path(scratch) / "seeds"
        found.mkdir()
        seeds.mkdir()
        for number, data in enumerate(inputs(CORPUS / f"{target}.txt")):
            (seeds / f"{number:04}").write_bytes(data)
        executions = megabytes = crashes = 0
        output = ""
        while seconds > 0 and not crashes:
            done = _run(target, min(seconds, ROUND_S), seed, found, seeds)
            seed += seed > 0
            output = done.stderr + done.stdout
            executions += _stat(output, "number_of_executed_units")
            megabytes = max(megabytes, _stat(output, "peak_rss_mb"))
            crashes = _crashes(target, Path(scratch)) or int(done.returncode != 0)
            seconds -= ROUND_S
        if keep and not crashes:
            _keep(target, found, seeds)
        new = len(list(found.iterdir()))
        return Result(target, executions, new, megabytes, crashes, output[-3000:])


def _run(
    target: str, seconds: int, seed: int, found: Path, seeds: Path
) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, str(HERE / "one.py"), target, str(found), str(seeds),
        f"-max_total_time={seconds}", f"-max_len={MAX_LENGTH}", f"-timeout={TIMEOUT_S}",
        f"-artifact_prefix={found.parent}/", f"-seed={seed}", "-print_final_stats=1",
        f"-rss_limit_mb={MEMORY_MB}", f"-malloc_limit_mb={ALLOCATION_MB}",
    ]  # fmt: skip
    if target in DEEP:
        command.append("-len_control=0")
    # One order of sets and one seed give one sequence of inputs; only its length is the machine's.
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)} if seed else None
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _stat(output: str, name: str) -> int:
    found = re.search(rf"stat::{name}: *(\d+)", output)
    return int(found[1]) if found else 0


def _crashes(target: str, scratch: Path) -> int:
    """Keep what crashed; gives how many."""
    kinds = ("crash", "timeout", "oom")
    crashes = [path.read_bytes() for kind in kinds for path in scratch.glob(f"{kind}-*")]
    if crashes:
        CRASHERS.mkdir(exist_ok=True)
        with (CRASHERS / f"{target}.txt").open("a") as file:
            file.writelines(f"{data.hex()}\n" for data in crashes)
    return len(crashes)


def _keep(target: str, *folders: Path) -> None:
    """Write the corpus anew: all that reached something new, or where that is too much some of
    every length."""
    found = {path.read_bytes() for folder in folders for path in folder.iterdir()} - {b""}
    ranked = sorted(found, key=lambda data: (len(data), data))
    step = max(len(ranked) / MAX_KEPT, 1)
    kept = [ranked[int(number * step)] for number in range(min(len(ranked), MAX_KEPT))]
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / f"{target}.txt").write_text("".join(f"{data.hex()}\n" for data in kept))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("targets", nargs="*", default=[*TARGETS])
    options = parser.parse_args()
    total = crashed = 0
    heads = f"{'executions':>12}{'a second':>10}{'new inputs':>12}{'MB':>6}{'crashes':>9}"
    sys.stdout.write(f"{'target':<14}{heads}\n")
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(
            lambda target: fuzz(target, options.seconds, options.seed, keep=options.keep),
            options.targets,
        ):
            name, executions, new, megabytes, crashes, output = result
            each = executions // options.seconds
            sys.stdout.write(
                f"{name:<14}{executions:>12,}{each:>10,}{new:>12,}{megabytes:>6}{crashes:>9}\n"
            )
            sys.stdout.flush()
            if crashes:
                sys.stdout.write(output)
            total += executions
            crashed += crashes
    sys.stdout.write(f"{'in all':<14}{total:>12,}{'':>28}{crashed:>9}\n")
    return 1 if crashed else 0


if __name__ == "__main__":
    sys.exit(main())
