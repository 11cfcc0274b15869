"""What a watch tells while it runs: a line for each new thing, and JSON lines."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import typer
from msgspec import Struct

from pcapleak.cli.live_files import write_line
from pcapleak.cli.streams import StreamLostError
from pcapleak.live.writer_thread import Scribe
from pcapleak.report.document import Time
from pcapleak.report.screen.head import Status
from pcapleak.report.text import flow_ends, local_time, safe
from pcapleak.report.writers.events import (
    EndEvent,
    StartEvent,
    StatusEvent,
    event_line,
    update_events,
)

if TYPE_CHECKING:
    from pcapleak.pipeline.watch import Watch
    from pcapleak.pipeline.watched import Source
    from pcapleak.report.document import Document
    from pcapleak.report.update import Update

MAX_LINES = 100
"""Of one kind of news after one judgement: whatever a stranger makes up, the terminal is no longer
busy with than that. --jsonl has all of them."""


class Screen:
    """Tells of a watch: on standard error, and to `jsonl`."""

    def __init__(self, source: Source, policy_lines: list[str], jsonl: BinaryIO | None) -> None:
        self._source = source
        self._policy_lines = policy_lines
        self._jsonl = jsonl
        self._scribe = Scribe()
        self._lines = Scribe()
        """For standard error: the watch waits for no terminal, and for no reader of a pipe."""
        self.unrecorded = 0
        """Packets that --record left out, so far."""
        self._status = Status(source.path.removeprefix("live:"))
        self._document: Document | None = None
        self._untold = 0
        self._full = False
        """--jsonl takes no more."""

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
        lines = [*self._policy_lines, f"watching {self._status.source}"]
        self._show([f"pcapleak: {line}" for line in lines])

    def host(self, work: Callable[[], Update], stop: Callable[[str], None]) -> Update:
        """Do the work of the watch; `stop` is for one who looks at it and has seen enough."""
        return work()

    def say(self, text: str) -> None:
        """Something went wrong that the watch outlives."""
        self._show([f"pcapleak: {text}"])

    def update(self, watch: Watch, update: Update) -> None:
        """A judgement brought something, or nothing."""
        self._document = update.document
        self._untold = update.flows_untold
        for event in update_events(update, time.time_ns()):
            self._event(event)
        self._tell(watch, update)

    def status(self, watch: Watch) -> None:
        """It is time for the counters."""
        self._event(
            StatusEvent(
                Time(time.time_ns()),
                watch.packets,
                watch.dropped,
                watch.flows,
                len(self._document.findings) if self._document else 0,
                self.unrecorded,
                self._untold,
            )
        )

    def tick(self, watch: Watch) -> None:
        """A step of the watch is done."""
        self._check()

    def end(self, watch: Watch, update: Update, reason: str) -> None:
        """The watch is over."""
        verdict = update.document.verdict
        self._event(
            EndEvent(
                Time(time.time_ns()),
                reason,
                watch.packets,
                watch.dropped,
                verdict,
                self.unrecorded,
                self._untold,
            )
        )

    def close(self) -> None:
        """Nothing more will be told."""
        self._scribe.close()
        try:
            self._check()
        finally:
            self._lines.close()
        if self._jsonl is not None and self._jsonl is not sys.stdout.buffer:
            self._jsonl.close()

    def _event(self, event: Struct) -> None:
        if self._jsonl is not None and not self._full:
            line = event_line(event).encode()
            self._scribe.offer(
                partial(write_line, self._jsonl.fileno(), line), len(line), wait=True
            )
            self._check()

    def _check(self) -> None:
        error = self._scribe.error
        if isinstance(error, BrokenPipeError):
            raise StreamLostError(errno.EPIPE) from error
        if error is not None and not self._full:
            self._full = True
            self.say(f"--jsonl stopped: {error.strerror}")

    def _tell(self, watch: Watch, update: Update) -> None:
        """Show what a judgement brought."""
        flows = [
            f"{local_time(flow.first_time)} outside the tunnel: {flow.protocol} {flow_ends(flow)}"
            + (f", {flow.process}" if flow.process else "")
            for flow in update.flows[:MAX_LINES]
        ]
        sessions = [
            f"{local_time(session.first_time)} WebRTC session {session.id} ({session.engine})"
            for session in update.sessions[:MAX_LINES]
        ]
        names = [
            f"{local_time(name.first_time)} name {name.name} = {', '.join(name.addresses) or '?'}"
            for name in update.names[:MAX_LINES]
        ]
        findings = [
            f"{local_time(finding.first_time)} {finding.severity} {finding.id} {finding.message}"
            for finding in update.findings[:MAX_LINES]
        ]
        lines = [f"{local_time(event.time)} {event.text}" for event in update.events]
        for shown, total, what in (
            (flows, len(update.flows) + update.flows_untold, "flows outside the tunnel"),
            (sessions, len(update.sessions), "WebRTC sessions"),
            (names, len(update.names), "names"),
            (findings, len(update.findings), "findings"),
        ):
            lines += shown
            if total > len(shown):
                lines.append(f"... and {total - len(shown):,} more {what}")
        if update.verdict_changed:
            verdict = update.document.verdict
            exposed = ", ".join(verdict.exposed_addresses[:4])
            lines.append(f"verdict: {verdict.result}" + (f", exposed {exposed}" if exposed else ""))
        self._show(lines)

    def _show(self, lines: list[str]) -> None:
        if lines:
            text = "\n".join(safe(line, 2000) for line in lines)
            self._lines.offer(partial(typer.echo, text, err=True), len(text))
