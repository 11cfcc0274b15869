"""`pcapleak.watch`: a live source judged while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from pcapleak.analyzer import Analyzer
from pcapleak.capture.live.source import LiveSource
from pcapleak.document import Document, Finding
from pcapleak.policy import Policy
from pcapleak.tracking.state import CaptureFacts

JUDGE_EVERY_S = 0.25
"""Judging anew after this long keeps a finding under a second from its packet."""


class Update(NamedTuple):
    """What one step of a watch brought."""

    findings: list[Finding]
    """Seen for the first time, worst first."""
    verdict: str | None
    """The new verdict where it has changed."""


class Watch:
    """The pipeline of `analyze` on live packets; `document()` is the report so far."""

    def __init__(self, source: LiveSource, policy: Policy | None = None) -> None:
        self.source = source
        self._analyzer = Analyzer(policy, source.interfaces)
        self._facts = CaptureFacts(source.path, source.format)
        self._analyzer.state.captures.append(self._facts)
        self._known: set[tuple[str, str]] = set()
        self._verdict: str | None = None
        self._fresh = True
        self._judged_s = 0.0

    def step(self, timeout_s: float = JUDGE_EVERY_S) -> Update | None:
        """Take what arrives within `timeout_s`; an update when something was judged anew."""
        batch = self.source.read(timeout_s)
        if batch is not None:
            self._analyzer.add(batch)
            self._fresh = True
        now_s = time.monotonic()
        if not self._fresh or now_s - self._judged_s < JUDGE_EVERY_S:
            return None
        document = self.document()
        self._judged_s = time.monotonic()
        new = [each for each in document.findings if (each.id, each.subject) not in self._known]
        self._known.update((each.id, each.subject) for each in new)
        result = document.verdict.result
        changed = result if result != self._verdict else None
        self._verdict = result
        return Update(new, changed) if new or changed else None

    def document(self) -> Document:
        """The report of all packets so far."""
        self._fresh = False
        self._facts.bytes = self.source.bytes_read
        self._facts.problems = list(self.source.problems)
        if self.source.dropped:
            self._facts.problems.append(f"the kernel dropped {self.source.dropped} packets")
        return self._analyzer.document()


def watch(source: LiveSource, policy: Policy | None = None) -> Iterator[Update]:
    """Updates of a live source, for ever: stop by closing the generator or with Ctrl-C."""
    running = Watch(source, policy)
    while True:
        update = running.step()
        if update is not None:
            yield update
