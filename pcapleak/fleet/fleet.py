"""What many reports show together: a row a capture, and what recurs over them.

Merging is associative and needs no order: whoever merges what first, the end is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from msgspec import Struct, field

from pcapleak.report.document import Document
from pcapleak.values.findings import Severity

MAX_NAMES = 1000
"""Names, addresses and calls kept of one capture: about 100 bytes each, so 300 kB at the most."""


class Side(NamedTuple):
    """One ICE session, as one capture shows it."""

    own: str
    """Its username fragment."""
    peer: str
    capture: str
    session: str
    addresses: tuple[str, ...]


class Call(NamedTuple):
    """Two sessions of different captures that checked each other."""

    one: Side
    other: Side


class Row(Struct, frozen=True):
    """One capture of the run."""

    path: str
    key: str = ""
    """Of its content and of the policy: names its report in the results folder."""
    result: str = "error"
    """The verdict, or `error`."""
    reason: str = ""
    """Of the verdict; or why the capture could not be analyzed."""
    kind: str = ""
    """What the policy was about: tunnel, proxy, tunnel+proxy or none."""
    packets: int = 0
    bytes: int = 0
    sessions: int = 0
    severities: tuple[int, ...] = (0,) * len(Severity)
    """Findings by severity, worst first."""
    findings: tuple[str, ...] = ()
    """Ids of the kinds of finding, PL101 and so on."""
    clients: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    sides: tuple[Side, ...] = ()


class Host(Struct, frozen=True):
    """A client's address, over all captures."""

    address: str
    captures: int
    leaking: int
    findings: tuple[str, ...]
    exposed: tuple[str, ...]


class Recurring(Struct, frozen=True):
    """A name or an exposed address, and the captures that show it."""

    value: str
    captures: tuple[str, ...]


class Fleet(Struct):
    """The captures of a run; whatever else it tells is derived from their rows."""

    rows: list[Row] = field(default_factory=list)
    """By path."""

    @property
    def hosts(self) -> list[Host]:
        """The clients, those that leak in most captures first."""
        by_address: dict[str, list[Row]] = {}
        for row in self.rows:
            for address in row.clients:
                by_address.setdefault(address, []).append(row)
        hosts = [
            Host(
                address,
                len(rows),
                sum(row.result == "leak" for row in rows),
                _distinct(row.findings for row in rows),
                _distinct(row.exposed for row in rows),
            )
            for address, rows in by_address.items()
        ]
        return sorted(hosts, key=lambda host: (-host.leaking, -host.captures, host.address))

    @property
    def names(self) -> list[Recurring]:
        """`.local` names that more than one capture shows."""
        return _recurring((row.path, row.names) for row in self.rows)

    @property
    def addresses(self) -> list[Recurring]:
        """Exposed addresses that more than one capture shows."""
        return _recurring((row.path, row.exposed) for row in self.rows)

    @property
    def calls(self) -> list[Call]:
        """Calls of which two captures show the two ends, by their username fragments."""
        sides: dict[tuple[str, str], list[Side]] = {}
        for side in sorted(side for row in self.rows for side in row.sides):
            sides.setdefault((side.own, side.peer), []).append(side)
        return [
            Call(one, other)
            for (own, peer), ours in sides.items()
            if own < peer
            for one in ours
            for other in sides.get((peer, own), ())
            if one.capture != other.capture
        ]


def merge(fleets: Iterable[Fleet]) -> Fleet:
    """All captures of several fleets."""
    rows = chain.from_iterable(fleet.rows for fleet in fleets)
    return Fleet(sorted(rows, key=lambda row: (row.path, row.key)))


def summarise(document: Document, path: str, key: str = "") -> Row:
    """The row of a capture, from its report."""
    clients = dict.fromkeys(
        (
            *(document.policy.fields["clients"].value if document.policy.fields else ()),
            *(address for one in document.ice_sessions for address in one.client_addresses),
        )
    )
    sides = (
        Side(own, peer, path, session.id, tuple(session.client_addresses))
        for session in document.ice_sessions
        for own in session.username_fragments
        for peer in session.peer_username_fragments
    )
    return Row(
        path=path,
        key=key,
        result=document.verdict.result,
        reason=document.verdict.reason,
        kind=document.policy.kind,
        packets=document.statistics.packets,
        bytes=document.statistics.bytes,
        sessions=len(document.ice_sessions),
        severities=tuple(
            sum(finding.severity == severity for finding in document.findings)
            for severity in Severity
        ),
        findings=tuple(sorted({finding.id for finding in document.findings})),
        clients=tuple(clients)[:MAX_NAMES],
        exposed=tuple(document.verdict.exposed_addresses)[:MAX_NAMES],
        names=tuple(name.name for name in document.mdns_names if name.uuid)[:MAX_NAMES],
        sides=tuple(side for side, _ in zip(sides, range(MAX_NAMES), strict=False)),
    )


def _distinct(values: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(set(chain.from_iterable(values))))


def _recurring(shown: Iterable[tuple[str, tuple[str, ...]]]) -> list[Recurring]:
    captures: dict[str, list[str]] = {}
    for path, values in shown:
        for value in dict.fromkeys(values):
            captures.setdefault(value, []).append(path)
    found = [
        Recurring(value, tuple(sorted(paths)))
        for value, paths in captures.items()
        if len(paths) > 1
    ]
    return sorted(found, key=lambda one: (-len(one.captures), one.value))


def page_name(row: Row) -> str:
    """What the page of a capture is called: as the capture, as far as any system takes that."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", row.path.rpartition("/")[2])[:80]
    return f"{name}-{row.key[:12]}.html"
