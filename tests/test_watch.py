"""A watch step by step, over packets a test hands it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

import pytest
from packet_bytes import batch_of, ethernet, ipv4, udp

from pcapleak.pipeline import watch as watch_module
from pcapleak.pipeline.watch import Update, Watch
from pcapleak.policy.policy import Policy
from pcapleak.values.packets import DeviceChange, Interface, RecordBatch

POLICY = Policy.from_options(proxy=["socks5://198.51.100.30:1080"])


class Handed:
    """A source that gives the batches it was made with."""

    path = "live:eth0"
    format = "live"
    expression = None
    received = dropped = bytes_read = 0

    def __init__(self, batches: Sequence[RecordBatch]) -> None:
        self.interfaces = [Interface(0, 0, 1, "eth0", addresses=("192.168.50.42/24",))]
        self.problems: list[str] = []
        self.changes: list[DeviceChange] = []
        self.batches = deque(batches)

    @property
    def ended(self) -> bool:
        return not self.batches

    def start(self) -> None: ...

    def read(self, timeout_s: float) -> RecordBatch | None:
        return self.batches.popleft() if self.batches else None

    def close(self) -> None: ...


def to_servers(first: int, count: int) -> RecordBatch:
    """So many flows past the proxy, each to a server of its own."""
    frames = [
        ethernet(ipv4(udp(b"x", 5000, 6000), source="192.168.50.42",
                      destination=f"203.0.{number >> 8}.{number & 255}"))
        for number in range(first, first + count)
    ]  # fmt: skip
    times = [1_700_000_000_000_000_000 + number for number in range(first, first + count)]
    return batch_of(frames, ts_ns=times, first_frame=first + 1)


def told(watch: Watch, source: Handed) -> list[Update]:
    """All updates, the last judgement's too."""
    updates = []
    while not source.ended or watch._news or watch._pending or watch._child is not None:
        update = watch.step(0.01)
        if update is not None:
            updates.append(update)
    updates.append(watch.judge(last=True))
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
