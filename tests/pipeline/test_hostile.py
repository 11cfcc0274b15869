"""Captures made to be slow or to fill the memory: work stays linear, memory bounded, and the
report says what was beyond it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import FrameType

import floods
import numpy as np
import pytest

from pcapleak.judge.finding_builder import MAX_SUBJECTS
from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.track.flows import index as flow_index
from pcapleak.track.flows.columns import FlowColumns
from pcapleak.track.flows.index import FlowIndex, Keys
from pcapleak.track.state import CaptureFacts
from pcapleak.values.packets import Interface

MILLION = 1_000_000
MEMORY_MB = 450
"""What an analysis may take, all modules loaded: about 60 MB of interpreter and numpy, 64 MB of
flows and as much to judge them, 80 MB of ICE links, and the batch at hand."""


def calls(kind: str, total: int) -> int:
    """How many functions run for a flood."""
    count = 0

    def counted(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        floods.analyze(kind, total)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("kind", floods.FLOODS)
def test_work_grows_as_the_capture_does(kind: str) -> None:
    """Four times the packets, at most 5 times the work: sorting, and caches that are full. What
    is quadratic would take 16 times."""
    calls(kind, 100)  # what is done once: modules, tables
    assert calls(kind, 6000) <= 5 * calls(kind, 1500)


@pytest.mark.parametrize(
    ("kind", "total", "beyond"),
    [
        ("crowds", 60_000, "usernames, peers and priorities exceeded"),
        ("channels", 300_000, "TURN allocations and channels exceeded"),
        ("announcers", 400_000, "queriers of multicast names exceeded"),
    ],
)
def test_tables_within_tables_are_bounded_together(kind: str, total: int, beyond: str) -> None:
    """Many small tables, each within its own bound, stay within memory too."""
    command = [sys.executable, str(Path(floods.__file__)), kind, str(total)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told["megabytes"] < MEMORY_MB
    assert any(beyond in limit for limit in told["limits"]), told["limits"]


@pytest.mark.parametrize("kind", ["flows", "queries", "names", "transactions", "sockets"])
def test_a_million_stay_within_memory_and_the_report_says_what_was_left_out(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, str(Path(floods.__file__)), kind, str(MILLION)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    with capsys.disabled():
        sys.stdout.write(f"\n{kind}: {told['megabytes']} MB\n")
    assert told["packets"] == MILLION
    assert told["megabytes"] < MEMORY_MB
    beyond = {
        "flows": "are distinguished only by their hosts",
        "queries": None,  # counted by resolver; names are examples, of which the first are kept
        "names": "multicast names exceeded the memory limits",
        "transactions": None,  # one association, whatever the number of requests
        "sockets": "STUN messages exceeded the memory limits",
    }[kind]
    assert beyond is None or any(beyond in limit for limit in told["limits"]), told["limits"]


def colliding(count: int) -> Keys:
    """Flow keys that have one hash where every secret is 1: address and port add up to one
    number, so that a fixed hash of this shape would be attacked so."""
    port = np.arange(count, dtype=np.uint64)
    zero = np.zeros(count, np.uint64)
    return Keys(zero, np.uint64(1 << 31) - port, zero, zero + 9, port << 16, port, zero + 0x411)


def looks(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often stored keys are looked at to find the keys again."""
    index = FlowIndex()
    index.add(index.hash(keys), keys)
    rounds = 0
    compare = FlowIndex.compare

    def counted(self: FlowIndex, *arguments: object) -> object:
        nonlocal rounds
        rounds += 1
        return compare(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(FlowIndex, "compare", counted)
        number, _ = index.find(index.hash(keys), keys)
    assert number.tolist() == list(range(len(number)))
    return rounds


@pytest.mark.parametrize(
    ("kind", "id", "subject"),
    [
        ("announcers", "PL301", "many addresses"),
        ("crowds", "PL106", "peers of many TURN servers on eth0"),
    ],
)
def test_what_is_made_up_stays_a_page(kind: str, id: str, subject: str) -> None:
    """Beyond a bound all addresses and servers are one finding, which counts them; the client's
    own are told by themselves."""
    found = [one for one in floods.analyze(kind, 1000).findings if one.id == id]
    assert len(found) == MAX_SUBJECTS + 1
    assert [one.subject for one in found if "many" in one.subject] == [subject]


def test_keys_built_to_collide_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack works on a hash without a secret, and not on ours."""
    keys = colliding(300)
    with monkeypatch.context() as patch:
        patch.setattr(flow_index.os, "urandom", lambda size: bytes(size))
        assert looks(keys, monkeypatch) > 1000
    assert looks(keys, monkeypatch) < 40


def test_a_listed_flow_costs_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one row of the report needs is read from its key, or listing would be quadratic."""
    made = 0
    meta = FlowColumns._meta

    def counted(self: FlowColumns, shift: int, mask: int) -> object:
        nonlocal made
        made += 1
        return meta(self, shift, mask)

    analyzer = Analyzer(None, [Interface(0, 0, floods.RAW, "eth0")])
    analyzer.state.captures.append(CaptureFacts("flood", "pcap"))
    for batch in floods.batches("flows", 500):
        analyzer.add(batch)
    with monkeypatch.context() as patch:
        patch.setattr(FlowColumns, "_meta", counted)
        assert len(analyzer.document(all_flows=True).flows) == 500
    assert 0 < made < 200
