"""What changed between two reports: for regression runs of browsers, VPNs and their settings.

Two findings are the same where identifier and subject are. Times, frames and counts differ
from run to run and are no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from pcapleak.report.document import Document, Finding
from pcapleak.report.text import safe

_COMPARED = ("severity", "confidence", "addresses")


class Changed(NamedTuple):
    """A finding of both reports that says something else now."""

    before: Finding
    after: Finding
    what: tuple[str, ...]
    """Each difference in words."""


class Difference(Struct):
    """What the second report has that the first has not, and the reverse."""

    new: list[Finding] = field(default_factory=list)
    gone: list[Finding] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    verdicts: tuple[str, str] = ("", "")
    """The results before and after."""
    exposed: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    """Addresses exposed only after, and only before."""

    @property
    def is_empty(self) -> bool:
        """Nothing changed."""
        return not (
            self.new
            or self.gone
            or self.changed
            or self.exposed[0]
            or self.exposed[1]
            or self.verdicts[0] != self.verdicts[1]
        )


def compare(before: Sequence[Document], after: Sequence[Document]) -> Difference:
    """How the findings of `after` differ from those of `before`."""
    old, new = _by_key(before), _by_key(after)
    was, now = _exposed(before), _exposed(after)
    return Difference(
        new=[finding for key, finding in new.items() if key not in old],
        gone=[finding for key, finding in old.items() if key not in new],
        changed=[
            Changed(old[key], finding, what)
            for key, finding in new.items()
            if key in old and (what := _changes(old[key], finding))
        ],
        verdicts=(_worst(before), _worst(after)),
        exposed=([one for one in now if one not in was], [one for one in was if one not in now]),
    )


def new_findings(baseline: Sequence[Document], documents: Sequence[Document]) -> list[Finding]:
    """Findings that the baseline has not, or has with a lower severity."""
    difference = compare(baseline, documents)
    worse = [
        change.after
        for change in difference.changed
        if change.after.severity > change.before.severity
    ]
    return [*difference.new, *worse]


def difference_text(difference: Difference) -> str:
    """The difference as lines for a terminal, marked `+`, `-` and `~`."""
    lines = []
    if difference.verdicts[0] != difference.verdicts[1]:
        lines.append(f"verdict: {difference.verdicts[0]} -> {difference.verdicts[1]}")
    lines += [f"+ exposed {address}" for address in difference.exposed[0]]
    lines += [f"- exposed {address}" for address in difference.exposed[1]]
    lines += [f"+ {_line(finding)}" for finding in difference.new]
    lines += [f"- {_line(finding)}" for finding in difference.gone]
    lines += [
        f"~ {change.after.id} {safe(change.after.subject)}: {'; '.join(change.what)}"
        for change in difference.changed
    ]
    return "\n".join(lines or ["nothing changed"]) + "\n"


def _line(finding: Finding) -> str:
    return f"{finding.id} {finding.severity}: {safe(finding.message)}"


_RESULTS = ("leak", "inconclusive", "no-policy", "no-leak")


def _by_key(documents: Iterable[Document]) -> dict[tuple[str, str], Finding]:
    """Findings by what makes them the same; of several files the worst of each."""
    found: dict[tuple[str, str], Finding] = {}
    for document in documents:
        for finding in document.findings:
            key = finding.id, finding.subject
            known = found.get(key)
            if known is None or finding.severity > known.severity:
                found[key] = finding
    return found


def _exposed(documents: Iterable[Document]) -> list[str]:
    return list(dict.fromkeys(text for one in documents for text in one.verdict.exposed_addresses))


def _worst(documents: Iterable[Document]) -> str:
    results = {document.verdict.result for document in documents}
    return next((result for result in _RESULTS if result in results), "")


def _changes(before: Finding, after: Finding) -> tuple[str, ...]:
    changes = []
    for name in _COMPARED:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changes.append(f"{name} {_text(old)} -> {_text(new)}")
    return tuple(changes)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(safe, value)) or "none"
    return safe(value)
