"""Recordings of real browsers, damaged in five ways, and what becomes of their verdicts.

python tests/support/mutations.py       the page docs/mutations.md
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace
from places import ROOT

import pcapleak
from pcapleak.capture import PcapngWriter, open_capture
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document
from pcapleak.values.packets import Interface

CAPTURES = sorted((ROOT / "captures").glob("*.pcapng"))
SEEDS = range(2)

Packet = tuple[int, int, bytes, int]
"""Interface, time, data, original length."""


def packets_of(path: Path) -> tuple[list[Interface], list[Packet]]:
    packets: list[Packet] = []
    with open_capture(path) as capture:
        for batch in capture:
            for i in range(len(batch)):
                start = int(batch.offset[i])
                data = batch.data[start : start + int(batch.captured_length[i])].tobytes()
                original = int(batch.original_length[i])
                packets.append((int(batch.interface[i]), int(batch.ts_ns[i]), data, original))
        interfaces = [replace(interface) for interface in capture.interfaces]
    return interfaces, packets


class Run(NamedTuple):
    """One recording damaged once."""

    kind: str
    capture: str
    before: str
    after: str
    why: str | None
    """Why the verdict may be another one; None where nothing explains it."""

    @property
    def same(self) -> bool:
        return self.before == self.after


def flip(packets: list[Packet], chance: random.Random) -> list[Packet]:
    """One bit in every twentieth packet."""
    made = []
    for interface, ts_ns, data, original in packets:
        if data and not chance.randrange(20):
            at = chance.randrange(len(data))
            data = data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
        made.append((interface, ts_ns, data, original))
    return made


def duplicate(packets: list[Packet], chance: random.Random) -> list[Packet]:
    """Every tenth packet twice."""
    return [packet for packet in packets for _ in range(1 + (not chance.randrange(10)))]


def reorder(packets: list[Packet], chance: random.Random) -> list[Packet]:
    """Packets up to five places from where they were, as cards with several queues write them."""
    places = [(number + chance.uniform(0, 5), packet) for number, packet in enumerate(packets)]
    return [packet for _, packet in sorted(places, key=lambda place: place[0])]


def drop(packets: list[Packet], chance: random.Random) -> list[Packet]:
    """Every tenth packet lost."""
    return [packet for packet in packets if chance.randrange(10)]


def cut(packets: list[Packet], chance: random.Random) -> list[Packet]:
    """Every tenth packet cut short by the recorder."""
    return [
        (interface, ts_ns, data[: chance.randrange(len(data))], original)
        if data and not chance.randrange(10)
        else (interface, ts_ns, data, original)
        for interface, ts_ns, data, original in packets
    ]


MUTATIONS: dict[str, Callable[[list[Packet], random.Random], list[Packet]]] = {
    "bit flips": flip, "duplicated": duplicate, "reordered": reorder, "dropped": drop, "cut": cut,
}  # fmt: skip


def judged(
    interfaces: list[Interface], packets: list[Packet], folder: Path, policy: Policy
) -> Document:
    path = folder / "mutated.pcapng"
    with PcapngWriter(path) as writer:
        for number, ts_ns, data, original in packets:
            writer.write(interfaces[number], ts_ns, data, original)
    return pcapleak.analyze(path, policy).document


def reason(kind: str, before: Document, after: Document) -> str | None:
    """Why a verdict may differ: what it rested on is gone or was told wrongly. None: it may not."""
    worst = {finding.id for finding in before.findings if finding.severity in ("critical", "high")}
    now = {finding.id for finding in after.findings if finding.severity in ("critical", "high")}
    if kind == "duplicated":
        return None
    if kind == "reordered":
        torn = before.policy.kind != "none" and after.policy.kind == "none"
        return "the handshake the policy was inferred from is torn apart" if torn else None
    if before.verdict.result == "leak" and worst - now:
        return f"what showed {', '.join(sorted(worst - now))} was damaged"
    if kind == "bit flips" and now - worst:
        return "a flipped bit made an address of nobody, to whom nothing was to go"
    if "no-policy" in (before.verdict.result, after.verdict.result) or "inconclusive" in (
        before.verdict.result,
        after.verdict.result,
    ):
        return "what the policy was inferred from was damaged"
    return None


def runs(folder: Path) -> list[Run]:
    """Every recording of the lab, damaged in every way, each twice."""
    made = []
    for path in CAPTURES:
        interfaces, packets = packets_of(path)
        before = judged(interfaces, packets, folder, Policy())
        for kind, mutate in MUTATIONS.items():
            for seed in SEEDS:
                chance = random.Random(f"{path.stem} {kind} {seed}")
                after = judged(interfaces, mutate(packets, chance), folder, Policy())
                verdicts = before.verdict.result, after.verdict.result
                made.append(Run(kind, path.stem, *verdicts, reason(kind, before, after)))
    return made


def table(made: list[Run]) -> list[str]:
    """How often each damage left the verdict, and why it did not."""
    lines = [
        "| Damage | What is done | Runs | Same verdict |",
        "| --- | --- | ---: | ---: |",
    ]
    for kind, mutate in MUTATIONS.items():
        mine = [run for run in made if run.kind == kind]
        same = sum(run.same for run in mine)
        what = " ".join((mutate.__doc__ or "").split()).rstrip(".")
        lines.append(f"| {kind} | {what} | {len(mine)} | {same} |")
    lines += ["", "| Damage | Recording | Verdict | Why |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {run.kind} | {run.capture} | {run.before} → {run.after} | {run.why} |"
        for kind in MUTATIONS
        for run in dict.fromkeys(made)
        if run.kind == kind and not run.same
    ]
    return lines


def page(made: list[Run]) -> str:
    """`docs/mutations.md`."""
    return "\n".join([INTRODUCTION, *table(made), ""])


def made() -> list[Run]:
    """All runs, the damaged recordings gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        return runs(Path(folder))


INTRODUCTION = """# Damaged recordings

Every recording of the lab is damaged in five ways, twice each, and analyzed without a given
policy. None may end in a traceback, and a verdict may change only for a reason: what it rested on
is gone, or was told wrongly. Made by `make docs`; `tests/recordings/test_mutations.py` holds it
to that.
"""

if __name__ == "__main__":
    sys.stdout.write(page(made()))
