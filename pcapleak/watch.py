"""A live source judged while it runs: the pipeline of `analyze` on packets as they come."""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol

from pcapleak.analyzer import Analyzer
from pcapleak.capture.live.evidence import EvidenceFile
from pcapleak.capture.live.processes import Processes
from pcapleak.document import Document, Finding, FlowEntry, IceSession, MdnsName, TimelineEvent
from pcapleak.model import DeviceChange, Interface, RecordBatch
from pcapleak.policy import Policy
from pcapleak.tracking.state import CaptureFacts

JUDGE_AFTER_S = 0.1
"""Judging anew no sooner than this after the last time."""
MAX_SHARE = 0.2
"""Of the time is for judging, as long as a leak is still told within `JUDGE_WITHIN_S`."""
JUDGE_WITHIN_S = 0.6
"""From what may be a leak to its judgement; beyond it half of the time may go to judging."""
JUDGE_TOTALS_S = 2.0
"""Judging anew after this long where only counts have grown."""
MAX_PROCESSES = 100_000
"""Flows whose process is remembered: about 150 bytes each, 15 MB."""
ASKED_A_BATCH = 256
"""New flows of one batch whose processes are asked for."""
EVIDENT = ("critical", "high", "medium", "low")
"""Severities of findings whose packets are evidence."""


class Source(Protocol):
    """Where a watch gets its packets from."""

    path: str
    format: str
    interfaces: list[Interface]
    problems: list[str]
    changes: list[DeviceChange]

    @property
    def bytes_read(self) -> int:
        """Bytes of packets so far."""

    @property
    def received(self) -> int:
        """Packets so far."""

    @property
    def dropped(self) -> int:
        """Packets lost so far, where the source can tell."""

    @property
    def ended(self) -> bool:
        """Nothing will come any more."""

    def start(self) -> None:
        """Begin, once rights were dropped: threads and programs are started here."""

    def read(self, timeout_s: float) -> RecordBatch | None:
        """What has arrived, waiting at most this long."""

    def close(self) -> None:
        """Stop."""


class Update(NamedTuple):
    """What a judgement brought that the one before did not have."""

    document: Document
    findings: list[Finding]
    """Worst first."""
    flows: list[FlowEntry]
    """Flows that bypass."""
    sessions: list[IceSession]
    names: list[MdnsName]
    events: list[TimelineEvent]
    """Of tunnels and interfaces; leaks are among the findings."""
    verdict_changed: bool


class Watch:
    """Takes packets step by step; `document()` is the report so far."""

    def __init__(
        self,
        source: Source,
        policy: Policy | None = None,
        *,
        processes: Processes | None = None,
        evidence: EvidenceFile | None = None,
    ) -> None:
        self.source = source
        self.last_batch: RecordBatch | None = None
        """What the last step took."""
        self._processes = processes
        self._evidence = evidence
        self._analyzer = Analyzer(policy, source.interfaces)
        self._facts = CaptureFacts(source.path, source.format)
        self._analyzer.state.captures.append(self._facts)
        self._analyzer.state.device_changes = source.changes
        self._known: set[tuple[str, ...]] = set()
        self._verdict: tuple[str, list[str]] | None = None
        self._seen = (0, 0, 0)
        self._pending_s: float | None = None
        self._news = False
        self._judged_s = 0.0
        self._cost_s = 0.0

    @property
    def packets(self) -> int:
        """Packets analyzed so far."""
        return self._facts.packets

    @property
    def flows(self) -> int:
        """Flows seen so far."""
        return len(self._analyzer.state.flows)

    def step(self, timeout_s: float = JUDGE_AFTER_S) -> Update | None:
        """Take what arrives within `timeout_s`; an update when it was judged anew."""
        batch = self.source.read(max(0.0, min(timeout_s, self._wait_s())))
        self.last_batch = batch
        if batch is not None:
            self._take(batch)
        self._note_news(batch is not None)
        return self.judge() if self._wait_s() <= 0 else None

    def judge(self) -> Update:
        """Judge all that has come so far."""
        started_s = time.monotonic()
        document = self.document()
        self._judged_s = time.monotonic()
        self._cost_s = self._judged_s - started_s
        self._pending_s = None
        self._news = False
        if self._evidence is not None:
            self._evidence.mark(self._comments(document))
        return self._update(document)

    def document(self) -> Document:
        """The report of all packets so far."""
        self._facts.bytes = self.source.bytes_read
        self._facts.problems = list(self.source.problems)
        self._facts.drops = self.source.dropped
        return self._analyzer.document()

    def _take(self, batch: RecordBatch) -> None:
        before = self.flows
        self._analyzer.add(batch)
        if self._evidence is not None:
            self._evidence.add(batch)
        if self._processes is not None and self.flows > before:
            self._ask(self._processes, before)

    def _ask(self, processes: Processes, first: int) -> None:
        """Whose the flows are that were new in the last batch."""
        state = self._analyzer.state
        room = min(ASKED_A_BATCH, MAX_PROCESSES - len(state.processes))
        rows = range(first, min(self.flows, first + max(0, room)))
        flows = state.flows
        asked = [(int(flows.protocol[row]), flows.orig(row), flows.resp(row)) for row in rows]
        for row, text in zip(rows, processes.describe(asked), strict=True):
            if text is not None:
                state.processes[row] = text

    def _note_news(self, any_packets: bool) -> None:
        """Tell totals that grew from what may make a new finding."""
        state = self._analyzer.state
        seen = (self.flows, sum(state.messages.values()), len(state.device_changes))
        if not any_packets and seen == self._seen:
            return
        if self._pending_s is None:
            self._pending_s = time.monotonic()
        if seen != self._seen and not self._news:
            self._news = True
            self._pending_s = time.monotonic()
        self._seen = seen

    def _wait_s(self) -> float:
        """Seconds until it is time to judge."""
        if self._pending_s is None:
            return JUDGE_TOTALS_S
        now_s = time.monotonic()
        rest_s = self._cost_s * (1 / MAX_SHARE - 1)
        if not self._news:
            return self._judged_s + max(JUDGE_TOTALS_S, rest_s) - now_s
        share_s = self._judged_s + max(JUDGE_AFTER_S, rest_s)
        latest_s = self._pending_s + max(0.0, JUDGE_WITHIN_S - self._cost_s)
        return max(min(share_s, latest_s), self._judged_s + self._cost_s) - now_s

    def _comments(self, document: Document) -> dict[int, str]:
        """What each frame of evidence is evidence for, and whose it is."""
        comments: dict[int, list[str]] = {}
        for finding in document.findings:
            if finding.severity not in EVIDENT:
                continue
            texts = [f"{finding.id}: {finding.message}"]
            process = self._analyzer.state.processes.get(
                -1 if finding.flow is None else finding.flow
            )
            if process is not None:
                texts.append(f"{finding.id} process: {process}")
            for frame in finding.frames:
                comments.setdefault(frame, []).extend(texts)
        return {frame: "\n".join(texts) for frame, texts in comments.items()}

    def _update(self, document: Document) -> Update:
        verdict = (document.verdict.result, document.verdict.exposed_addresses)
        changed = verdict != self._verdict
        self._verdict = verdict
        return Update(
            document,
            [
                f
                for f in document.findings
                # What a capture lacks changes as it grows: the report says it at the end.
                if f.id != "PL901" and self._first("finding", f.id, f.subject)
            ],
            [f for f in document.flows if f.path == "bypass" and self._first("flow", str(f.id))],
            [s for s in document.ice_sessions if self._first("session", s.id)],
            [n for n in document.mdns_names if self._first("name", n.name)],
            [
                e
                for e in document.timeline
                if e.kind != "leak" and self._first(e.kind, e.subject, str(e.time))
            ],
            changed,
        )

    def _first(self, *key: str) -> bool:
        if key in self._known:
            return False
        self._known.add(key)
        return True
