"""``python -m captures.lab [--output FOLDER] [NAME...]``: record scenarios, all by default."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from . import SCENARIOS, LabError, record
from .recording import Scenario, judge_again


def main() -> int:
    """Do what was asked for; 0 if all of it worked."""
    parser = argparse.ArgumentParser(prog="captures.lab", description="Record scenarios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenario (default: all)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--list", action="store_true", help="print the table of the scenarios")
    parser.add_argument(
        "--judge", action="store_true", help="work out the answer keys anew, without recording"
    )
    arguments = parser.parse_args()
    known = {scenario.name: scenario for scenario in SCENARIOS}
    names = arguments.names or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(known)}")
    if arguments.list:
        print("\n".join(_row(known[name]) for name in names))
        return 0
    if arguments.judge:
        for name in names:
            judge_again(known[name], arguments.output)
        return 0
    if os.geteuid() != 0:
        print("the lab builds network namespaces: run it as root", file=sys.stderr)
        return 2
    # A polite end of this process cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = [name for name in names if not _record(name, arguments.output)]
    return 1 if failed else 0


def _record(name: str, output: Path) -> bool:
    start = time.monotonic()
    try:
        paths = record(name, output)
    except LabError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    took = time.monotonic() - start
    print(f"{name}: {paths.capture.stat().st_size} bytes in {took:.1f} s", flush=True)
    return True


def _row(scenario: Scenario) -> str:
    """A line of the table in ``captures/README.md``."""
    policy = " ".join(
        f"`--{option.replace('_', '-')} {value}`" for option, value in scenario.policy.items()
    )
    expect = scenario.expect
    said = []
    if "leak" in expect:
        said.append("**leak**" if expect["leak"] else "no leak")
    said += [f"`{address}`" for address in expect.get("exposed_addresses", ())]
    if expect.get("mode"):
        said.append(f"mode {expect['mode']}")
    said += expect.get("findings", ())
    return (
        f"| [{scenario.name}]({scenario.name}.pcapng) | {scenario.summary} | "
        f"{policy or 'none'} | {', '.join(said) or 'nothing'} |"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
