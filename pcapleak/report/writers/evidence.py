"""The frames that prove the findings, as a pcapng that Wireshark opens with the reasons in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pcapleak.capture import PcapngWriter, open_timeline
from pcapleak.capture.programs import write_comment
from pcapleak.report.document import Finding
from pcapleak.report.text import safe
from pcapleak.values.packets import Direction

CONTEXT_FRAMES = 2
"""Frames kept before and after each, without a comment."""


def write_evidence(
    paths: Sequence[str | Path], findings: Iterable[Finding], target: str | Path | BinaryIO
) -> int:
    """Copy the frames of `findings` from the captures they were found in; gives how many.

    `paths` are those of the report, in its order; they are read a second time. Each frame of a
    finding carries a comment with the finding's id and message, and its first number; the
    capture's own comments stay. Raises `CaptureError`, and `OSError` for the target.
    """
    comments: dict[int, list[str]] = {}
    for finding in findings:
        for frame in finding.frames:
            comments.setdefault(frame, []).append(f"{finding.id}: {safe(finding.message, 2000)}")
    wanted = sorted(
        {
            near
            for frame in comments
            for near in range(frame - CONTEXT_FRAMES, frame + CONTEXT_FRAMES + 1)
        }
    )
    rows = np.array(wanted, dtype=np.int64)
    written = 0
    note = "Frames that prove pcapleak's findings; each comment says which."
    with open_timeline(paths) as (sources, batches), PcapngWriter(target, comment=note) as writer:
        interfaces = sources[0].interfaces
        for batch in batches:
            for row in np.flatnonzero(np.isin(batch.frame, rows)).tolist():
                frame = int(batch.frame[row])
                texts = list(comments.get(frame, ()))
                if frame in comments:
                    texts.append(f"frame {frame} of the capture")
                if row in batch.programs:
                    texts.append(write_comment(batch.programs[row]))
                if row in batch.comments:
                    texts.append(batch.comments[row])
                start = int(batch.offset[row])
                direction = Direction.UNKNOWN
                if batch.direction is not None:
                    direction = Direction(int(batch.direction[row]))
                writer.write(
                    interfaces[int(batch.interface[row])],
                    int(batch.ts_ns[row]),
                    batch.data[start : start + int(batch.captured_length[row])].tobytes(),
                    original_length=int(batch.original_length[row]),
                    direction=direction,
                    comment="\n".join(texts),
                )
                written += 1
    return written
