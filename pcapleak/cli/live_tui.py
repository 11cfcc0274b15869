"""The screen of `pcapleak live`: the watch in a thread, the terminal in front of it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO

from msgspec.structs import replace

from pcapleak.cli.live_options import Via
from pcapleak.cli.live_screen import Screen
from pcapleak.report.screen.head import Status

if TYPE_CHECKING:
    from pcapleak.pipeline.watch import Watch
    from pcapleak.pipeline.watched import Source
    from pcapleak.report.document import Document
    from pcapleak.report.screen.interactive import Look, WatchApp
    from pcapleak.report.update import Update


DRAW_EVERY_S = 0.5
"""Counters move this often; anything new is drawn at once."""


def why_no_screen(via: Via) -> str:
    """Why there can be no such screen; nothing where there can."""
    if via not in (Via.RING, Via.SCAPY):
        return f"--via {via.value} takes the place of the keyboard"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "needs a terminal"
    return ""


class Tui(Screen):
    """The screen that answers to keys; ask `why_no_screen` first."""

    def __init__(self, source: Source, policy_lines: list[str], jsonl: BinaryIO | None) -> None:
        from pcapleak.report.screen.interactive import WatchApp

        super().__init__(source, policy_lines, jsonl)
        self._started_s = time.monotonic()
        self._drawn_s = 0.0
        self._drawn_packets = 0
        self._shown: tuple[Document | None, Status] = (None, replace(self._status))
        self._work: Future[Update] | None = None
        asyncio.run(_once(WatchApp(self._look)))
        self._app = WatchApp(self._look)

    def host(self, work: Callable[[], Update], stop: Callable[[str], None]) -> Update:
        """Do the work in a thread: signals and the terminal are the main thread's."""
        with ThreadPoolExecutor(1) as pool:
            self._work = pool.submit(work)
            try:
                self._app.run()
            finally:
                stop("q")
            update = self._work.result()
        for text in self._status.notes:
            super().say(text)
        return update

    def say(self, text: str) -> None:
        """On the page, and in the terminal once the page is gone."""
        self._status.notes.append(text)

    def tick(self, watch: Watch) -> None:
        """Draw anew, now and then."""
        super().tick(watch)
        if time.monotonic() - self._drawn_s > DRAW_EVERY_S:
            self._draw(watch)

    def _tell(self, watch: Watch, update: Update) -> None:
        if update.findings or update.verdict_changed or update.events:
            self._draw(watch)

    def _draw(self, watch: Watch) -> None:
        now_s = time.monotonic()
        status = self._status
        status.rate = (watch.packets - self._drawn_packets) / max(now_s - self._drawn_s, 0.001)
        self._drawn_s, self._drawn_packets = now_s, watch.packets
        status.elapsed_s = now_s - self._started_s
        status.packets, status.dropped = watch.packets, watch.dropped
        status.flows, status.unrecorded = watch.flows, self.unrecorded
        # The screen looks for it by itself: the watch never waits for the terminal.
        self._shown = (self._document, replace(status))

    def _look(self) -> Look:
        from pcapleak.report.screen.interactive import Look

        return Look(*self._shown, ended=self._work is not None and self._work.done())


async def _once(app: WatchApp) -> None:
    """Show the page to nobody: what it loads late is loaded while there are rights to."""
    async with app.run_test() as pilot:
        await pilot.press("slash", "escape", "s")
