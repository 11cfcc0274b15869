"""Payload by time window, host and direction."""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np
import pytest

from pcapleak.track import windows
from pcapleak.track.flows.table import FlowTable
from pcapleak.track.windows import HostKey, WindowTracker
from pcapleak.values.packets import Packets

SECOND = 1_000_000_000


def packets(rows: list[tuple[int, int, int, int]], start: int = 1_700_000_000) -> Packets:
    """UDP packets of (time in ms, source, destination, payload) between 10.0.0.x addresses."""
    number = len(rows)
    times, source, destination, size = (np.array(column) for column in zip(*rows, strict=True))

    def column(kind: type, value: int = 0) -> np.ndarray:
        return np.full(number, value, kind)

    base = int(ip_address("10.0.0.0"))
    return Packets(
        data=np.zeros(128, np.uint8),
        row=np.arange(number),
        frame=np.arange(number),
        ts_ns=start * SECOND + times.astype(np.int64) * 1_000_000,
        interface=column(np.int32),
        direction=column(np.uint8),
        length=size.astype(np.int64) + 42,
        version=column(np.uint8, 4),
        protocol=column(np.uint8, 17),
        source_hi=column(np.uint64),
        source_lo=(source + base).astype(np.uint64),
        destination_hi=column(np.uint64),
        destination_lo=(destination + base).astype(np.uint64),
        source_port=column(np.uint16, 1000),
        destination_port=column(np.uint16, 2000),
        payload_offset=column(np.int64),
        payload_length=size.astype(np.int64),
        payload_declared=size.astype(np.int64),
        flags=column(np.uint16),
        tcp_flags=column(np.uint8),
        tcp_seq=column(np.uint32),
        encapsulation=column(np.int32),
        source_link=column(np.uint64),
        hop_limit=column(np.uint8),
    )


def track(rows: list[tuple[int, int, int, int]], cuts: int = 1) -> WindowTracker:
    tracker, flows = WindowTracker(), FlowTable()
    for part in np.array_split(np.arange(len(rows)), cuts):
        some = packets([rows[i] for i in part])
        tracker.update(some, *flows.update(some), flows)
    return tracker


def host(number: int) -> HostKey:
    return HostKey(0, ip_address("10.0.0.0") + number)


def many(count: int) -> list[tuple[int, int, int, int]]:
    chosen = np.random.default_rng(1)
    return [
        (int(chosen.integers(0, 400_000)), 1, int(chosen.zipf(1.3) % 3000) + 2, i % 1400)
        for i in range(count)
    ]


def same(one: WindowTracker, other: WindowTracker) -> bool:
    hosts = one.hosts([0])
    return (
        (one.start_ns, one.width_ns, hosts) == (other.start_ns, other.width_ns, other.hosts([0]))
    ) and all(
        np.array_equal(a, b)
        for key, _ in hosts
        for a, b in zip(one.windows(key) or (), other.windows(key) or (), strict=True)
    )


def test_what_a_host_sends_and_receives_is_counted_by_window() -> None:
    tracker = track([(0, 1, 2, 100), (1000, 2, 1, 700), (1010, 1, 2, 50)])
    found = tracker.windows(host(2))
    assert found is not None and found.is_whole
    assert found.received.sum() == 150 and found.sent.sum() == 700
    assert len(np.flatnonzero(found.received)) == 2
    assert found.received_packets.sum() == 2 and found.sent_packets.sum() == 1


def test_windows_do_not_depend_on_how_packets_come_in_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "EPOCH", 512)
    monkeypatch.setattr(windows, "MAX_HOSTS", 64)
    monkeypatch.setattr(windows, "KEPT", 16)
    rows = many(4000)
    whole = track(rows)
    assert all(same(whole, track(rows, cuts)) for cuts in (2, 7, 61, 1000))


def test_windows_join_when_the_recording_outgrows_them() -> None:
    rows = [(ms, 1, 2, 10) for ms in range(0, 3_600_000, 500)]
    tracker = track(rows, 9)
    found = tracker.windows(host(2))
    assert found is not None and found.received.sum() == 10 * len(rows)
    assert tracker.width_ns * windows.MAX_WINDOWS >= 3600 * SECOND
    assert np.count_nonzero(found.received) > windows.MAX_WINDOWS / 3


def test_a_packet_from_before_the_first_one_has_its_window() -> None:
    tracker = track([(5000, 1, 2, 10), (0, 1, 2, 20), (9000, 1, 2, 30)])
    found = tracker.windows(host(1))
    assert found is not None and found.sent[found.sent > 0].tolist() == [20, 10, 30]


def test_the_largest_hosts_keep_their_windows_among_thousands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "EPOCH", 4096)
    rows = [row for i in range(20_000) for row in ((i, 1, 2, 1200), (i, 1, 100 + i, 1))]
    tracker = track(rows, 5)
    found = tracker.windows(host(2))
    assert found is not None and found.is_whole and found.received.sum() == 1200 * 20_000
    assert len(tracker.hosts([0])) <= windows.MAX_HOSTS
    late = tracker.windows(host(100 + 19_999))
    assert late is None or late.received.sum() <= 1


def test_hosts_are_numbered_no_further_than_the_flow_table_grows() -> None:
    rows = [(i, 1, 2 + i, 10) for i in range(5000)]
    tracker, flows = WindowTracker(), FlowTable(single=100, limit=200)
    some = packets(rows)
    tracker.update(some, *flows.update(some), flows)
    assert len(flows) < 250 and tracker._index.size <= 2 * len(flows)


def test_loopback_hosts_are_told_apart_by_port() -> None:
    some = packets([(0, 1, 2, 100), (10, 2, 1, 900)])
    some.source_lo[:] = some.destination_lo[:] = int(ip_address("127.0.0.1"))
    some.source_port[:], some.destination_port[:] = [5000, 1080], [1080, 5000]
    tracker, flows = WindowTracker(), FlowTable()
    tracker.update(some, *flows.update(some), flows)
    found = tracker.windows(HostKey(0, ip_address("127.0.0.1"), 1080))
    assert found is not None and (found.received.sum(), found.sent.sum()) == (100, 900)
