"""A live source judged while it runs: the pipeline of `analyze` on packets as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from pcapleak.capture.batches import rows_of
from pcapleak.capture.machine_notes import policy_note
from pcapleak.judge import PATHS
from pcapleak.live.evidence import EvidenceFile
from pcapleak.live.processes import Processes
from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.pipeline.awaited import Evidence
from pcapleak.pipeline.background import NICENESS, Background
from pcapleak.pipeline.flow_programs import FlowPrograms
from pcapleak.pipeline.frame_comments import comments_on
from pcapleak.pipeline.news import News
from pcapleak.pipeline.pacing import STEP_PACKETS, Pacing
from pcapleak.pipeline.watched import Source
from pcapleak.policy.policy import Policy
from pcapleak.report.build import flow_entry
from pcapleak.report.document import Document, FlowEntry
from pcapleak.report.update import Update
from pcapleak.track.state import CaptureFacts
from pcapleak.values.packets import RecordBatch
from pcapleak.values.words import sentences

JUDGE_AFTER_S = 0.1
"""Judging anew no sooner than this after the last time."""
JUDGE_TOTALS_S = 2.0
"""Judging anew after this long where only counts have grown."""
MAX_SHARE = 0.2
"""Of the time is for judging between two batches."""
INLINE_S = 0.1
"""A judgement that takes more processor time, or comes while packets wait already, is made by a
child process: no packet waits for it. What takes less waits no longer for itself than a child would
for a free processor."""
CHILD_REST = 0.5
"""Between two such children, as a share of the processor time of the last: together they take two
thirds of a processor at the most, and a leak is told within 2.5 times of it where one is free."""
CHILD_POLL_S = 0.02
"""How often a child is looked for while nothing comes."""
CHILD_CPU_S = 10
"""Of processor time for a child. One that takes longer is given up, which the report tells, and
the next one has twice as much."""
TOLD_AT_ONCE = 1000
"""Flows told as bypassing after one judgement, 30 ms of work; others after the next."""
TOLD_LAST = 10_000
"""Flows told at the end of a watch that has little time for it."""
LAST_READS = 16
"""Of what waits at the end of a watch and is only counted: twice what the ring holds."""
MAX_TOLD = 100_000
"""Flows told in all: a line of JSON each, 60 MB together. Others are counted."""
BYPASS = PATHS.index("bypass")


class Judged(NamedTuple):
    """What one judgement gives; made in a child process where it takes long."""

    document: Document
    flows: list[FlowEntry]
    """Flows that bypass and were not told before."""
    untold: int
    """Such flows for which there was no room."""


class Watch:
    """Takes packets step by step; `document()` is the report so far."""

    def __init__(
        self,
        source: Source,
        policy: Policy | None = None,
        *,
        processes: Processes | None = None,
        evidence: EvidenceFile | None = None,
        guarded: bool = False,
        relearn: Callable[[], Policy | None] | None = None,
    ) -> None:
        """`relearn` gives what holds now, where the machine has changed since it was asked."""
        self.source = source
        self.last_batch: RecordBatch | None = None
        """What the last step took; where it left out the rest, with that."""
        self._relearn = relearn
        self._evidence = evidence
        self._policy = policy
        self._analyzer = Analyzer(policy, source.interfaces)
        self._facts = CaptureFacts(
            source.path, source.format, filter=source.expression, gaps=source.gaps, guarded=guarded
        )
        self._analyzer.state.captures.append(self._facts)
        self._analyzer.state.device_changes = source.changes
        self.programs = FlowPrograms(self._analyzer.state, processes)
        if policy is not None:
            source.notes.append((time.time_ns(), policy_note(policy)))
        self._news_of = News()
        self._seen = (0, 0, 0, 0)
        self._told = np.zeros(0, np.bool_)
        self._child: Background[Judged] | None = None
        self._child_cpu_s = CHILD_CPU_S
        self._document: Document | None = None
        self._rest: RecordBatch | None = None
        self._pacing = Pacing()
        self._untaken = self._left_out = 0
        self._pending = self._news = False
        self._last_frame = 0
        self._judged_frame = 0
        self._judged_s = 0.0
        self._ran_s = 0.0
        """What the last judgement took in processor time."""
        self._beside_s = 0.0
        """What all took that children made and that are done."""

    @property
    def packets(self) -> int:
        """Packets analyzed so far."""
        return self._facts.packets

    @property
    def flows(self) -> int:
        """Flows seen so far."""
        return len(self._analyzer.state.flows)

    @property
    def dropped(self) -> int:
        """Packets lost so far: by the source, and by a watch that was too far behind."""
        return self.source.dropped + self._untaken

    @property
    def ended(self) -> bool:
        """Nothing will come any more."""
        return self.source.ended and self._rest is None

    def step(self, timeout_s: float = JUDGE_AFTER_S) -> Update | None:
        """Take what arrives within `timeout_s`; an update when it was judged anew.

        Returns soon after `pacing.STEP_S`, however much has arrived: the next steps take the rest.
        """
        wait_s = self._wait_s() if self._child is None else CHILD_POLL_S
        batch = self._next(max(0.0, min(timeout_s, wait_s)))
        self.programs.step = None
        self._learn()
        began_s = time.monotonic()
        if batch is not None:
            self._take(batch)
        self.programs.ask()
        self._note_news(batch is not None)
        if self._child is not None:
            return self._judged_beside(self._child) if self._is_done(self._child, began_s) else None
        if self._wait_s() > 0:
            return None
        if self._judges_inline:
            return self.judge()
        self._begin()
        niceness = 0 if self._pacing.hurries(time.monotonic()) else NICENESS
        self._child = Background(self._judge, cpu_s=self._child_cpu_s, niceness=niceness)
        return None

    def judge(self) -> Update:
        """Judge all that has come so far."""
        self.close()
        self._begin()
        before_s = time.thread_time()
        judged = self._judge()
        self._ran_s = time.thread_time() - before_s
        return self._judged(judged)

    def finish(self, within_s: float | None = None) -> Update:
        """The last judgement, of all that was taken; all flows are told that still wait.

        Where it is not there `within_s` seconds, the last one stands, less sure than it was: what
        came since was not judged, and the report says so.
        """
        self.close()
        known = 0 if self._document is None else self._document.statistics.packets
        self._begin()
        work = partial(self._judge, MAX_TOLD if within_s is None else TOLD_LAST)
        if within_s is None or self._judges_inline:
            return self._judged(work())
        child = Background(work, cpu_s=self._child_cpu_s, niceness=0)
        try:
            if child.wait(within_s) and child.result is not None:
                return self._judged(child.result)
        finally:
            child.close()
        return self._update(Judged(self._stale(self.packets - known), [], 0))

    @property
    def _judges_inline(self) -> bool:
        """Whether packets wait for the next judgement: on Windows for every one, since no process
        there has a child that knows what it knows."""
        brief = self._ran_s <= INLINE_S and not self._pacing.is_behind
        return brief or sys.platform == "win32"

    def add_page(self, path: str, evidence: Evidence) -> None:
        """Hold what a page read against the packets from now on."""
        self._analyzer.add_page(path, *evidence)
        self._news = self._pending = True

    def take_rest(self, within_s: float) -> Iterator[None]:
        """Take what has come and waits, in steps whose packets `last_batch` has: as much as there
        is time for, and the rest counts as lost. What then holds is judged by last."""
        yield from self._take_rest(within_s)
        self._learn()

    def _take_rest(self, within_s: float) -> Iterator[None]:
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            batch = self.source.read(0) if self._rest is None else self._rest
            self._rest = None
            if batch is None:
                return
            if len(batch) > STEP_PACKETS:
                self._rest = rows_of(batch, STEP_PACKETS, len(batch))
            self._left_out = 0
            self.last_batch = rows_of(batch, 0, STEP_PACKETS)
            self._take(self.last_batch)
            yield
        if self._rest is not None:
            self._untaken += len(self._rest)
            self._rest = None
        for _ in range(LAST_READS if self.source.loses else 0):
            batch = self.source.read(0)
            if batch is None:
                return
            self._untaken += len(batch)

    def _learn(self) -> None:
        """Judge by what holds now, where the machine has changed."""
        policy = None if self._relearn is None else self._relearn()
        if policy is not None:
            self._policy = self._analyzer.policy = policy
            self.source.notes.append((time.time_ns(), policy_note(policy)))
            self._news = True

    def close(self) -> None:
        """End a judgement that still goes on."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _is_done(self, child: Background[Judged], began_s: float) -> bool:
        """Whether a judgement is there. Where there is more than the watch can take, it leaves the
        judgement half of the time: the leak in it is worth more than a few packets of a flood."""
        now_s = time.monotonic()
        return child.wait(now_s - began_s if self._pacing.flooded(now_s) else 0.0)

    def _begin(self) -> None:
        self._judged_frame = self._last_frame
        self._pending = self._news = False

    def _judged_beside(self, child: Background[Judged]) -> Update | None:
        self._child = None
        self._ran_s = child.ran_s
        self._beside_s += child.ran_s
        if child.result is not None:
            return self._judged(child.result)
        if not child.killed:
            return self.judge()  # where it fails, it fails here
        late = f"a judgement took longer than {self._child_cpu_s} s and was abandoned"
        self.source.problems.append(f"{late}: what it would have told came later, or not")
        self._child_cpu_s *= 2
        self._judged_s = time.monotonic()
        self._pending = True
        return None

    def _stale(self, since: int) -> Document:
        """The last report, of all but the last packets."""
        document = self._document
        if document is None:
            empty = Analyzer(self._policy, self.source.interfaces)
            empty.state.captures.append(self._facts)
            document = empty.document()
        lacks = f"the last {since:,} packets were not judged: that would have taken too long"
        captures = [
            replace(entry, problems=[*entry.problems, lacks]) for entry in document.captures
        ]
        verdict = document.verdict
        if verdict.result == "no-leak":
            verdict = replace(verdict, result="inconclusive", reason=sentences(lacks))
        return replace(document, captures=captures, verdict=verdict)

    def _judged(self, judged: Judged) -> Update:
        self._judged_s = time.monotonic()
        if self._evidence is not None:
            comments = comments_on(judged.document, self._analyzer.state.programs)
            self._evidence.mark(comments, self._judged_frame)
        self._told = np.append(self._told, np.zeros(self.flows - len(self._told), np.bool_))
        self._told[[flow.id for flow in judged.flows]] = True
        # Flows that wait to be told are news for the next judgement.
        self._news |= judged.untold > 0 and len(judged.flows) == TOLD_AT_ONCE
        return self._update(judged)

    def _update(self, judged: Judged) -> Update:
        self._document = judged.document
        return self._news_of.update(*judged)

    def _judge(self, at_once: int = TOLD_AT_ONCE) -> Judged:
        """The report of all packets so far, and what is told of it."""
        self._facts.bytes = self.source.bytes_read
        self._facts.problems = [*self.source.problems, *self.programs.notes()]
        self._facts.drops = self.dropped
        judgement = self._analyzer.judge()
        fresh = judgement.path == BYPASS
        fresh[: len(self._told)] &= ~self._told
        rows = np.flatnonzero(fresh)
        now = rows[: max(0, min(at_once, MAX_TOLD - np.count_nonzero(self._told)))].tolist()
        flows = [flow_entry(self._analyzer.state, judgement, row) for row in now]
        return Judged(self._analyzer.report(judgement), flows, len(rows) - len(now))

    def _next(self, timeout_s: float) -> RecordBatch | None:
        """As many packets as a step has time for."""
        batch, self._rest = self._rest, None
        if batch is None:
            batch = self.source.read(timeout_s)
        self.last_batch = batch
        # What waits for its reader may be a recording, of any time.
        behind_s = 0.0
        if batch is not None and self.source.loses:
            behind_s = time.time() - int(batch.ts_ns[0]) / 1e9
        beside_s = 0.0 if self._child is None else self._child.so_far_s()
        ran_s = time.thread_time() + self._beside_s + beside_s
        late = self._pacing.falls_behind(behind_s, time.monotonic(), ran_s)
        count = self._pacing.step
        self._left_out = 0
        if batch is None or len(batch) <= count:
            return batch
        if late:
            self._left_out = len(batch) - count
            self._untaken += self._left_out
            return rows_of(batch, self._left_out, len(batch))
        self._rest = rows_of(batch, count, len(batch))
        self.last_batch = rows_of(batch, 0, count)
        return self.last_batch

    def _take(self, batch: RecordBatch) -> None:
        start_s = time.monotonic()
        rows, flow = self._analyzer.add(batch)
        self.programs.step = rows + self._left_out, flow
        self._pacing.took(len(batch), time.monotonic() - start_s)
        self._last_frame = int(batch.frame[-1])
        if self._evidence is not None:
            self._evidence.add(batch)

    def _note_news(self, any_packets: bool) -> None:
        """Tell totals that grew from what may make a new finding."""
        state = self._analyzer.state
        told = len(state.device_changes), len(self.source.gaps)
        seen = (self.flows, sum(state.messages.values()), *told)
        self._news |= seen != self._seen
        self._pending |= any_packets or self._news
        self._seen = seen

    def _wait_s(self) -> float:
        """Seconds until it is time to judge."""
        if not self._pending:
            return JUDGE_TOTALS_S
        rest_s = self._ran_s * (1 / MAX_SHARE - 1 if self._judges_inline else CHILD_REST)
        rest_s = max(JUDGE_AFTER_S if self._news else JUDGE_TOTALS_S, rest_s)
        return self._judged_s + rest_s - time.monotonic()
