"""Recordings of real browsers, damaged: never a traceback, and a verdict changes only for a
reason that is told."""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from test_cli import ROOT

import pcapleak
from pcapleak.capture import PcapngWriter, open_capture
from pcapleak.document import Document
from pcapleak.model import Interface
from pcapleak.policy import Policy

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


def exposing(document: Document) -> set[tuple[str, str]]:
    return {(finding.id, address) for finding in document.findings for address in finding.addresses}


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


def test_damage_changes_a_verdict_only_for_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every recording of the lab, damaged in five ways; the table is printed."""
    same: Counter[str] = Counter()
    total: Counter[str] = Counter()
    changed: dict[str, list[str]] = defaultdict(list)
    unexplained: list[str] = []
    for path in CAPTURES:
        interfaces, packets = packets_of(path)
        before = judged(interfaces, packets, tmp_path, Policy())
        for kind, mutate in MUTATIONS.items():
            for seed in SEEDS:
                chance = random.Random(f"{path.stem} {kind} {seed}")
                after = judged(interfaces, mutate(packets, chance), tmp_path, Policy())
                total[kind] += 1
                if after.verdict.result == before.verdict.result:
                    same[kind] += 1
                    continue
                why = reason(kind, before, after)
                line = f"{path.stem}: {before.verdict.result} -> {after.verdict.result}"
                changed[kind].append(f"{line}: {why}")
                if why is None:
                    unexplained.append(f"{kind}, seed {seed}, {line}: {after.verdict.reason}")
    with capsys.disabled():
        sys.stdout.write(f"\n{'mutation':<14}{'runs':>6}{'same verdict':>14}\n")
        for kind in MUTATIONS:
            sys.stdout.write(f"{kind:<14}{total[kind]:>6}{same[kind]:>14}\n")
            sys.stdout.writelines(f"    {line}\n" for line in changed[kind])
    assert unexplained == []
    assert sum(same.values()) > 0.9 * sum(total.values())


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_duplicates_tell_nothing_new(path: Path, tmp_path: Path) -> None:
    """The same addresses are exposed by the same findings, however often a packet is seen."""
    interfaces, packets = packets_of(path)
    twice = [packet for packet in packets for _ in range(2)]
    one = judged(interfaces, packets, tmp_path, Policy())
    two = judged(interfaces, twice, tmp_path, Policy())
    assert one.verdict.result == two.verdict.result
    assert exposing(one) == exposing(two)
