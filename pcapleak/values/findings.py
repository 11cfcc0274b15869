"""Findings and verdicts as values."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from msgspec import Struct

from pcapleak.values.evidence import Confidence, Evidence

if TYPE_CHECKING:
    from pcapleak.values.packets import IPAddress

TrafficKind = Literal["stun", "dns", "ipv6", "quic", "tcp", "mdns", "udp", "icmp"]
"""What a recording must hold to put a kind of leak to the test."""
TRAFFIC_KINDS: tuple[TrafficKind, ...] = get_args(TrafficKind)


class Severity(StrEnum):
    """How bad a finding is. Iterating gives the worst first; `a > b` says that `a` is worse."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _WORST_FIRST.index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank > Severity(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank >= Severity(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank < Severity(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank <= Severity(other).rank


_WORST_FIRST = tuple(Severity)


class Observers(NamedTuple):
    """Who learns what a finding shows."""

    through: str
    """The traffic by which it was shown."""
    learned_by: tuple[str, ...]
    """Who could read it; empty where nobody learns anything from it."""


class FindingKind(Struct, frozen=True):
    """One kind of finding: all that does not depend on a capture."""

    id: str
    """PL101 and so on; stable, and never used again for something else."""
    name: str
    """The same in words."""
    severity: Severity
    """Unless a rule has a reason for another one."""
    is_leak: bool
    """Whether it shows something outside the tunnel or proxy, which makes a verdict `leak`
    where it is of severity high or above."""
    exposes: bool
    """Whether its addresses are the client's own, shown outside the tunnel or proxy."""
    observers: Observers
    has_causes: bool
    """Whether it is about flows that routes and the tunnel's state explain (`judge.causes`)."""
    when: str
    """The rule, in one sentence."""
    meaning: str
    confirm: str
    """How to see it in Wireshark."""
    remedy: str
    sources: tuple[str, ...]
    weaknesses: str
    """What the rule cannot tell."""
    tested_by: tuple[TrafficKind, ...] = ()
    """Without any of these it was not put to the test; empty where any traffic does."""
    proxy_remedy: str = ""
    """In place of `remedy` where a proxy alone is in use; empty: the same."""
    tunnel_remedy: str = ""
    """In place of `remedy` where a tunnel is in use; empty: the same."""


class Finding(Struct, frozen=True):
    """One fact of a capture."""

    kind: FindingKind
    severity: Severity
    confidence: Confidence
    interface: str | None
    """The interface's name, or `#id` where it has none."""
    subject: str
    """What it is about; with the kind it is what makes two findings the same."""
    message: str
    """What was seen, in a sentence."""
    remedy: str
    evidence: Evidence
    display_filter: str
    addresses: tuple[IPAddress, ...] = ()
    """Addresses that it shows to those who observe its kind."""
    facts: tuple[str, ...] = ()
    """What else it shows to them, in words."""
    reasons: tuple[str, ...] = ()
    """What the conclusion rests on."""

    @property
    def is_leak(self) -> bool:
        """Whether it makes a verdict `leak`."""
        return self.kind.is_leak and self.severity >= Severity.HIGH

    @property
    def exposes(self) -> tuple[IPAddress, ...]:
        """Addresses of the client that reach somebody outside the tunnel or proxy."""
        return self.addresses if self.kind.exposes else ()

    @property
    def rank(self) -> tuple[int, int, str, str]:
        """Sorts the worst first, of those the largest, then by id and subject."""
        return self.severity.rank, -self.evidence.bytes, self.kind.id, self.subject


Result = Literal["leak", "no-leak", "no-policy", "inconclusive"]


class Verdict(NamedTuple):
    """What all findings and what was recorded come to."""

    result: Result
    reason: str
    exposed: tuple[IPAddress, ...] = ()
    """Public addresses of the client that reached somebody outside the tunnel or proxy."""
    servers: int = 0
    """Of a leak: how many servers saw where it came from, whether the capture shows it or not."""
