"""What a watch shows while it runs: a page on a terminal, lines elsewhere, JSON lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import typer

from pcapleak.errors import PcapleakError
from pcapleak.live.writer_thread import Scribe
from pcapleak.report.document import Time
from pcapleak.report.screen.page import Status, live_page
from pcapleak.report.text import clock_time, flow_ends, safe
from pcapleak.report.writers.events import (
    EndEvent,
    StartEvent,
    StatusEvent,
    event_line,
    update_events,
)

if TYPE_CHECKING:
    from rich.live import Live

    from pcapleak.pipeline.watch import Source, Update, Watch
    from pcapleak.report.document import Document

DRAW_EVERY_S = 0.5
"""Counters move this often; anything new is drawn at once."""
MAX_FINDINGS = 1000
MAX_LINES = 100
"""Of flows that bypass, after one judgement; --jsonl has all of them."""


class Screen:
    """Tells of a watch: on standard error, and to `jsonl`."""

    def __init__(
        self, source: Source, policy_lines: list[str], *, plain: bool, jsonl: BinaryIO | None
    ) -> None:
        self._source = source
        self._policy_lines = policy_lines
        self._plain = plain
        self._jsonl = jsonl
        self._scribe = Scribe()
        self.unrecorded = 0
        """Packets that --record left out, so far."""
        self._status = Status(source.path.removeprefix("live:"))
        self._document: Document | None = None
        self._untold = 0
        self._live: Live | None = None
        self._started_s = time.monotonic()
        self._drawn_s = 0.0
        self._drawn_packets = 0

    def start(self) -> None:
        """The watch has begun."""
        self._event(
            StartEvent(
                Time(time.time_ns()),
                self._source.path,
                [interface.label for interface in self._source.interfaces],
                self._policy_lines,
            )
        )
        for line in self._policy_lines:
            typer.echo(safe(f"pcapleak: {line}", 2000), err=True)
        typer.echo(f"pcapleak: watching {safe(self._status.source)}", err=True)
        if not self._plain:
            self._open_page()

    def host(self, work: Callable[[], Update], stop: Callable[[str], None]) -> Update:
        """Do the work of the watch; `stop` is for one who looks at it and has seen enough."""
        return work()

    def say(self, text: str) -> None:
        """Something went wrong that the watch outlives."""
        typer.echo(safe(f"pcapleak: {text}", 2000), err=True)

    def update(self, watch: Watch, update: Update) -> None:
        """A judgement brought something, or nothing."""
        self._document = update.document
        self._untold = update.flows_untold
        for event in update_events(update, time.time_ns()):
            self._event(event)
        self._status.findings += update.findings
        del self._status.findings[:-MAX_FINDINGS]
        if self._plain:
            self._lines(update)
        elif update.findings or update.verdict_changed or update.events:
            self._draw(watch)

    def status(self, watch: Watch) -> None:
        """It is time for the counters."""
        self._event(
            StatusEvent(
                Time(time.time_ns()),
                watch.packets,
                watch.source.dropped,
                watch.flows,
                len(self._document.findings) if self._document else 0,
                self.unrecorded,
                self._untold,
            )
        )

    def tick(self, watch: Watch) -> None:
        """Draw the page anew, now and then."""
        self._check()
        if not self._plain and time.monotonic() - self._drawn_s > DRAW_EVERY_S:
            self._draw(watch)

    def end(self, watch: Watch, update: Update, reason: str) -> None:
        """The watch is over."""
        verdict = update.document.verdict
        self._event(
            EndEvent(
                Time(time.time_ns()),
                reason,
                watch.packets,
                watch.source.dropped,
                verdict,
                self.unrecorded,
                self._untold,
            )
        )

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
        self._scribe.close()
        self._check()
        if self._jsonl is not None and self._jsonl is not sys.stdout.buffer:
            self._jsonl.close()

    def _draw(self, watch: Watch) -> None:
        now_s = time.monotonic()
        status = self._status
        status.rate = (watch.packets - self._drawn_packets) / max(now_s - self._drawn_s, 0.001)
        self._drawn_s, self._drawn_packets = now_s, watch.packets
        status.elapsed_s = now_s - self._started_s
        status.packets, status.dropped = watch.packets, watch.source.dropped
        status.flows, status.unrecorded = watch.flows, self.unrecorded
        self._show(self._document, status)

    def _open_page(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def _show(self, document: Document | None, status: Status) -> None:
        if self._live is not None:
            self._live.update(live_page(document, status), refresh=True)

    def _event(self, event: object) -> None:
        if self._jsonl is not None:
            line = event_line(event).encode()
            self._scribe.offer(partial(_write, self._jsonl.fileno(), line), len(line), wait=True)
            self._check()

    def _check(self) -> None:
        error = self._scribe.error
        if isinstance(error, BrokenPipeError):
            raise error
        if error is not None:
            raise PcapleakError(f"--jsonl: cannot be written ({error.strerror})")

    def _lines(self, update: Update) -> None:
        lines = [f"{clock_time(event.time)} {event.text}" for event in update.events]
        lines += [
            f"{clock_time(flow.first_time)} past the tunnel or proxy: {flow.protocol} "
            f"{flow_ends(flow)}" + (f", {flow.process}" if flow.process else "")
            for flow in update.flows[:MAX_LINES]
        ]
        if len(update.flows) > MAX_LINES or update.flows_untold:
            more = max(0, len(update.flows) - MAX_LINES) + update.flows_untold
            lines.append(f"... and {more} more flows past the tunnel or proxy")
        lines += [
            f"{clock_time(session.first_time)} WebRTC session {session.id} ({session.engine})"
            for session in update.sessions
        ]
        lines += [
            f"{clock_time(name.first_time)} name {name.name} = {', '.join(name.addresses) or '?'}"
            for name in update.names
        ]
        lines += [
            f"{clock_time(finding.first_time)} {finding.severity} {finding.id} {finding.message}"
            for finding in update.findings
        ]
        if update.verdict_changed:
            verdict = update.document.verdict
            exposed = ", ".join(verdict.exposed_addresses[:4])
            lines.append(f"verdict: {verdict.result}" + (f", exposed {exposed}" if exposed else ""))
        for line in lines:
            typer.echo(safe(line, 2000), err=True)


def _write(descriptor: int, data: bytes) -> None:
    # No buffer keeps what could not be written, to try again when Python ends.
    while data:
        data = data[os.write(descriptor, data) :]
