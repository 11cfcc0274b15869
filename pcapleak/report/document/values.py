"""What the fields of the report are made of."""

from __future__ import annotations

from typing import NewType

from msgspec import Struct, field

from pcapleak.judge.judgement import Path, Role
from pcapleak.track.ice.session import Engine
from pcapleak.values.evidence import MAX_FRAMES, Confidence

__all__ = [
    "MAX_FRAMES",
    "Confidence",
    "Engine",
    "Inference",
    "Path",
    "Role",
    "Time",
]

Time = NewType("Time", int)
"""Nanoseconds since the epoch, UTC."""


class Inference(Struct):
    """Something concluded, how surely, and why."""

    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)
