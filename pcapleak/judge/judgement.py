"""What judging ends in, and the context detectors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, get_args

from pcapleak.policy.policy import Network
from pcapleak.report.document import (
    CoverageEntry,
    Observer,
    Path,
    PolicyEntry,
    ResolverEntry,
    Role,
    TimelineEvent,
    TunnelEntry,
)
from pcapleak.values.evidence import Confidence
from pcapleak.values.findings import Finding, Verdict
from pcapleak.values.packets import UInt8

PATHS: tuple[Path, ...] = get_args(Path)
"""Names of the path codes in `Judgement.path`."""

TUNNEL, PROXY, TUNNEL_TRANSPORT, LOCAL, BYPASS, INSIDE_TUNNEL, UNASSESSED = range(len(PATHS))


class InterfaceRole(NamedTuple):
    """What an interface is, and how that is known."""

    role: Role
    reason: str


@dataclass(slots=True)
class Judgement:
    """All that judging says of one run."""

    policy_entry: PolicyEntry
    roles: list[InterfaceRole]
    """By interface id."""
    path: UInt8
    """By row of the flow table: a code of `PATHS`."""
    findings: list[Finding]
    verdict: Verdict
    timeline: list[TimelineEvent]
    coverage: list[CoverageEntry]
    observers: list[Observer]
    resolvers: list[ResolverEntry]
    tunnels: list[TunnelEntry]
    exits: list[tuple[str, str, Confidence]]
    """Where the world sees the client's traffic come from: address or range, why, how surely."""
    clients: list[Network]
    """The client's own addresses, inside tunnels and out."""
