"""What comes out of a watch, judgement by judgement."""

from __future__ import annotations

from typing import NamedTuple

from pcapleak.report.document import (
    Document,
    Finding,
    FlowEntry,
    IceSession,
    MdnsName,
    TimelineEvent,
)


class Update(NamedTuple):
    """What a judgement brought that the one before did not have."""

    document: Document
    findings: list[Finding]
    """Worst first."""
    flows: list[FlowEntry]
    """Flows that bypass, each once."""
    flows_untold: int
    """Flows that bypass and were not told yet."""
    sessions: list[IceSession]
    names: list[MdnsName]
    events: list[TimelineEvent]
    """Of tunnels and interfaces; leaks are among the findings."""
    verdict_changed: bool
