"""The head of a watch's screen, and which form a watch takes."""

from __future__ import annotations

import sys

import pytest
from sample_report import sample

from pcapleak.cli.live_options import Via
from pcapleak.cli.live_plan import Plan
from pcapleak.cli.running import choose_screen
from pcapleak.errors import PcapleakError
from pcapleak.policy.policy import Policy
from pcapleak.report.screen.head import Status, page_head


def test_before_the_first_packet_it_listens() -> None:
    assert page_head(None, Status("eth0")).plain.startswith(" LISTENING   eth0")


def test_the_verdict_and_the_counters_are_on_top() -> None:
    lines = page_head(sample(), Status("eth0", 65.0, 12_345, 99.0, 7, 42)).plain.splitlines()
    assert lines[0].startswith(" LEAK ")
    assert "12,345 packets (99/s), 42 flows, 7 lost" in lines[0]


def test_strings_of_strangers_are_harmless() -> None:
    text = page_head(sample(), Status("\x1b[2J", notes=["\x1b]0;owned\x07 \u202e"])).plain
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("terminal", "plain", "via", "screen"),
    [
        (True, False, Via.RING, True),
        (True, True, Via.RING, False),
        (True, False, Via.DUMPCAP, False),
        (False, False, Via.RING, False),
    ],
)
def test_a_terminal_gets_the_screen_and_all_else_lines(
    terminal: bool, plain: bool, via: Via, screen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: terminal)
    plan = Plan(Policy(), via=via, plain=plain)
    choose_screen(plan)
    assert plan.tui is screen


def test_a_screen_that_cannot_be_is_refused_where_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(PcapleakError, match="--tui: needs a terminal"):
        choose_screen(Plan(Policy(), tui=True))
