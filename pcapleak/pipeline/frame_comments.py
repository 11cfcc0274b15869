"""What the frames that a watch keeps are evidence for."""

from __future__ import annotations

from pcapleak.capture.programs import write_comment
from pcapleak.report.document import Document
from pcapleak.report.text import safe
from pcapleak.track.programs import ProgramTracker
from pcapleak.values.findings import Severity


def comments_on(document: Document, programs: ProgramTracker) -> dict[int, str]:
    """By frame: the findings that it is evidence for, and whose it is."""
    comments: dict[int, list[str]] = {}
    for finding in document.findings:
        if finding.severity == Severity.INFO:
            continue
        texts = [f"{finding.id}: {safe(finding.message, 2000)}"]
        flow = -1 if finding.flow is None else finding.flow
        texts += [f"{finding.id} {write_comment(program)}" for program in programs.of(flow)]
        for frame in finding.frames:
            comments.setdefault(frame, []).extend(texts)
    return {frame: "\n".join(texts) for frame, texts in comments.items()}
