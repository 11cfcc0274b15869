"""Requests paired with answers: round trips, retransmissions, silence."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from stun_encoder import attribute, message

from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.explain import transactions
from pcapleak.explain.messages import decode_capture
from pcapleak.explain.transactions import TransactionTable
from pcapleak.values.packets import Context, Endpoint

MS = 1_000_000
CLIENT = Endpoint(ip_address("192.0.2.1"), 40000)
SERVER = Endpoint(ip_address("198.51.100.1"), 3478)
REQUEST = decode_stun(message(0x0001))
SUCCESS = decode_stun(message(0x0101))
ERROR = decode_stun(message(0x0111, attribute(0x0009, b"\0\0\4\x01no")))


def at(frame: int, ms: float, *, forward: bool = True, flow: int = 0) -> Context:
    ends = (CLIENT, SERVER) if forward else (SERVER, CLIENT)
    return Context(frame, int(ms * MS), 0, 0, "udp", *ends, flow, forward)


def test_answer_gives_the_round_trip() -> None:
    table = TransactionTable()
    table.add(at(1, 0), REQUEST)
    found = table.add(at(2, 12.5, forward=False), SUCCESS)
    assert found is not None
    assert (found.sends, found.response_frame) == ([(1, 0)], 2)
    assert found.round_trip_ns == 12_500_000
    assert table.unanswered() == []


def test_retransmissions_hide_the_round_trip_and_show_the_timers() -> None:
    """Which send was answered is unknown, as in TCP (Karn)."""
    table = TransactionTable()
    for frame, ms in enumerate((0, 251, 752), 1):
        found = table.add(at(frame, ms), REQUEST)
    assert found is not None
    assert (found.retransmissions, found.timers) == (2, "libwebrtc")
    table.add(at(9, 760, forward=False), SUCCESS)
    assert found.round_trip_ns is None
    assert found.response_ns == 760 * MS


@pytest.mark.parametrize(
    ("wait", "timers"), [(250, "libwebrtc"), (500, "rfc8489"), (100, None), (1000, None)]
)
def test_timers_by_the_first_wait(wait: int, timers: str | None) -> None:
    table = TransactionTable()
    table.add(at(1, 0), REQUEST)
    found = table.add(at(2, wait), REQUEST)
    assert found is not None
    assert found.timers == timers


def test_error_code_is_kept() -> None:
    table = TransactionTable()
    table.add(at(1, 0), REQUEST)
    found = table.add(at(2, 1, forward=False), ERROR)
    assert found is not None
    assert found.error_code == 401


def test_the_first_answer_counts() -> None:
    table = TransactionTable()
    table.add(at(1, 0), REQUEST)
    table.add(at(2, 1, forward=False), SUCCESS)
    found = table.add(at(3, 2, forward=False), SUCCESS)
    assert found is not None
    assert found.response_frame == 2


def test_indications_and_stray_answers_have_no_transaction() -> None:
    table = TransactionTable()
    assert table.add(at(1, 0), decode_stun(message(0x0011))) is None
    assert table.add(at(2, 0, forward=False), SUCCESS) is None
    table.add(at(3, 0), REQUEST)
    assert table.add(at(4, 0), SUCCESS) is None, "an answer from the asker's own side"
    assert table.add(at(5, 0, forward=False, flow=1), SUCCESS) is None, "another flow"
    assert [known.sends for known in table.unanswered()] == [[(3, 0)]]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_TRANSACTIONS", 3)
    table = TransactionTable()
    for number in range(5):
        table.add(at(number, 0, flow=number), REQUEST)
    assert len(table.transactions()) == 3
    assert table.dropped == 2
    for number in range(100):
        table.add(at(number, 0, flow=4), REQUEST)
    assert len(table.transactions()[-1].sends) == transactions.MAX_SENDS
    assert table.transactions()[-1].retransmissions == 100


def test_a_recorded_browser_is_answered_and_retransmits(browser: Path) -> None:
    """Chromium gathering: answered in under a millisecond; a tunnelled Firefox: never."""
    direct = list(decode_capture(browser / "direct.eth0.pcapng", frozenset({"stun"})))
    times = [message.notes.get("round_trip_ms") for message in direct]
    assert any(isinstance(time, float) and 0 < time < 100 for time in times)
    table = TransactionTable()
    path = browser / "ffwgsplit.eth0.pcapng"
    lost = list(decode_capture(path, frozenset({"stun"}), transactions=table))
    assert any("retransmits_frame" in message.notes for message in lost)
    assert table.unanswered()
