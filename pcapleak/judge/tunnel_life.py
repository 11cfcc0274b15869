"""The life of a tunnel: when it was up, and when it was not."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, field


class Down(NamedTuple):
    """A time in which a tunnel was down, between two signs of life."""

    start: int
    end: int
    reason: str


class TunnelLife(Struct):
    """Signs of life of one tunnel."""

    label: str
    first_ns: int | None = None
    last_ns: int | None = None
    began_by_handshake: bool = False
    up: list[int] = field(default_factory=list)
    rekeys: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    """When it was last seen alive before each loss."""
    down: list[Down] = field(default_factory=list)
    ended_early: bool = False
    """The client went on outside after the tunnel's last sign of life."""


def state_at(life: TunnelLife, ts_ns: int) -> str:
    """Where in a tunnel's life a moment falls."""
    if life.first_ns is None or life.last_ns is None:
        return "never up"
    if ts_ns < life.first_ns:
        return "before it came up" if life.began_by_handshake else "before its first packet"
    if any(window.start < ts_ns < window.end for window in life.down):
        return "down"
    if ts_ns > life.last_ns:
        return "after it was lost" if life.ended_early else "after its last packet"
    return "up"
