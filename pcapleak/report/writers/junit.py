"""Reports as JUnit XML, which CI systems show as test results."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from pcapleak.judge.findings import KINDS
from pcapleak.report.diff import new_findings
from pcapleak.report.document import Document, Finding
from pcapleak.report.text import safe
from pcapleak.values.findings import FindingKind, Severity


def to_junit(
    documents: Sequence[Document],
    *,
    fail_on: Severity = Severity.HIGH,
    baseline: Sequence[Document] = (),
) -> str:
    """A suite for each report, in it a case for the verdict and one for each kind of finding.

    A kind fails where a finding of it is at least as severe as `fail_on`; what the baseline
    has too is told but fails nothing. An inconclusive verdict is an error: the run proved
    nothing.
    """
    fresh = new_findings(baseline, documents)
    failures = {(finding.id, finding.subject) for finding in fresh if finding.severity >= fail_on}
    root = ElementTree.Element("testsuites", name="pcapleak")
    for document in documents:
        root.append(_suite(document, failures))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _suite(document: Document, failures: set[tuple[str, str]]) -> ElementTree.Element:
    name = ", ".join(safe(capture.path) for capture in document.captures)
    suite = ElementTree.Element("testsuite", name=name)
    verdict = ElementTree.SubElement(suite, "testcase", classname="pcapleak", name="verdict")
    if document.verdict.result == "inconclusive":
        ElementTree.SubElement(
            verdict, "error", message=safe(document.verdict.reason), type="inconclusive"
        )
    for kind in KINDS:
        case = ElementTree.SubElement(
            suite, "testcase", classname="pcapleak", name=f"{kind.id} {kind.name}"
        )
        found = [finding for finding in document.findings if finding.id == kind.id]
        worst = [finding for finding in found if (finding.id, finding.subject) in failures]
        if worst:
            failure = ElementTree.SubElement(
                case, "failure", message=safe(worst[0].message), type=worst[0].severity
            )
            failure.text = "\n".join(_details(finding) for finding in worst)
        elif found:
            output = ElementTree.SubElement(case, "system-out")
            output.text = "\n".join(_details(finding) for finding in found)
        elif missing := _untested(document, kind):
            ElementTree.SubElement(case, "skipped", message=f"no {missing} in the capture")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    return suite


def _untested(document: Document, kind: FindingKind) -> str:
    """The traffic of which nothing was seen, so that a kind of finding was not put to the test."""
    seen = {entry.kind for entry in document.coverage if entry.seen}
    if not document.coverage or seen & set(kind.tested_by):
        return ""
    return " or ".join(kind.tested_by)


def _details(finding: Finding) -> str:
    frames = ", ".join(map(str, finding.frames))
    return (
        f"{finding.severity} ({finding.confidence}): {safe(finding.message)}\n"
        f"  frames: {frames or 'none'}\n"
        f"  filter: {safe(finding.display_filter)}\n"
        f"  remedy: {safe(finding.remedy, 2000)}"
    )
