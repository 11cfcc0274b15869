"""Captures that are small and say much, and what their analysis takes."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from capture_files import SECRETS, Pcapng

from pcapleak.capture.decrypted import MAX_KEYS

LAB = Path(__file__).resolve().parents[2] / "captures" / "signalling-tls.pcapng"
TLS_KEYS = 0x544C534B


class Cost(NamedTuple):
    """Of one process of `pcapleak analyze`."""

    cpu_s: float
    """Its children's included."""
    lasted_s: float
    megabytes: int
    written: int
    """Kilobytes of report."""
    report: bytes


def _interfaces(path: Path, count: int, size: int) -> None:
    build = Pcapng()
    said = [(2, b"n" * size), (3, b"d" * size)]
    with gzip.open(path, "wb", 6) as file:
        file.write(build.section())
        for _ in range(count):
            file.write(build.interface(1, 0, *said))
        file.write(build.packet(bytes(60)))


def long_names(path: Path) -> None:
    """4,000 interfaces with names of 60,000 bytes"""
    _interfaces(path, 4000, 60_000)


def many_names(path: Path) -> None:
    """65,536 interfaces with names of 60 bytes"""
    _interfaces(path, 65_536, 60)


def keys(path: Path) -> None:
    """keys that open TLS"""
    path.write_bytes(LAB.read_bytes())


def no_keys(path: Path) -> None:
    """a block of keys without any, before TLS"""
    _with_secrets(path, b"#hello\n")


def colliding_keys(path: Path) -> None:
    """as many useless keys as are read, which have one hash in tshark, before TLS"""
    _with_secrets(path, colliding(MAX_KEYS - 1000))


def too_many_keys(path: Path) -> None:
    """twice as many"""
    _with_secrets(path, colliding(2 * MAX_KEYS))


def colliding(count: int) -> bytes:
    """Lines of keys that tshark has one hash for: the sum of a random's words without carries."""
    return b"".join(
        b"CLIENT_RANDOM %s %s\n" % (bytes(number.to_bytes(4, "big") * 2 + bytes(24)).hex().encode(),
                                    b"5" * 96)
        for number in range(count)
    )  # fmt: skip


def _with_secrets(path: Path, text: bytes) -> None:
    block = Pcapng().block(SECRETS, struct.pack("<II", TLS_KEYS, len(text)) + text)
    data = LAB.read_bytes()
    (size,) = struct.unpack_from("<I", data, 4)
    path.write_bytes(data[:size] + block + data[size:])


BOMBS: tuple[Callable[[Path], None], ...] = (
    long_names, many_names, keys, no_keys, colliding_keys, too_many_keys,
)  # fmt: skip


def bombs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each of them, by what it has."""
    for make in BOMBS:
        path = folder / f"{make.__name__}.pcapng"
        make(path)
        yield make.__doc__ or make.__name__, path


MEASURE = """
import json, os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss >> 10], sys.stdout)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def analysis(path: Path) -> Cost:
    """Analyze a capture in a process of its own. A small process starts and measures it: a
    child's peak is told as no less than what its parent held."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pcapleak", "analyze", str(path), "--json", str(report)]
        measured = subprocess.run(
            [sys.executable, "-c", MEASURE, *command, "--exit-zero", "-q"],
            stdout=subprocess.PIPE,
            check=True,
        )
        lasted = time.perf_counter() - start
        written = report.read_bytes()
    cpu, megabytes = json.loads(measured.stdout)
    return Cost(cpu, lasted, megabytes, len(written) >> 10, written)
