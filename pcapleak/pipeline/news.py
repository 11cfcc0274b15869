"""What of a watch's report was not told before."""

from __future__ import annotations

from pcapleak.report.document import Document, FlowEntry
from pcapleak.report.update import Update


class News:
    """Remembers what was told, so that it is told once."""

    def __init__(self) -> None:
        self._known: set[tuple[str, ...]] = set()
        self._verdict: tuple[str, list[str]] | None = None

    def update(self, document: Document, flows: list[FlowEntry], untold: int) -> Update:
        """What is new in a report; `flows` are told with it, and `untold` more are not."""
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
            flows,
            untold,
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
