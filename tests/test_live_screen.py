"""The page of a watch, and that a terminal gets it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from io import StringIO

from live_support import PROXY, machine, requests
from sample_report import sample

from pcapleak.cli.console import page_console
from pcapleak.report.document import Document
from pcapleak.report.screen.page import Status, live_page


def drawn(document: Document | None, status: Status) -> str:
    out = StringIO()
    page_console(out).print(live_page(document, status))
    return out.getvalue()


def test_before_the_first_packet_it_listens() -> None:
    assert drawn(None, Status("eth0")).startswith(" LISTENING   eth0")


def test_the_verdict_is_on_top_and_every_section_below() -> None:
    document = sample()
    status = Status("eth0", 65.0, 12_345, 99.0, 7, 42, list(document.findings))
    text = drawn(document, status)
    lines = text.splitlines()
    assert lines[0].startswith(" LEAK ")
    assert "12,345 packets (99/s), 42 flows, 7 lost" in text
    assert document.findings[0].id in text
    for flow in document.flows:
        if flow.path == "bypass":
            assert flow.resp.address in text


def test_strings_of_strangers_are_harmless() -> None:
    """Escape sequences in a finding's message or a flow's name do not reach the terminal."""
    document = sample()
    for finding in document.findings:
        finding.message = "\x1b]0;owned\x07 \u202e[red]"
    for flow in document.flows:
        flow.process = flow.server_name = "\x1b[31m"
    text = drawn(document, Status("\x1b[2J", findings=list(document.findings)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]" in text


def test_a_terminal_shows_the_page_as_it_changes(root_network: None) -> None:
    with machine() as (client, _):
        control, terminal = pty.openpty()
        watching = subprocess.Popen(
            ["ip", "netns", "exec", client.name, sys.executable, "-m", "pcapleak", "live",
             "--iface", "eth0", "--proxy", PROXY],
            stdout=subprocess.DEVNULL, stderr=terminal,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
        )  # fmt: skip
        os.close(terminal)
        shown = b""
        sent = False
        end = time.monotonic() + 30
        while b" LEAK " not in shown and time.monotonic() < end:
            if select.select([control], [], [], 0.2)[0]:
                shown += os.read(control, 65536)
            if b"LISTENING" in shown and not sent:
                sent = True
                requests(client, 5)
        watching.send_signal(signal.SIGINT)
        while select.select([control], [], [], 5)[0]:
            try:
                shown += os.read(control, 65536)
            except OSError:
                break  # the other end is closed
        watching.wait(20)
        os.close(control)
    assert b" LEAK " in shown
    assert b"Past the tunnel or proxy" in shown
    assert watching.returncode == 1
