"""Names over all recordings of the lab: joined with the right socket, or said to be doubtful."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from conftest import need_tool
from lab_truth import CAPTURES, CLIENT, read_truth

import pcapleak

LOW = 8
"""Joins that several sessions fit: loads a second apart, profiles and tabs that begin at once."""


def test_no_name_of_the_lab_is_joined_with_another_socket(
    capsys: pytest.CaptureFixture[str],
) -> None:
    joins: Counter[str] = Counter()
    wrong: list[str] = []
    for path in sorted(CAPTURES.glob("*.json")):
        truth = read_truth(path)
        read = {(one["address"], one["port"]) for one in truth["candidates"]}
        names = {address for address, _ in read}
        for session in pcapleak.analyze(path.with_suffix(".pcapng")).document.ice_sessions:
            if not CLIENT & {*session.client_addresses}:
                continue
            for one in session.candidates:
                if one.mdns_name not in names or one.port is None or one.mdns_link is None:
                    continue
                confidence = str(one.mdns_link.confidence)
                joins[confidence] += 1
                if (one.mdns_name, one.port) not in read:
                    wrong.append(f"{path.stem}: {one.mdns_name} at {one.port}, {confidence}")
    with capsys.disabled():
        print(f"\nnames joined with sockets: {dict(joins)}, wrong: {len(wrong)}")  # noqa: T201
    assert wrong == []
    assert joins["low"] <= LOW


MUTATED = (
    "allowed-url", "connections", "direct", "microphone", "private-interfaces", "profiles-at-once",
    "reload-1s", "reload-4s", "two-browsers", "two-profiles", "two-tabs",
)  # fmt: skip


@pytest.mark.parametrize("name", MUTATED)
def test_no_subset_of_a_recordings_announcements_turns_what_is_said(
    name: str, tmp_path: Path, tshark: str
) -> None:
    """Whatever of the announcements was not recorded: no mode 3, nothing raw called hidden, and
    no name of another socket called sure."""
    need_tool("editcap")
    capture = CAPTURES / f"{name}.pcapng"
    listed = subprocess.run(
        [tshark, "-n", "-r", capture, "-Y", "mdns && dns.flags.response == 1", "-T", "fields",
         "-e", "frame.number"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    frames = listed.stdout.split()
    rows = read_truth(CAPTURES / f"{name}.json")["candidates"]
    hosts = {row["port"]: row["address"] for row in rows if row["type"] == "host"}
    chosen = random.Random(name)
    gone = [frames, frames[::2], frames[1::2], frames[: len(frames) // 2]]
    gone += [chosen.sample(frames, chosen.randrange(len(frames))) for _ in range(6) if frames]
    for number, numbers in enumerate(gone):
        left = tmp_path / f"{number}.pcapng"
        subprocess.run(["editcap", capture, left, *numbers], check=True, capture_output=True)
        for session in pcapleak.analyze(left).document.ice_sessions:
            if not CLIENT & {*session.client_addresses}:
                continue
            assert session.ip_handling_mode.mode != 3
            for one in session.candidates:
                if one.type != "host" or one.port not in hosts:
                    continue
                read = hosts[one.port]
                if not read.endswith(".local"):
                    assert ".local" not in one.line, numbers
                elif one.mdns_name and one.mdns_link and one.mdns_link.confidence == "high":
                    assert one.mdns_name == read, numbers
