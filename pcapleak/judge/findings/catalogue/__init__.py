"""Every finding pcapleak can make: what it means, how to confirm it, how to mend it.

`pcapleak explain`, the documentation and the detectors all read this one table, a module a family.
Identifiers are stable and never used again for something else.
"""

from __future__ import annotations

from pcapleak.judge.findings.catalogue import coherence, names, recording, traffic, webrtc
from pcapleak.judge.findings.catalogue.entry import Entry

__all__ = ["CATALOGUE", "ENTRIES", "Entry"]

ENTRIES: tuple[Entry, ...] = (
    *webrtc.ENTRIES,
    *traffic.ENTRIES,
    *names.ENTRIES,
    *coherence.ENTRIES,
    *recording.ENTRIES,
)
"""In the order of their ids."""

CATALOGUE: dict[str, Entry] = {entry.id: entry for entry in ENTRIES}
"""The entries by id."""
