"""``python -m captures.lab [--output FOLDER] [NAME...]``: record scenarios, all by default."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from . import SCENARIOS, LabError, record


def main() -> int:
    """Record what was asked for; 0 if all of it worked."""
    parser = argparse.ArgumentParser(prog="captures.lab", description="Record scenarios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenario (default: all)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    arguments = parser.parse_args()
    if arguments.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:18} {scenario.summary}")
        return 0
    if os.geteuid() != 0:
        print("the lab builds network namespaces: run it as root", file=sys.stderr)
        return 2
    # A polite end of this process cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = 0
    for name in arguments.names or [scenario.name for scenario in SCENARIOS]:
        start = time.monotonic()
        try:
            paths = record(name, arguments.output)
        except LabError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed += 1
            continue
        took = time.monotonic() - start
        print(f"{name}: {paths.capture.stat().st_size} bytes in {took:.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
