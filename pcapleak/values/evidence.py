"""What every conclusion is told with: how sure it is, why, and in which frames."""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct, field

Confidence = Literal["certain", "high", "medium", "low"]
CONFIDENCES: tuple[Confidence, ...] = ("certain", "high", "medium", "low")
"""The surest first."""

MAX_FRAMES = 16
"""Frames named for one fact; the rest are counted."""


class Inference(Struct):
    """Something concluded, how surely, and why."""

    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)


def weakest(*confidences: Confidence) -> Confidence:
    """A conclusion is as sure as the least sure of what it rests on."""
    return max(confidences, key=CONFIDENCES.index)


class Evidence(NamedTuple):
    """What shows a fact."""

    frames: list[int]
    """The first ones, in order."""
    frame_count: int
    first_ns: int | None
    last_ns: int | None
    flow: int | None = None
    """Row of the first flow concerned."""
    flow_count: int = 0
    bytes: int = 0


NO_EVIDENCE = Evidence([], 0, None, None)
"""Of what shows by its absence."""
