"""What every conclusion is told with: how sure it is, why, and in which frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Confidence = Literal["certain", "high", "medium", "low"]

MAX_FRAMES = 16
"""Frames named for one fact; the rest are counted."""


@dataclass(slots=True)
class Inference:
    """Something concluded, how surely, and why."""

    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)
