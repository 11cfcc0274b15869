"""What the fields of the report are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NewType

Time = NewType("Time", int)
"""Nanoseconds since the epoch, UTC."""

Confidence = Literal["certain", "high", "medium", "low"]
Severity = Literal["critical", "high", "medium", "low", "info"]
Role = Literal["physical", "tunnel", "loopback", "any", "unknown"]
Path = Literal[
    "tunnel", "proxy", "tunnel-transport", "local", "bypass", "inside-tunnel", "unassessed"
]
Engine = Literal["chromium", "firefox", "webkit", "other", "unknown"]


MAX_FRAMES = 16


@dataclass(slots=True)
class Inference:
    """Something concluded, how surely, and why."""

    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)
