"""The report as a terminal page.

Its first three lines are the verdict, what was exposed, and why; then what was judged by, the
findings, the worst first, and what they rest on. The last line is the verdict once more, with
counts and the exit status. Times are the reader's, with their offset from UTC.
Strings from packets go through `safe` into `Text`, so neither escapes nor markup are ever
interpreted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from pcapleak.report.document import (
    BrowserEntry,
    Coherence,
    Document,
    Finding,
    IceSession,
    MdnsName,
    PageRow,
    TunnelEntry,
)
from pcapleak.report.phrases import (
    SEEN_BY,
    browser_line,
    capture_line,
    claim_line,
    coverage_line,
    flow_line,
    how_to_test,
    name_addresses,
    name_line,
    nat_line,
    not_shown,
    page_line,
    policy_line,
    seen_line,
    tunnel_line,
    tunnel_word,
    vector_line,
)
from pcapleak.report.text import local_time, safe
from pcapleak.report.writers.candidate_text import candidate_text
from pcapleak.values.findings import Result, Severity
from pcapleak.values.words import count, size

T = TypeVar("T")

VERDICTS: dict[Result, tuple[str, str]] = {
    "leak": ("LEAK", "bold white on red"),
    "no-leak": ("NO LEAK", "bold black on green"),
    "inconclusive": ("INCONCLUSIVE", "bold black on yellow"),
    "no-policy": ("NO POLICY", "bold white on blue"),
}
SEVERITIES = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
    "info": "dim",
}

# A page is read, not scrolled for ever: the JSON holds what is cut here, and the page says so.
MAX_FLOWS = 12
MAX_NAMES = 20
MAX_TUNNELS = 20
MAX_SESSIONS = 10
MAX_EXPOSED = 4
MAX_ALIKE = 5


def print_report(document: Document, console: Console, *, verbose: bool = False) -> None:
    """Print the whole page; `verbose` adds the reasons and everything that was cut short."""
    page = _Page(console, verbose)
    page.head(document)
    page.setting(document)
    page.findings(document.findings)
    page.flows(document)
    page.sessions(document.ice_sessions)
    page.page_rows(document.page_rows)
    page.browsers(document.browsers)
    page.names(document.mdns_names)
    page.tunnels(document.tunnels)
    page.evidence(document)
    page.coherence(document.coherence)


def print_verdict(document: Document, console: Console) -> None:
    """Print only the first three lines."""
    _Page(console, verbose=False).head(document)


def print_closing(documents: Sequence[Document], status: int, console: Console) -> None:
    """One line to end with: the verdict, how many findings of each severity, the exit status."""
    results = Counter(document.verdict.result for document in documents)
    severities = Counter(
        finding.severity for document in documents for finding in document.findings
    )
    line = Text()
    if len(documents) > 1:
        line.append(f"{count(len(documents), 'capture')}: ", style="bold")
    for number, result in enumerate(one for one in VERDICTS if one in results):
        word, style = VERDICTS[result]
        line.append(", " * bool(number))
        line.append(word if len(documents) == 1 else f"{results[result]:,} {word}", style=style)
    parts = [f"{severities[one]:,} {one}" for one in Severity if severities[one]]
    line.append(f" · {', '.join(parts) or 'no findings'} · exit status {status}")
    console.print()
    console.print(line, soft_wrap=True)


class _Page:
    def __init__(self, console: Console, verbose: bool) -> None:
        self.console = console
        self.verbose = verbose

    # Building blocks

    def rows(self, rows: Iterable[tuple[str | Text, str | Text]], indent: int = 0) -> None:
        """Labels with their text, the text hanging beside them."""
        pairs = [
            (
                label if isinstance(label, Text) else Text(label, style="dim"),
                text if isinstance(text, Text) else Text(text),
            )
            for label, text in rows
        ]
        column = indent + max((label.cell_len for label, _ in pairs), default=0) + 2
        room = max(self.console.width - column, 20)
        for label, text in pairs:
            margin = Text.assemble(" " * indent, label)
            for line in text.wrap(self.console, room, overflow="fold"):
                margin.append(" " * (column - margin.cell_len))
                line.rstrip()
                self.console.print(margin.append_text(line), soft_wrap=True)
                margin = Text()

    def title(self, text: str, note: str = "") -> None:
        self.console.print()
        title = Text.assemble((text, "bold"), (f"  {note}" if note else "", "dim"))
        for line in title.wrap(self.console, self.console.width, overflow="fold"):
            line.rstrip()
            self.console.print(line, soft_wrap=True)

    def cut(self, shown: int, total: int, noun: str) -> None:
        if total > shown:
            more = f"  and {total - shown:,} more {noun}s (--verbose, --json)"
            self.console.print(Text(more, style="dim"), soft_wrap=True)

    def some(self, limit: int, items: list[T]) -> list[T]:
        return items if self.verbose else items[:limit]

    # Sections

    def head(self, document: Document) -> None:
        word, style = VERDICTS[document.verdict.result]
        paths = ", ".join(safe(capture.path) for capture in document.captures)
        self.console.print(
            Text.assemble((f" {word} ", style), f"  {paths}"), overflow="ellipsis", no_wrap=True
        )
        exposed = document.verdict.exposed_addresses
        shown = ", ".join(safe(address) for address in exposed[:MAX_EXPOSED])
        if len(exposed) > MAX_EXPOSED:
            shown += f" and {len(exposed) - MAX_EXPOSED} more"
        self.rows(
            [
                ("Exposed", Text(shown or not_shown(document), style="bold" if shown else "")),
                ("Why", safe(document.verdict.reason, 2000)),
            ]
        )

    def setting(self, document: Document) -> None:
        self.console.print()
        rows = [("Policy", policy_line(document.policy))]
        for capture in document.captures:
            rows.append(("Capture", capture_line(capture)))
            rows.extend(("", safe(problem)) for problem in capture.problems)
            rows.extend(
                (
                    "",
                    safe(interface.name or f"#{interface.id}")
                    + (f" ({safe(interface.description)})" if interface.description else "")
                    + f": {interface.role}, "
                    f"{count(interface.packets, 'packet')}"
                    + (f" ({safe(interface.role_reason)})" if self.verbose else ""),
                )
                for interface in capture.interfaces
            )
        if self.verbose:
            for name, field in document.policy.fields.items():
                value = ", ".join(safe(item) for item in field.value) or "none"
                why = "; ".join(safe(reason) for reason in field.reasons)
                rows.append(("", f"{name}: {value} ({field.source}{': ' if why else ''}{why})"))
        self.rows(rows)

    def sessions(self, sessions: list[IceSession]) -> None:
        shown = self.some(MAX_SESSIONS, sessions)
        for session in shown:
            mode = session.ip_handling_mode
            facts: list[str] = [session.engine]
            if mode.mode is not None:
                facts.append(f"RFC 8828 mode {mode.mode} ({mode.confidence})")
            self.title(f"WebRTC session {safe(session.id)}", " · ".join(facts))
            rows: list[tuple[str | Text, str | Text]] = [
                ("client", Text(", ".join(safe(address) for address in session.client_addresses)))
            ]
            rows += [
                (
                    Text(candidate.type, style="bold"),
                    candidate_text(candidate, verbose=self.verbose),
                )
                for candidate in session.candidates
            ]
            if session.nominated:
                rows.append((Text("pair"), Text(", ".join(map(safe, session.nominated)))))
            if session.integrity is not None:
                first = session.integrity.reasons[0]
                rows.append(("integrity", safe(f"{session.integrity.state}: {first}")))
            self.rows(rows, indent=2)
            if self.verbose:
                reasons = [
                    session.engine_reason,
                    *mode.reasons,
                    *session.candidate_set_shape.reasons,
                ]
                self.rows([("why", safe(reason)) for reason in reasons if reason], indent=2)
        self.cut(len(shown), len(sessions), "session")

    def page_rows(self, rows: list[PageRow]) -> None:
        if not rows:
            return
        self.title("What pages told against what packets show")
        self.rows([(SEEN_BY[row.seen_by], page_line(row)) for row in rows], indent=2)

    def browsers(self, browsers: list[BrowserEntry]) -> None:
        """Those whose WebRTC was not seen: of the others the sessions tell."""
        silent = [browser for browser in browsers if self.verbose or not browser.webrtc]
        if not silent:
            return
        self.title("Browsers" if self.verbose else "Browsers of which no WebRTC was seen")
        shown = self.some(MAX_NAMES, silent)
        self.rows([(Text(safe(one.address)), browser_line(one)) for one in shown], indent=2)
        self.cut(len(shown), len(silent), "browser")

    def names(self, names: list[MdnsName]) -> None:
        if not names:
            return
        self.title("Names announced by multicast DNS")
        shown = self.some(MAX_NAMES, names)
        self.rows([(Text(name_addresses(name)), name_line(name)) for name in shown], indent=2)
        self.cut(len(shown), len(names), "name")

    def flows(self, document: Document) -> None:
        flows = [flow for flow in document.flows if flow.path == "bypass"]
        if not flows:
            return
        packets = document.statistics.paths.get("bypass", 0)
        sent = document.statistics.path_bytes.get("bypass", 0)
        self.title("Flows outside", f"{count(packets, 'packet')}, {size(sent)}")
        shown = self.some(MAX_FLOWS, flows)
        self.rows([(f"#{flow.id}", flow_line(flow)) for flow in shown], indent=2)
        self.cut(len(shown), len(flows), "flow")

    def tunnels(self, tunnels: list[TunnelEntry]) -> None:
        if not tunnels:
            return
        self.title("Tunnels and proxies")
        shown = self.some(MAX_TUNNELS, tunnels)
        self.rows([(Text(tunnel_word(one)), tunnel_line(one)) for one in shown], indent=2)
        self.cut(len(shown), len(tunnels), "tunnel")

    def evidence(self, document: Document) -> None:
        """What could have leaked and was seen, who learned what, and what was not analyzed."""
        if self.verbose and document.timeline:
            self.title("Timeline")
            self.rows(
                [
                    (local_time(event.time), f"{event.kind}: {safe(event.text)}")
                    for event in document.timeline
                ],
                indent=2,
            )
        if self.verbose and document.claims:
            self.title("How this was judged")
            for claim in document.claims:
                self.rows([(Text(safe(claim.subject)), claim_line(claim))], indent=2)
        if self.verbose and document.observers:
            self.title("Who learned what")
            for observer in document.observers:
                who = ", ".join(map(safe, observer.learned_by))
                through = ", ".join(map(safe, observer.through))
                self.rows([(Text(safe(observer.fact)), f"{who}, through {through}")], indent=2)
        tested = [entry for entry in document.coverage if entry.seen]
        if tested:
            self.title("Coverage", "packets by the path they took")
            self.rows([(entry.kind, coverage_line(entry)) for entry in tested], indent=2)
        untested = [entry for entry in document.coverage if not entry.seen]
        if untested:
            self.title("Not tested", "how to test each")
            self.rows([(entry.kind, how_to_test(entry)) for entry in untested], indent=2)
        statistics = document.statistics
        if statistics.malformed:
            self.title("Malformed", count(statistics.malformed, "message"))
            shown = document.malformed if self.verbose else document.malformed[:3]
            self.rows(
                [
                    (f"frame {bad.frame}", f"{bad.protocol} {safe(bad.place)}: {safe(bad.reason)}")
                    for bad in shown
                ],
                indent=2,
            )
            self.cut(len(shown), statistics.malformed, "message")
        if statistics.skipped:
            self.title("Not analyzed")
            self.rows(
                [(f"{number:,}", safe(why)) for why, number in statistics.skipped.items()], indent=2
            )

    def coherence(self, coherence: Coherence) -> None:
        """Shown where something could be compared; its unknowns are for `--verbose`."""
        if coherence.sentence and (self.verbose or coherence.result != "unknown"):
            self.title("Coherence", coherence.result)
            self.rows([("", safe(coherence.sentence, 1000))])
            told = [one for one in coherence.vectors if self.verbose or one.value is not None]
            self.rows([(one.name, vector_line(one)) for one in told], indent=2)
            pairs = [
                one
                for one in coherence.contradictions
                if self.verbose or one.verdict in ("disagree", "uncertain")
            ]
            self.rows([(one.verdict, safe(one.sentence, 1000)) for one in pairs], indent=2)
            if self.verbose:
                self.rows(
                    [(one.observer, safe(one.conclusion, 1000)) for one in coherence.conclusions],
                    indent=2,
                )
                self.rows(
                    [
                        ("data", f"{safe(one.name)} {safe(one.date)} ({safe(one.licence)})")
                        for one in coherence.sources
                    ],
                    indent=2,
                )
        if self.verbose and coherence.nat:
            self.title("Address translation")
            self.rows([(safe(one.client), nat_line(one)) for one in coherence.nat], indent=2)

    def findings(self, findings: list[Finding]) -> None:
        self.title("Findings" if findings else "No findings")
        told: dict[str, str] = {}
        groups: dict[tuple[int, str], list[Finding]] = {}
        for finding in sorted(findings, key=lambda item: item.severity.rank):
            groups.setdefault((finding.severity.rank, finding.id), []).append(finding)
        for same in groups.values():
            first = same[0]
            self.console.print()
            self.console.print(
                Text.assemble(
                    "  ",
                    (f"{first.severity} ", SEVERITIES[first.severity]),
                    (f"{first.id} {first.name}", "bold"),
                ),
                soft_wrap=True,
            )
            shown = self.some(MAX_ALIKE, same)
            for number, finding in enumerate(shown):
                if number:
                    self.console.print()
                self._finding(finding)
            self.cut(len(shown), len(same), "finding")
            for remedy in dict.fromkeys(finding.remedy for finding in shown):
                # One remedy often mends several findings; it is told once.
                before = told.setdefault(remedy, first.id)
                text = safe(remedy, 2000) if before == first.id else f"same as for {before}"
                self.rows([("fix     ", text)], indent=4)

    def _finding(self, finding: Finding) -> None:
        self.rows([("", safe(finding.message, 2000))], indent=2)
        rows = [("seen    ", seen_line(finding))]
        if finding.process:
            rows.append(("program ", safe(finding.process)))
        if self.verbose:
            rows += [("why", safe(reason)) for reason in finding.reasons]
        self.rows(rows, indent=4)
        if finding.display_filter:
            # Left to the terminal to wrap: a filter with a line break cannot be pasted.
            wireshark = safe(finding.display_filter, 4000)
            self.console.print(Text.assemble(("    filter    ", "dim"), wireshark), soft_wrap=True)
