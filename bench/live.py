"""The rate at which a watch begins to lose packets, with peers beside it (root, Linux).

    python bench/live.py [--seconds 10] [--rates 100 300 500 800 1000] [--only NAME ...]
                         [--profile mixed|small] [--new-flows 0.4] [--realtime] [--json PATH]

Two network namespaces are joined by a veth pair. A sender pinned to CPU 0 replays mixed
traffic (frames of `bench/generate.py`) through sendmmsg(2) at each rate; the receiver is pinned
to CPU 1 and judges by a policy while it listens. Lost is what the receiver's interface counted
and the receiver did not. A receiver that loses 1 % is not run at the rates above. There is no
network card here: figures are bounds of the receivers' own work.

The frames come over and over, so that after the first round no flow is new; with --new-flows that
share of them has another sender in every round.

With --realtime both have real-time priority, so that what else the machine does is not
measured. Their children have not: it says nothing of receivers that are two programs.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from generate import generate
from numpy.typing import NDArray

from pcapleak import open_capture

FRAMES = 200_000
BURST = 64
PROXY = "socks5://198.51.100.30:1080"
RECEIVER, SENDER = f"bench-r-{os.getpid()}", f"bench-s-{os.getpid()}"
PACKET_QDISC_BYPASS = 20
GIVE_UP = 0.01

SCAPY = """
import signal, sys
from scapy.all import AsyncSniffer
count = 0
def take(packet):
    global count
    count += 1
sniffer = AsyncSniffer(iface="r0", prn=take, store=False)
sniffer.start()
print("listening", file=sys.stderr, flush=True)
signal.sigwait({signal.SIGINT})
sniffer.stop()
print(count)
"""

MESSAGE = np.dtype(
    [
        ("name", "u8"),
        ("name_length", "u8"),
        ("vector", "u8"),
        ("vectors", "u8"),
        ("control", "u8"),
        ("control_length", "u8"),
        ("flags", "u8"),
        ("sent", "u8"),
    ]
)
"""struct mmsghdr of 64-bit Linux, its paddings included."""


@dataclass
class Run:
    """One receiver at one rate."""

    receiver: str
    wanted: int
    """Packets a second."""
    rate: int
    """What the sender achieved."""
    packets: int
    taken: int
    cpu_s: float
    """What the receiver and its children used, start and report included."""

    @property
    def lost(self) -> float:
        """The share that was lost."""
        return max(0, self.packets - self.taken) / max(1, self.packets)


class Frames:
    """The frames of a capture in one buffer."""

    def __init__(self, path: Path, new: float) -> None:
        parts: list[NDArray[np.uint8]] = []
        with open_capture(path) as source:
            for batch in source:
                parts += [
                    batch.data[start : start + size]
                    for start, size in zip(batch.offset, batch.captured_length, strict=True)
                ]
        self.size = np.array([len(part) for part in parts])
        self.start = np.cumsum(self.size) - self.size
        self.data = np.concatenate(parts)
        plain = np.flatnonzero(self._word(12) == 0x0800)
        chosen = np.linspace(0, len(plain), int(new * len(parts)), endpoint=False, dtype=int)
        self._fresh = self.start[plain[chosen]]
        """Where those begin whose senders are to be new."""
        self._renewed = 0

    def renew(self) -> None:
        """Give these senders that none had before: the last three bytes of their addresses."""
        numbers = self._renewed + np.arange(len(self._fresh))
        self._renewed += len(self._fresh)
        for place in range(3):
            self.data[self._fresh + 27 + place] = numbers >> 8 * (2 - place) & 0xFF

    def _word(self, at: int) -> NDArray[np.int64]:
        return self.data[self.start + at] * np.int64(256) + self.data[self.start + at + 1]


def send(path: Path, rate: int, seconds: float, new: float) -> int:
    """Replay the frames of a capture on s0 at a rate, over and over; gives the packets sent."""
    frames = Frames(path, new)
    messages = np.zeros(len(frames.size), MESSAGE)
    vectors = np.stack((frames.data.ctypes.data + frames.start, frames.size), axis=1)
    vectors = vectors.astype(np.uint64)
    messages["vector"] = vectors.ctypes.data + 16 * np.arange(len(messages), dtype=np.uint64)
    messages["vectors"] = 1
    libc = ctypes.CDLL(None, use_errno=True)
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    out.setsockopt(263, PACKET_QDISC_BYPASS, 1)
    out.bind(("s0", 0))
    start, place, sent = time.monotonic(), 0, 0
    while True:
        passed = time.monotonic() - start
        if passed >= seconds:
            return sent
        burst = min(BURST, int(passed * rate) - sent, len(messages) - place)
        if burst <= 0:
            continue
        done = libc.sendmmsg(
            out.fileno(), ctypes.c_void_p(messages.ctypes.data + place * 64), burst, 0
        )
        if done > 0:
            sent += done
            place = (place + done) % len(messages)
            if place == 0:
                frames.renew()


def namespaces() -> None:
    """Two of them, joined; nothing but the sender speaks."""
    ends = f"r0 netns {RECEIVER} mtu 9000 type veth peer name s0 netns {SENDER} mtu 9000"
    commands = [f"netns add {RECEIVER}", f"netns add {SENDER}", f"link add {ends}"]
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)
    for name, device in ((RECEIVER, "r0"), (SENDER, "s0")):
        inside(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        inside(name, "ip", "link", "set", device, "up")


def inside(name: str, *command: str) -> str:
    return subprocess.run(
        ["ip", "netns", "exec", name, *command], check=True, capture_output=True, text=True
    ).stdout


def received() -> int:
    return int(inside(RECEIVER, "cat", "/sys/class/net/r0/statistics/rx_packets"))


def live(*options: str) -> tuple[list[str], str, Callable[[str, str], int]]:
    command = [sys.executable, "-m", "pcapleak", "live", "--iface", "r0", "--proxy", PROXY,
               "--plain", "--json", "-", *options]  # fmt: skip
    return command, "watching", live_count


def live_count(out: str, _: str) -> int:
    """Packets that were judged, and recorded where that was asked for."""
    report = json.loads(out)
    missed = re.search(r"--record: (\d+) packets", " ".join(report["captures"][0]["problems"]))
    return int(report["statistics"]["packets"]) - (int(missed[1]) if missed else 0)


def tshark_count(out: str, _: str) -> int:
    """All it dissected, as its statistics say: what it prints of itself is what it displayed."""
    return sum(map(int, re.findall(r"<>[^|]*\|\s*(\d+) \|", out)))


def dumpcap_count(_: str, error: str) -> int:
    return int(re.findall(r"Packets captured: (\d+)", error)[-1])


RECEIVERS: dict[str, tuple[list[str], str, Callable[[str, str], int]]] = {
    "pcapleak live": live(),
    "pcapleak live --record": live("--record", "RECORD"),
    "pcapleak live --via dumpcap": live("--via", "dumpcap"),
    "pcapleak live --via tcpdump": live("--via", "tcpdump"),
    "pcapleak live --via scapy": live("--via", "scapy"),
    "dumpcap": (["dumpcap", "-q", "-i", "r0", "-w", "RECORD"], "File:", dumpcap_count),
    "scapy AsyncSniffer": (
        [sys.executable, "-c", SCAPY],
        "listening",
        lambda out, _: int(out.split()[-1]),
    ),
    "tshark -Y 'stun || mdns'": (
        [
            "tshark",
            "-n",
            "-i",
            "r0",
            "-Y",
            "stun || mdns",
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-z",
            "io,stat,0",
        ],
        "Capturing on",
        tshark_count,
    ),
}


def measure(
    name: str, capture: Path, rate: int, seconds: float, new: float, first: list[str]
) -> Run:
    command, ready, count = RECEIVERS[name]
    with tempfile.TemporaryDirectory() as folder:
        command = [part.replace("RECORD", f"{folder}/recorded") for part in command]
        with Path(folder, "out").open("w+") as out, Path(folder, "err").open("w+") as error:
            process = subprocess.Popen(
                ["ip", "netns", "exec", RECEIVER, *first, "taskset", "-c", "1", *command],
                stdout=out, stderr=error,
            )  # fmt: skip
            deadline = time.monotonic() + 30
            while ready not in Path(error.name).read_text():
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{name} did not start: {Path(error.name).read_text()}")
                time.sleep(0.1)
            time.sleep(1)
            start = received()
            sent = subprocess.run(
                ["ip", "netns", "exec", SENDER, *first, "taskset", "-c", "0", sys.executable,
                 __file__, "--send", str(capture), str(rate), str(seconds), str(new)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            packets = received() - start
            before_s = os.times()
            time.sleep(2)
            process.send_signal(signal.SIGINT)
            process.wait(60)
            after_s = os.times()
            taken = count(Path(out.name).read_text(), Path(error.name).read_text())
    cpu_s = (after_s.children_user + after_s.children_system) - (
        before_s.children_user + before_s.children_system
    )
    return Run(name, rate, int(int(sent.stdout) / seconds), packets, taken, round(cpu_s, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rates", type=int, nargs="+", default=[5, 50, 100, 300, 500, 800, 1000])
    parser.add_argument("--only", nargs="+", default=list(RECEIVERS))
    parser.add_argument("--profile", default="mixed", help="of bench/generate.py")
    parser.add_argument("--new-flows", type=float, default=0.0, help="share of packets")
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--send", nargs="+", metavar="CAPTURE RATE SECONDS [NEW]")
    arguments = parser.parse_args()
    if arguments.send:
        path, rate, seconds, *new = arguments.send
        print(send(Path(path), int(rate), float(seconds), float(*new or "0")))
        return
    first = ["chrt", "-r", "1"] if arguments.realtime else []
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        capture = generate(arguments.profile, FRAMES, Path(folder))
        namespaces()
        try:
            print("receiver                         wanted    sent   packets     lost  cpu s")
            for name in arguments.only:
                if shutil.which(RECEIVERS[name][0][0]) is None:
                    continue
                for rate in arguments.rates:
                    new = arguments.new_flows
                    run = measure(name, capture, rate * 1000, arguments.seconds, new, first)
                    runs.append(run)
                    print(
                        f"{name:28} {rate:5} kpps {run.rate / 1000:7.0f} "
                        f"{run.packets:9,} {run.lost:8.3%} {run.cpu_s:6.1f}",
                        flush=True,
                    )
                    if run.lost > GIVE_UP:
                        break
        finally:
            for name in (RECEIVER, SENDER):
                subprocess.run(["ip", "netns", "del", name], check=False)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(run) for run in runs], indent=2) + "\n")


if __name__ == "__main__":
    main()
