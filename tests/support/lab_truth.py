"""A report held against a lab recording's answer key."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from places import CAPTURES, ROOT

from pcapleak import Policy, analyze
from pcapleak.report.document import Candidate, Document, IceSession

CLIENT = {
    "192.168.50.42", "2001:db8:50::42", "192.168.60.42", "100.64.50.42", "10.66.0.2",
    "127.0.0.1", "::1",
}  # fmt: skip
"""Every address the client of the lab has."""


RESULTS = ROOT / "docs" / "lab-results.md"


@dataclass
class Comparison:
    """What the report of one recording has, lacks and has beyond the truth."""

    scenario: str
    program: str | None = None
    """Who read: a browser by its User-Agent, or another program by its name and version."""
    showable: int = 0
    listed: int = 0
    missing: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)
    engines: list[str] = field(default_factory=list)
    modes: list[int | None] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)
    verdict: str = ""
    wrong: list[str] = field(default_factory=list)
    """Verdict, addresses, engine, mode and findings that are not the truth's."""

    @property
    def recall(self) -> float:
        """Of the candidates packets can show, those found."""
        return 1 - len(self.missing) / self.showable if self.showable else 1.0

    @property
    def precision(self) -> float:
        """Of the candidates found, those the page read."""
        return 1 - len(self.beyond) / self.listed if self.listed else 1.0

    @property
    def problems(self) -> list[str]:
        """Everything that is not as the truth has it."""
        return [
            *(f"{self.scenario}: missing {line}" for line in self.missing),
            *(f"{self.scenario}: beyond {line}" for line in self.beyond),
            *(f"{self.scenario}: {line}" for line in self.wrong),
        ]


def read_truth(path: Path) -> dict[str, Any]:
    """An answer key."""
    truth: dict[str, Any] = json.loads(path.read_text())
    return truth


def policy_of(truth: dict[str, Any]) -> Policy:
    """The policy that the answer key names."""
    return Policy.from_options(**{option: [value] for option, value in truth["policy"].items()})


def compare(capture: Path, truth: dict[str, Any]) -> Comparison:
    """Analyze ``capture`` and hold it against ``truth``."""
    return compare_document(analyze(capture, policy_of(truth)).document, truth)


def compare_document(document: Document, truth: dict[str, Any]) -> Comparison:
    """Hold a finished report against ``truth``."""
    sessions = [one for one in document.ice_sessions if CLIENT & {*one.client_addresses}]
    compared = Comparison(truth["scenario"], _program_of(truth["page"]))
    compared.engines = sorted({session.engine for session in sessions})
    compared.modes = sorted(
        {session.ip_handling_mode.mode for session in sessions}, key=lambda mode: mode or 0
    )
    compared.findings = sorted({finding.id for finding in document.findings})
    compared.expected = {*truth["expect"]["findings"]}
    compared.verdict = document.verdict.result
    # A page that forges many connections makes sockets that say little of whose they are.
    if truth["expect"].get("compared", True):
        _compare_candidates(compared, truth, sessions)
    _compare_expected(compared, truth["expect"], document)
    browsers = {row["port"]: row["browser"] for row in truth["candidates"] if "browser" in row}
    compared.wrong += [
        f"port {one.port} is {browsers[one.port]}'s, not {session.engine}'s"
        for session in sessions
        for one in session.candidates
        if one.port in browsers and browsers[one.port] != session.engine
    ]
    return compared


def _program_of(page: dict[str, Any]) -> str | None:
    browser = re.search(r"(Chrome|Firefox)/(\d+)", page.get("user_agent", ""))
    if "program" in page or browser is None:
        return page.get("program")
    return f"{browser[1].replace('Chrome', 'Chromium')} {browser[2]}"


def _compare_candidates(
    compared: Comparison, truth: dict[str, Any], sessions: list[IceSession]
) -> None:
    showable = [one for one in truth["candidates"] if one["showable"] != "no"]
    # A page never reads its own peer-reflexive candidates, nor what a relay-only policy hides.
    hidden = {"prflx", *truth["expect"].get("not_read", ())}
    left = [one for session in sessions for one in session.candidates if one.type not in hidden]
    compared.showable, compared.listed = len(showable), len(left)
    for one in showable:
        for candidate in left:
            if _matches(one, candidate):
                left.remove(candidate)
                break
        else:
            compared.missing.append(one["line"])
    # What the page read is right also where packets were not thought to show it.
    read = {(one["type"], one["address"]) for one in truth["candidates"]}
    sockets = {(one["type"], one["address"], one["port"]) for one in truth["candidates"]}
    undecided = truth["expect"].get("mode") == 3
    compared.beyond = [
        one.line
        for one in left
        if (one.type, one.mdns_name) not in read
        and (one.type, one.address, one.port) not in sockets
        # Mode 3 sends what Mode 2 sends where nothing is hidden: the host may be read or not.
        and not (undecided and one.type == "host" and one.evidence == "inferred")
    ]


def _matches(truth: dict[str, Any], candidate: Candidate) -> bool:
    """Whether this is the candidate, in all that packets show of it."""
    if (candidate.type, candidate.protocol) != (truth["type"], truth["protocol"]):
        return False
    if truth["showable"] == "port":
        return candidate.port == truth["port"] and candidate.mdns_name in (None, truth["address"])
    if (candidate.mdns_name or candidate.address) != truth["address"]:
        return False
    if candidate.priority not in (None, truth["priority"]):
        return False
    return candidate.port == (truth["port"] if truth["showable"] == "yes" else None)


def _compare_expected(compared: Comparison, expect: dict[str, Any], document: Document) -> None:
    result = document.verdict.result
    if "leak" in expect and result != ("leak" if expect["leak"] else "no-leak"):
        compared.wrong.append(f"verdict {result}: {document.verdict.reason}")
    exposed = sorted(document.verdict.exposed_addresses)
    if "exposed_addresses" in expect and exposed != sorted(expect["exposed_addresses"]):
        compared.wrong.append(f"exposed {exposed}, not {expect['exposed_addresses']}")
    for finding in expect["findings"]:
        if finding not in compared.findings:
            compared.wrong.append(f"no {finding} among {compared.findings}")
    engines = expect.get("engine") or []
    engines = [engines] if isinstance(engines, str) else engines
    if compared.engines and engines and compared.engines != engines:
        compared.wrong.append(f"engine {compared.engines}, not {engines}")
    sure = {session.ip_handling_mode.confidence for session in document.ice_sessions} != {"low"}
    if "mode" in expect and compared.modes != [expect["mode"]] and (sure or expect["mode"] != 3):
        compared.wrong.append(f"mode {compared.modes}, not {expect['mode']}")


HEADING = """# Reports against the truth

Every recording of the lab, its report held against what the page or program read in that run.
*Showable* are the candidates packets can show, *listed* those in the report. *Recall* is the part
of the showable that is listed, *precision* the part of the listed that the page read, of which
packets may show no more than a name. *Findings* counts those found of those expected. Written by
`python tests/support/lab_truth.py`.

"""


def table(rows: list[Comparison]) -> str:
    """The comparisons as a Markdown table."""
    lines = [
        "| scenario | verdict | showable | listed | recall | precision "
        "| engine | mode | findings |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in rows:
        modes = ", ".join("?" if mode is None else str(mode) for mode in one.modes) or "-"
        found = one.expected & {*one.findings}
        lines.append(
            f"| {one.scenario} | {one.verdict} | {one.showable} | {one.listed} | {one.recall:.2f} "
            f"| {one.precision:.2f} | {', '.join(one.engines) or '-'} | {modes} "
            f"| {len(found)}/{len(one.expected)} |"
        )
    return "\n".join(lines) + "\n"


def by_program(rows: list[Comparison]) -> str:
    """The same by who read, browsers and others, as a Markdown table."""
    lines = [
        "",
        "## Browsers and other stacks",
        "",
        "What packets show of the candidates that each program read, over all its recordings. A",
        "recording of two programs counts as that of the first.",
        "",
        "| program | recordings | showable | missing | made up | recall | precision |",
        "|---|---|---|---|---|---|---|",
    ]
    for program in sorted({one.program for one in rows if one.program}):
        mine = [one for one in rows if one.program == program]
        showable, listed = sum(one.showable for one in mine), sum(one.listed for one in mine)
        missing, beyond = (sum(map(len, part)) for part in (
            [one.missing for one in mine], [one.beyond for one in mine]))  # fmt: skip
        lines.append(
            f"| {program} | {len(mine)} | {showable} | {missing} | {beyond} "
            f"| {1 - missing / max(showable, 1):.2f} | {1 - beyond / max(listed, 1):.2f} |"
        )
    return "\n".join(lines) + "\n"


def page(rows: list[Comparison]) -> str:
    """`docs/lab-results.md`."""
    return HEADING + table(rows) + by_program(rows)


def compare_all() -> list[Comparison]:
    """Every committed recording, compared."""
    return [
        compare(path, read_truth(path.with_suffix(".json")))
        for path in sorted(CAPTURES.glob("*.pcapng"))
    ]


if __name__ == "__main__":
    RESULTS.write_text(page(compare_all()))
