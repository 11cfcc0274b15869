"""Run pcapleak and every installed peer on the same captures, in turn, and print ratios.

    python bench/compare.py [--rounds 3] [--folder FOLDER] [--packets-scale 1.0] [--results DIR]

Each round runs every program once, so that a slow moment of the machine falls on all alike.
Times are medians of whole processes (start included), memory is the peak resident size of the
process. pcapleak runs the full `analyze --json` with a policy. A peer too slow for a whole file
reads a cut of it, and its time is scaled by packets; such rows are marked. With `--results`
the tables, a picture and the numbers are written to a folder (README.md shows them).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

PACKETS = {"mixed": 1_000_000, "small": 2_000_000, "call": 1_000_000, "pages": 1_000_000}
SCRIPTS = {
    "dpkt, count UDP": """
import sys, dpkt
n = 0
for _, data in dpkt.pcap.UniversalReader(open(sys.argv[1], 'rb')):
    frame = dpkt.ethernet.Ethernet(data)
    n += isinstance(getattr(frame.data, 'data', None), dpkt.udp.UDP)
""",
    "nfstream, no dissection": """
import sys
from nfstream import NFStreamer
n = sum(1 for _ in NFStreamer(source=sys.argv[1], n_dissections=0, n_meters=1))
""",
    "scapy PcapReader": """
import sys
from scapy.utils import PcapReader
import scapy.layers.all
n = sum(1 for _ in PcapReader(sys.argv[1]))
""",
    "pyshark": """
import sys, pyshark
with pyshark.FileCapture(sys.argv[1], keep_packets=False) as capture:
    n = sum(1 for _ in capture)
""",
}
OURS = "pcapleak analyze"
TINY = 0.0
"""Stands for a cut of 100 packets, which shows what starting costs."""
CUT = {"dpkt, count UDP": 0.1, "scapy PcapReader": 0.02, "pyshark": 0.002}


@dataclass
class Row:
    """One program on one capture."""

    name: str
    command: list[str]
    share: float = 1.0
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mib: float = 0.0


def rows(capture: Path, cuts: dict[float, Path]) -> list[Row]:
    """pcapleak first, then the peers this machine has."""
    python = sys.executable
    policy = ["--tunnel", "wg0", "--vpn-endpoint", "198.51.100.40:51820", "--exit-zero"]
    analyze = [python, "-m", "pcapleak", "analyze", *policy, "--json", "-"]
    found = [
        Row(OURS, [*analyze, str(capture)]),
    ]
    if TINY in cuts:
        found.append(Row("pcapleak, 100 packets", [*analyze, str(cuts[TINY])]))
    tshark = ["tshark", "-n", "-r", str(capture)]
    fields = ["-T", "fields", "-e", "frame.number", "-e", "stun.type", "-e", "dns.qry.name"]
    for name, command in (
        ("tshark -Y 'stun||mdns'", [*tshark, "-Y", "stun||mdns", *fields]),
        ("tshark -z conv,udp", [*tshark, "-q", "-z", "conv,udp"]),
        ("ndpiReader -i", ["ndpiReader", "-q", "-i", str(capture)]),
        ("tcpdump, filter", ["tcpdump", "-n", "-r", str(capture), "-w", "/dev/null",
                             "udp port 3478"]),
        ("capinfos -c", ["capinfos", "-c", str(capture)]),
        ("cat", ["cat", str(capture)]),
    ):  # fmt: skip
        if shutil.which(command[0]):
            found.append(Row(name, command))
    for name, script in SCRIPTS.items():
        module = name.split()[0].strip(",")
        probe = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
        if probe.returncode == 0:
            share = CUT.get(name, 1.0)
            path = cuts.get(share, capture)
            found.append(Row(name, [python, "-c", script, str(path)], share))
    return found


def measure(row: Row) -> None:
    """Run once; wall seconds scaled to the whole capture, and the peak of the process tree."""
    # An installed program is compiled; without this a shell that forbids it compiles each time.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            row.command, stdout=subprocess.DEVNULL, stderr=errors, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(row.command)}: {errors.read().decode()[-500:]}")
    row.seconds.append(elapsed / row.share)
    row.cpu_s.append((usage.ru_utime + usage.ru_stime) / row.share)
    row.peak_mib = max(row.peak_mib, usage.ru_maxrss / 1024)


def cut(capture: Path, share: float, packets: int) -> Path:
    """The first packets of a capture, by editcap; the first 100 for `TINY`."""
    last = 100 if share == TINY else int(packets * share)
    target = capture.with_name(f"{capture.stem}-{share:g}.pcap")
    subprocess.run(
        ["editcap", "-F", "pcap", "-r", str(capture), str(target), f"1-{last}"],
        check=True,
    )
    return target


def compare(profile: str, folder: Path, rounds: int, scale: float) -> list[Row]:
    packets = int(PACKETS[profile] * scale)
    capture = folder / f"{profile}.pcap"
    truth = folder / f"{profile}.truth.json"
    if not truth.exists() or json.loads(truth.read_text())["packets"] != packets:
        # In a process of its own: a child's peak counts from what its parent held when forking.
        script = Path(__file__).with_name("generate.py")
        subprocess.run(
            [sys.executable, str(script), profile, str(packets), str(folder)], check=True
        )
    cuts = {}
    if shutil.which("editcap"):
        cuts = {share: cut(capture, share, packets) for share in {TINY, *CUT.values()}}
    found = rows(capture, cuts)
    for _ in range(rounds):
        for row in found:
            measure(row)
    return found


def table(profile: str, packets: int, found: list[Row]) -> str:
    ours, our_cpu_s = median(found[0].seconds), median(found[0].cpu_s)
    lines = [
        f"{profile}: {packets:,} packets",
        f"{'program':28} {'seconds':>9} {'of ours':>9} {'CPU s':>9} {'of ours':>9} {'peak MiB':>9}",
    ]
    for row in found:
        mark = f"  (a cut of {row.share:.1%}, scaled)" if row.share < 1 else ""
        seconds, cpu_s = median(row.seconds), median(row.cpu_s)
        lines.append(
            f"{row.name:28} {seconds:9.2f} {seconds / ours:9.2f} {cpu_s:9.2f} "
            f"{cpu_s / our_cpu_s:9.2f} {row.peak_mib:9.0f}{mark}"
        )
    return "\n".join(lines)


def markdown(profile: str, packets: int, found: list[Row]) -> str:
    """The same as a table of a page."""
    ours, our_cpu_s = median(found[0].seconds), median(found[0].cpu_s)
    lines = [
        f"## {profile}: {packets:,} packets",
        "",
        "| program | seconds | times ours | CPU seconds | times ours | peak MiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in found:
        seconds, cpu_s = median(row.seconds), median(row.cpu_s)
        name = f"{row.name} (a cut of {row.share:.1%}, scaled)" if row.share < 1 else row.name
        lines.append(
            f"| {name} | {seconds:.2f} | {seconds / ours:.2f} | {cpu_s:.2f} | "
            f"{cpu_s / our_cpu_s:.2f} | {row.peak_mib:.0f} |"
        )
    return "\n".join([*lines, ""])


def picture(measured: dict[str, list[Row]], target: Path) -> None:
    """Seconds of each program, on a logarithmic scale, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "pcapleak"
    from matplotlib import pyplot as plt

    lines = (len(measured) + 1) // 2
    figure, axes = plt.subplots(lines, 2, figsize=(11, 3.6 * lines), layout="constrained")
    for axis, (profile, found) in zip(axes.flat, measured.items(), strict=True):
        shown = sorted(
            (row for row in found if "100 packets" not in row.name),
            key=lambda row: -median(row.seconds),
        )
        seconds = [median(row.seconds) for row in shown]
        colours = ["#c0392b" if row.name.startswith("pcapleak") else "#8899aa" for row in shown]
        bars = axis.barh([row.name for row in shown], seconds, color=colours)
        axis.bar_label(bars, [f"{value:.2f} s" for value in seconds], padding=3, fontsize=8)
        axis.set(xscale="log", title=profile)
        axis.margins(x=0.2)
        axis.tick_params(labelsize=8)
    figure.savefig(target, metadata={"Date": None})


def write(measured: dict[str, list[Row]], scale: float, rounds: int, folder: Path) -> None:
    """`comparison.md`, `comparison.svg` and `comparison.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    head = [
        "# Comparison",
        "",
        "Made by `make bench`: medians of whole processes, start included, "
        f"{rounds} rounds in turn, warm page cache, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} at the end.",
        "pcapleak runs the full `analyze --json` with a policy.",
        "",
        "![seconds](comparison.svg)",
        "",
    ]
    tables = [markdown(name, int(PACKETS[name] * scale), found) for name, found in measured.items()]
    (folder / "comparison.md").write_text("\n".join([*head, *tables]), encoding="utf-8")
    numbers = {
        profile: {
            row.name: {
                "seconds": row.seconds,
                "cpu_s": row.cpu_s,
                "peak_mib": row.peak_mib,
                "share": row.share,
            }
            for row in found
        }
        for profile, found in measured.items()
    }
    (folder / "comparison.json").write_text(json.dumps(numbers, indent=1) + "\n")
    try:
        picture(measured, folder / "comparison.svg")
    except ImportError:
        print("no picture: matplotlib is not installed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "pcapleak-bench"
    )
    parser.add_argument("--packets-scale", type=float, default=1.0)
    parser.add_argument("--results", type=Path)
    chosen = parser.parse_args()
    measured = {}
    for profile in PACKETS:
        found = compare(profile, chosen.folder, chosen.rounds, chosen.packets_scale)
        print(table(profile, int(PACKETS[profile] * chosen.packets_scale), found), end="\n\n")
        measured[profile] = found
    if chosen.results:
        write(measured, chosen.packets_scale, chosen.rounds, chosen.results)


if __name__ == "__main__":
    main()
