"""The terminal page."""

from __future__ import annotations

import io
import time

import pytest
from msgspec.structs import replace
from rich.console import Console
from sample_report import sample

from pcapleak.cli.console import page_console
from pcapleak.report.document import Document, TunnelEntry, Verdict
from pcapleak.report.text import local_span, local_time
from pcapleak.report.writers.terminal import print_closing, print_report, print_verdict
from pcapleak.values.findings import Severity

HOSTILE = "\x1b]0;owned\x07\x1b[31m[red]\u202e\n[/red]\x9b"


def page(document: Document, width: int = 100, *, verbose: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=False, emoji=False, highlight=False)
    print_report(document, console, verbose=verbose)
    return stream.getvalue()


def test_first_three_lines_are_verdict_exposure_and_reason() -> None:
    """A reader who sees three lines knows the outcome."""
    lines = page(sample()).splitlines()
    assert lines[0].split() == ["LEAK", "socks.pcapng"]
    assert lines[1] == "Exposed  203.0.113.7"
    assert lines[2].startswith("Why      STUN answers beside the proxy")


def test_no_exposure_is_said() -> None:
    """A report without exposed addresses says so in the second line."""
    report = replace(sample(), verdict=Verdict("no-leak", "nothing left beside the tunnel"))
    lines = page(report).splitlines()
    assert lines[0].split()[:2] == ["NO", "LEAK"]
    assert lines[1] == "Exposed  no address"


def test_page_holds_what_a_reader_needs() -> None:
    """Candidates, names, flows, findings with frames and filter are all there."""
    text = page(sample(), width=200)
    for expected in (
        "203.0.113.7:40150 udp, base 192.168.77.2:40150, told by 198.51.100.10:3478",
        "[2001:db8::7]:? tcp",
        "192.168.77.2  71386b15-1cad-4c74-9819-06d41f4bc8be.local on eth0",
        "udp 192.168.77.2:40150 → 198.51.100.10:3478 stun on eth0",
        "critical PL101 webrtc-public-address-exposed",
        "certain: frames 40, 44, on eth0",
        "filter    stun && udp.port == 40150 && ip.addr == 198.51.100.10",
        "ipv6  no IPv6 traffic",
        "truncated",
        "both          srflx 203.0.113.7:40150 udp in page.json",
        "packets only  relay 2001:db8::7 tcp; no page",
    ):
        assert expected in text


def test_worst_finding_comes_first_and_the_largest_of_a_severity() -> None:
    """What a pipe or log shows first is what matters most."""
    report = sample()
    text = page(report)
    assert text.index("PL101") < text.index("PL301") < text.index("WebRTC session")
    small, large = (
        replace(report.findings[0], id=name, bytes=size, severity=Severity.HIGH)
        for name, size in (("PL203", 100), ("PL201", 9_000))
    )
    text = page(replace(report, findings=[large, small]))
    assert text.index("PL201") < text.index("PL203")


def test_the_same_fix_is_told_once() -> None:
    report = sample()
    one = replace(report.findings[0], remedy="Turn it off.")
    text = page(replace(report, findings=[one, replace(one, id="PL102")]))
    assert text.count("Turn it off.") == 1
    assert f"fix       same as for {one.id}" in text


def test_the_last_line_is_the_verdict_with_counts_and_exit_status() -> None:
    def closing(documents: list[Document], status: int) -> str:
        stream = io.StringIO()
        print_closing(documents, status, Console(file=stream, width=80))
        return stream.getvalue().strip()

    report = sample()
    quiet = replace(report, verdict=Verdict("no-leak", "no traffic bypassed wg0"), findings=[])
    line = closing([report], 1)
    assert line.startswith("LEAK · 1 critical")
    assert line.endswith("· exit status 1")
    assert closing([quiet], 0) == "NO LEAK · no findings · exit status 0"
    assert closing([report, quiet], 1).startswith("2 captures: 1 LEAK, 1 NO LEAK · 1 critical")


def test_times_are_the_readers_with_their_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert local_time(1_500_000_000) == "19:00:01.500-05:00"
        assert local_time(None) == "?"
        same = local_span(1_500_000_000, 2_000_000_000)
        assert same == "1969-12-31 19:00:01.500 to 19:00:02.000-05:00"
        later = local_span(1_500_000_000, 86_402_000_000_000)
        assert later == "1969-12-31 19:00:01.500 to 1970-01-01 19:00:02.000-05:00"
        assert local_span(5, 5) == "1969-12-31 19:00:00.000-05:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_filter_is_never_broken_by_the_page() -> None:
    """A display filter can be copied in one piece from a narrow page."""
    assert "stun && udp.port == 40150 && ip.addr == 198.51.100.10\n" in page(sample(), width=40)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("verbose", [False, True])
def test_nothing_from_a_packet_is_interpreted(width: int, verbose: bool) -> None:
    """Escape sequences, bidirectional marks and markup show as text at every width."""
    text = page(sample(HOSTILE), width, verbose=verbose)
    assert all(character == "\n" or character.isprintable() for character in text)
    assert "\\x1b]0;owned\\x07" in text.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_the_width_and_end_without_blanks(width: int) -> None:
    """Only a display filter may be longer than the page is wide."""
    for line in page(sample(), width, verbose=True).splitlines():
        assert len(line) <= width or "filter" in line
        assert line == line.rstrip()


def test_verbose_adds_reasons_and_lines() -> None:
    """`--verbose` shows why, the candidate lines, the timeline and the observers."""
    added = "candidate:? 1 udp ? 203.0.113.7 40150 typ srflx"
    assert added not in page(sample(), 200)
    text = page(sample(), 200, verbose=True)
    assert added in text
    assert "GOOG-NETWORK-INFO in a check" in text
    assert "Who learned what" in text
    assert "tunnel-up: the proxy answers" in text


def test_quiet_page_is_the_verdict_alone() -> None:
    """`--quiet` prints the first lines only."""
    stream = io.StringIO()
    print_verdict(sample(), Console(file=stream, width=200))
    assert len(stream.getvalue().splitlines()) == 3


def test_long_lists_are_cut_and_say_so() -> None:
    """A page stays readable for a report with a thousand names, and counts what it hides."""
    report = sample()
    report.mdns_names *= 1000
    text = page(report)
    assert "and 980 more names" in text
    assert len(text.splitlines()) < 120
    assert "more names" not in page(report, verbose=True)


def test_tunnels_beyond_a_page_are_counted() -> None:
    report = sample()
    report.tunnels = [TunnelEntry("wireguard", f"192.0.2.{one}:51820", "eth0") for one in range(99)]
    text = page(report)
    assert "192.0.2.19:51820" in text
    assert "192.0.2.20:51820" not in text
    assert "and 79 more tunnels" in text
    assert "192.0.2.98:51820" in page(report, verbose=True)


def test_pipe_gets_a_page_of_fixed_width_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no terminal says how wide it is, the page is 100 columns of plain text."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    console = page_console(io.StringIO())
    assert (console.width, console.is_terminal, console.color_system) == (100, False, None)


def test_a_given_tunnel_that_is_not_in_the_capture_is_said_to_be_missing() -> None:
    given = TunnelEntry(kind="unknown", endpoint="", interface=None)
    assert "tunnel  given, but not in the capture" in page(replace(sample(), tunnels=[given]))
