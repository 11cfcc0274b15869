"""`pcapleak live --tui`: the watch in a thread, the terminal in front of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from pcapleak.cli.live_options import Via
from pcapleak.cli.live_screen import Screen
from pcapleak.errors import PcapleakError
from pcapleak.report.screen.page import Status

if TYPE_CHECKING:
    from pcapleak.pipeline.watch import Source, Update
    from pcapleak.report.document import Document
    from pcapleak.report.screen.interactive import Look, WatchApp


def need_tui(via: Via) -> None:
    """Raise `PcapleakError` where there can be no such page."""
    if via not in (Via.RING, Via.SCAPY):
        raise PcapleakError(f"--tui: --via {via.value} takes the place of the keyboard")
    try:
        import textual  # noqa: F401
    except ModuleNotFoundError as error:
        raise PcapleakError("--tui: needs textual: pip install 'pcapleak[tui]'") from error
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise PcapleakError("--tui: needs a terminal for its keys and its page")


class Tui(Screen):
    """The screen that answers to keys; `need_tui` first."""

    def __init__(self, source: Source, policy_lines: list[str], jsonl: BinaryIO | None) -> None:
        from pcapleak.report.screen.interactive import WatchApp

        super().__init__(source, policy_lines, plain=False, jsonl=jsonl)
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

    def _open_page(self) -> None:
        """The page is opened by `host`."""

    def _show(self, document: Document | None, status: Status) -> None:
        # The page looks for it by itself: the watch never waits for the terminal.
        self._shown = (document, replace(status))

    def _look(self) -> Look:
        from pcapleak.report.screen.interactive import Look

        return Look(*self._shown, ended=self._work is not None and self._work.done())


async def _once(app: WatchApp) -> None:
    """Show the page to nobody: what it loads late is loaded while there are rights to."""
    async with app.run_test() as pilot:
        await pilot.press("slash", "escape", "s")
