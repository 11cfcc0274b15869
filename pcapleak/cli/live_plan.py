"""What `live` and `guard` were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from pcapleak.cli.live_options import USUAL, Via
from pcapleak.values.findings import Severity

if TYPE_CHECKING:
    from pcapleak.policy.policy import Policy


class Plan(Struct):
    """All that was asked for."""

    policy: Policy
    ifaces: Sequence[str] = ()
    via: Via = USUAL
    filter: str | None = None
    keep_root: bool = False
    pages: Sequence[Path] = ()
    """Files of page-side evidence to wait for."""
    json: Path | None = None
    jsonl: Path | None = None
    plain: bool = False
    tui: bool = False
    record: Path | None = None
    record_bytes: int = 1 << 30
    evidence: Path | None = None
    pre_s: float = 10.0
    post_s: float = 5.0
    duration: float | None = None
    count: int | None = None
    until_leak: bool = False
    fail_on: Severity | None = None
    exec: Sequence[str] = ()
    command: Sequence[str] = ()
    """What `guard` runs."""
    user: str | None = None
    """Whom `guard` runs it as, where that was asked for."""
