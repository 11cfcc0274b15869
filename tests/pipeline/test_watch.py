"""A watch step by step, over packets a test hands it."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Sequence

import pytest
from packet_bytes import batch_of, ethernet, ipv4, udp

from pcapleak.live.notebook import TimedNote
from pcapleak.pipeline import watch as watch_module
from pcapleak.pipeline.background import Background
from pcapleak.pipeline.pacing import CATCH_UP_S, SHORT_STEP_S, STEP_PACKETS, STEP_S, Pacing
from pcapleak.pipeline.watch import Judged, Watch
from pcapleak.policy.policy import Policy
from pcapleak.report.update import Update
from pcapleak.values.packets import DeviceChange, Interface, RecordBatch

POLICY = Policy.from_options(proxy=["socks5://198.51.100.30:1080"])


class Handed:
    """A source that gives the batches it was made with."""

    path = "live:eth0"
    format = "live"
    expression = None
    received = dropped = bytes_read = 0
    loses = False

    def __init__(self, batches: Sequence[RecordBatch]) -> None:
        self.interfaces = [Interface(0, 0, 1, "eth0", addresses=("192.168.50.42/24",))]
        self.problems: list[str] = []
        self.changes: list[DeviceChange] = []
        self.gaps: list[str] = []
        self.notes: list[TimedNote] = []
        self.batches = deque(batches)

    @property
    def ended(self) -> bool:
        return not self.batches

    def start(self) -> None: ...

    def read(self, timeout_s: float) -> RecordBatch | None:
        return self.batches.popleft() if self.batches else None

    def close(self) -> None: ...


def to_servers(first: int, count: int, age_s: float = 0.0) -> RecordBatch:
    """So many flows past the proxy, each to a server of its own, and how long ago."""
    frames = [
        ethernet(ipv4(udp(b"x", 5000, 6000), source="192.168.50.42",
                      destination=f"203.0.{number >> 8}.{number & 255}"))
        for number in range(first, first + count)
    ]  # fmt: skip
    sent_ns = time.time_ns() - int(age_s * 1e9)
    times = [sent_ns + number for number in range(first, first + count)]
    return batch_of(frames, ts_ns=times, first_frame=first + 1)


def ended(watch: Watch) -> Update:
    """The last judgement, of what still waited too."""
    for _ in watch.take_rest(math.inf):
        assert watch.last_batch is not None
        assert watch._last_frame == watch.last_batch.frame[-1]
    return watch.finish()


def told(watch: Watch, source: Handed) -> list[Update]:
    """All updates, the last judgement's too."""
    updates = []
    while not watch.ended or watch._news or watch._pending or watch._child is not None:
        update = watch.step(0.01)
        if update is not None:
            updates.append(update)
    updates.append(ended(watch))
    return updates


@pytest.mark.parametrize("inline_s", [10.0, 0.0], ids=["inline", "in children"])
def test_every_flow_that_bypasses_is_told_once(
    inline_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and whoever judges; the report still lists 200."""
    monkeypatch.setattr(watch_module, "INLINE_S", inline_s)
    source = Handed([to_servers(start, 700) for start in range(0, 3500, 700)])
    updates = told(Watch(source, POLICY), source)
    seen = Counter(flow.resp.address for update in updates for flow in update.flows)
    assert len(seen) == 3500
    assert set(seen.values()) == {1}
    assert max(len(update.flows) for update in updates) <= watch_module.TOLD_AT_ONCE
    assert len(updates[-1].document.flows) == 200
    assert updates[-1].flows_untold == 0


def test_what_is_beyond_the_bound_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "MAX_TOLD", 300)
    monkeypatch.setattr(watch_module, "TOLD_AT_ONCE", 250)
    source = Handed([to_servers(start, 100) for start in range(0, 1000, 100)])
    updates = told(Watch(source, POLICY), source)
    assert sum(len(update.flows) for update in updates) == 300
    assert updates[-1].flows_untold == 700


def never(*_: object) -> None:
    """A judgement without an end."""
    while True:
        pass


def test_a_judgement_without_an_end_is_given_up_and_the_next_one_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Packets are taken meanwhile, and the report says that something came late."""
    monkeypatch.setattr(watch_module, "CHILD_CPU_S", 1)
    source = Handed([to_servers(0, 10), to_servers(10, 10)])
    watch = Watch(source, POLICY)
    watch._ran_s = 1.0  # as after a judgement that took long
    judge = watch._analyzer.judge
    monkeypatch.setattr(watch._analyzer, "judge", never)
    while not source.problems:
        assert watch.step(0.01) is None
    assert watch.packets == 20
    monkeypatch.setattr(watch._analyzer, "judge", judge)
    while (update := watch.step(0.01)) is None:
        pass
    assert "was abandoned" in update.document.captures[0].problems[0]
    assert len(update.flows) == 20


def test_the_end_waits_for_no_judgement_and_then_is_not_sure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = Watch(Handed([to_servers(0, 10), to_servers(10, 10)]), POLICY)
    first = watch.step(0.01)
    assert first is not None
    first.document.verdict.result = "no-leak"
    watch._ran_s = 100.0  # as after a judgement that took long: the next is not due yet
    assert watch.step(0.01) is None
    monkeypatch.setattr(watch._analyzer, "judge", never)
    document = watch.finish(within_s=0.1).document
    assert document.verdict.result == "inconclusive"
    assert "were not judged" in document.verdict.reason
    assert "the last 10 packets" in document.captures[0].problems[-1]


def test_a_child_rests_by_the_processor_time_that_it_took() -> None:
    """However long others kept it waiting: a leak is told in time where much else goes on."""
    watch = Watch(Handed([to_servers(0, 10)]), POLICY)
    watch._pending = watch._news = True
    watch._ran_s = 1.0
    watch._judged_s = time.monotonic()
    assert 0.4 < watch._wait_s() <= 0.5


@pytest.mark.parametrize("flooded", [True, False])
def test_a_flooded_watch_leaves_half_of_the_time_to_judging(flooded: bool) -> None:
    watch = Watch(Handed([]), POLICY)
    watch._pacing._left_s = time.monotonic() if flooded else None
    child: Background[Judged] = Background(watch._judge, cpu_s=10, niceness=0)
    assert watch._is_done(child, time.monotonic() - 10) == flooded
    assert child.wait(10)


def test_a_step_takes_what_it_has_time_for_and_the_next_one_the_rest() -> None:
    watch = Watch(Handed([to_servers(0, 3000)]), POLICY)
    watch.step(0.01)
    assert watch.packets == STEP_PACKETS
    assert not watch.ended
    ended(watch)
    assert (watch.packets, watch.dropped) == (3000, 0)


@pytest.mark.parametrize("loses", [True, False], ids=["from the kernel", "from a pipe"])
def test_a_watch_far_behind_lets_go_of_what_it_has_no_time_for(loses: bool) -> None:
    """It takes the latest; a stream that waits for its reader loses nothing."""
    source = Handed([to_servers(0, 3000, age_s=1)])
    source.loses = loses
    watch = Watch(source, POLICY)
    watch._pacing.packet_s = (SHORT_STEP_S if loses else STEP_S) / 1500
    # It has been flooded.
    watch._pacing.falls_behind(0.0, time.monotonic(), time.thread_time())
    watch._pacing._left_s = time.monotonic()
    watch.step(0.01)
    assert watch.last_batch is not None
    assert watch.programs.step is not None
    taken = watch.last_batch.frame[watch.programs.step[0]]
    assert (taken[0], taken[-1]) == ((1501, 3000) if loses else (1, 1500))
    update = ended(watch)
    assert (watch.packets, watch.dropped) == ((1500, 1500) if loses else (3000, 0))
    lost = any("arrived faster than the watch" in each.message for each in update.document.findings)
    assert lost == loses


def busy(pacing: Pacing, behind_s: float, now_s: float) -> bool:
    """A step of a watch that has worked all the time."""
    return pacing.falls_behind(behind_s, now_s, now_s)


def test_a_flood_is_known_by_falling_behind_and_known_again_for_a_while() -> None:
    pacing = Pacing()
    pacing.took(STEP_PACKETS, 0.1)
    assert not busy(pacing, 0.2, 99.8)
    assert not busy(pacing, 0.5, 100)
    assert not busy(pacing, 0.4, 100.2)
    assert not busy(pacing, 0.3, 100.3)
    assert not busy(pacing, 0.4, 100.4)
    assert not busy(pacing, 0.44, 100.5)
    assert not busy(pacing, 0.39, 100.6)
    assert busy(pacing, 0.45, 100.7)
    assert busy(pacing, 0.1, 100.75)
    assert not busy(pacing, 0.01, 100.8)
    assert not busy(pacing, 0.15, 100.85)
    assert busy(pacing, 0.3, 100.9)
    assert pacing.flooded(101)
    assert not busy(pacing, 0.0, 101)
    later = 100.9 + CATCH_UP_S
    assert not pacing.flooded(later)
    assert not busy(pacing, 0.35, later)
    assert not busy(pacing, 0.5, later + 0.3)
    assert not busy(pacing, 0.5, later + 0.3 + CATCH_UP_S)
    assert busy(pacing, 0.5, later + 0.4 + CATCH_UP_S)


def test_judging_beside_a_watch_that_is_behind_gives_way_to_nothing() -> None:
    pacing = Pacing()
    pacing.took(STEP_PACKETS, 0.1)
    assert not pacing.falls_behind(0.2, 100, 50)
    assert not pacing.hurries(100)
    assert not pacing.falls_behind(0.4, 100.2, 50.1)
    assert pacing.hurries(100.2)
    assert not pacing.falls_behind(0.0, 100.4, 50.2)
    assert not pacing.hurries(100.4)


def test_what_waited_while_a_watch_was_stopped_is_no_flood() -> None:
    """Nor is it one soon after a flood; but what comes faster than it catches up is."""
    for left_s in (None, 97.0):
        pacing = Pacing()
        pacing.took(STEP_PACKETS, 0.1)
        pacing._left_s = left_s
        assert not pacing.falls_behind(0.01, 98, 50)
        assert not pacing.falls_behind(2.1, 100.1, 50.1)
        assert not pacing.falls_behind(1.6, 100.6, 50.6)
        assert not pacing.falls_behind(0.01, 101.6, 51.6)
        assert pacing.falls_behind(0.35, 101.9, 51.9) == (left_s is not None)
        assert pacing.falls_behind(0.6, 102.2, 52.2) == (left_s is not None)
        assert pacing.falls_behind(0.7, 102.4, 52.4)


def test_a_watch_that_shares_its_processor_is_not_stopped() -> None:
    pacing = Pacing()
    pacing.took(STEP_PACKETS, 0.1)
    steps = [
        pacing.falls_behind(0.1 * step, 100 + 0.3 * step, 50 + 0.1 * step) for step in range(8)
    ]
    assert steps == [False] * 8


def test_a_watch_that_was_stopped_catches_up() -> None:
    """What waited meanwhile is no falling behind."""
    source = Handed([to_servers(0, 3000)])
    source.loses = True
    watch = Watch(source, POLICY)
    watch._pacing.packet_s = STEP_S / 1500
    watch.step(0.01)
    ended(watch)
    assert (watch.packets, watch.dropped) == (3000, 0)
