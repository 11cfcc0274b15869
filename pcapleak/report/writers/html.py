"""The report as one self-contained HTML page.

Nothing is loaded: a Content-Security-Policy forbids all but the style sheet and the script
inside, whose hashes it carries. The script sorts and searches tables and copies filters; nothing
from a capture reaches it but as text, and without it the page lacks only that. Every value goes
through `safe` and then through the template engine's escaping, both by default and not by
remembering.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from pcapleak.report import pictures
from pcapleak.report.document import Document, Finding
from pcapleak.report.phrases import how_to_test
from pcapleak.report.rendering import TEMPLATES, environment
from pcapleak.values.findings import Severity

# A page stays under 300 kB: 30 findings of 2 kB, 60 candidates of 1 kB, and 250 shorter entries
# of 0.6 kB make 270 kB beside 30 kB of style and pictures, and real entries are half as long.
LIMITS = {
    "findings": 30,
    "sessions": 20,
    "candidates": 60,
    "page_rows": 30,
    "browsers": 20,
    "names": 40,
    "flows": 50,
    "observers": 20,
    "events": 30,
    "malformed": 20,
    "policy": 30,
    "claims": 20,
}
VERDICTS = {
    "leak": "Leak",
    "no-leak": "No leak",
    "inconclusive": "Inconclusive",
    "no-policy": "No policy to judge by",
}


class Group(NamedTuple):
    """The findings of one kind and severity, folded into one card."""

    severity: str
    id: str
    name: str
    findings: list[Finding]
    remedies: list[tuple[str, str]]
    """Each with the kind that told it before; empty where it is told here."""


def to_html(document: Document, *, made: str = "", command: str = "") -> str:
    """The whole page; `made` says when, and `command` by what, where that is to be known."""
    shown = document.findings[: LIMITS["findings"]]
    counts = Counter(finding.severity for finding in document.findings)
    return render(
        "report.html.j2",
        document=document,
        groups=_groups(shown),
        counts=[(severity, counts[severity]) for severity in Severity if counts[severity]],
        contents=_contents(document),
        made=made,
        command=command,
        topology=pictures.topology(document),
        timeline=pictures.timeline(document),
        ladder=pictures.ladder(document) if document.ice_sessions else None,
        how_to_test=how_to_test,
        limits=LIMITS,
        verdicts=VERDICTS,
    )


def _groups(findings: Sequence[Finding]) -> list[Group]:
    groups: dict[tuple[str, str], Group] = {}
    told: dict[str, str] = {}
    for one in findings:
        group = groups.setdefault(
            (one.severity, one.id), Group(one.severity, one.id, one.name, [], [])
        )
        group.findings.append(one)
        before = told.get(one.remedy, "")
        if one.remedy not in (remedy for remedy, _ in group.remedies):
            group.remedies.append((one.remedy, before))
        told.setdefault(one.remedy, one.id)
    return list(groups.values())


def _contents(document: Document) -> list[tuple[str, str]]:
    """The sections that the page has: anchors and titles."""
    coherence = document.coherence
    there = (
        ("pictures", "Pictures", True),
        ("findings", "Findings", True),
        ("sessions", "WebRTC sessions", document.ice_sessions),
        ("pages", "Pages", document.page_rows),
        ("browsers", "Browsers", document.browsers),
        ("names", "Names", document.mdns_names),
        ("coherence", "Coherence", coherence.sentence and coherence.result != "unknown"),
        ("observers", "Who learned what", document.observers),
        ("flows", "Flows outside", any(flow.path == "bypass" for flow in document.flows)),
        ("events", "Events", document.timeline),
        ("coverage", "Coverage", True),
        ("policy", "Policy", True),
        ("claims", "How this was judged", document.claims),
        ("method", "Method and limits", True),
    )
    return [(anchor, title) for anchor, title, shown in there if shown]


def render(name: str, **values: object) -> str:
    """A template of `TEMPLATES` as a page, with its style sheet and script inside, by hash."""
    style, style_hash = _inline("report.css")
    script, script_hash = _inline("report.js")
    return (
        environment()
        .get_template(name)
        .render(
            style=style,
            style_hash=style_hash,
            script=script,
            script_hash=script_hash,
            **values,
        )
    )


def _inline(name: str) -> tuple[Markup, str]:
    """One of our own files, and the hash that a Content-Security-Policy allows it by."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    return Markup(text), base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()  # noqa: S704


def to_html_fragment(document: Document) -> str:
    """A few lines for a notebook: the verdict and the findings."""
    return environment().get_template("notebook.html.j2").render(document=document)
