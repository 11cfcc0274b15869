"""The page of a watch: what is known now, verdict first, drawn anew as it changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pcapleak.report.document import Document, Finding
from pcapleak.report.text import clock_time, duration, flow_ends, safe, size
from pcapleak.report.writers.terminal import SEVERITIES, VERDICTS

FINDINGS, FLOWS, SESSIONS, NAMES, TUNNELS = 8, 8, 3, 4, 4
"""Rows of each section: all of them fit a terminal of 40 lines."""


@dataclass(slots=True)
class Status:
    """What a page shows besides the report."""

    source: str
    elapsed_s: float = 0.0
    packets: int = 0
    rate: float = 0.0
    """Packets a second of late."""
    dropped: int = 0
    flows: int = 0
    findings: list[Finding] = field(default_factory=list)
    """In the order they were made."""
    unrecorded: int = 0
    """Packets that --record left out."""
    notes: list[str] = field(default_factory=list)
    """What went wrong that the watch outlives."""


def live_page(document: Document | None, status: Status) -> RenderableType:
    """The page; `document` is None as long as nothing was judged."""
    parts: list[RenderableType] = [page_head(document, status)]
    if document is not None:
        parts += [part for part in (_tunnels(document), _flows(document)) if part is not None]
        parts += [part for part in (_webrtc(document),) if part is not None]
    if status.findings:
        parts.append(_findings(status.findings))
    parts.append(Text("Ctrl-C ends the watch and prints the report.", style="dim"))
    return Group(*parts)


def page_head(document: Document | None, status: Status) -> Text:
    """The verdict, and the counters."""
    text = Text("\n").join((_verdict(document, status), _counters(status)))
    for note in status.notes:
        text.append(f"{safe(note)}\n", style="bold red")
    return text


def _verdict(document: Document | None, status: Status) -> Text:
    if document is None:
        return Text.assemble((" LISTENING ", "bold white on blue"), f"  {safe(status.source)}")
    word, style = VERDICTS[document.verdict.result]
    exposed = ", ".join(safe(address) for address in document.verdict.exposed_addresses[:4])
    text = Text.assemble((f" {word} ", style), f"  {safe(status.source)}")
    if exposed:
        text.append("\nExposed  ", style="dim").append(exposed, style="bold")
    text.append("\nWhy      ", style="dim").append(safe(document.verdict.reason, 400))
    return text


def _counters(status: Status) -> Text:
    text = Text(
        f"{duration(int(status.elapsed_s * 1e9))}, {status.packets:,} packets "
        f"({status.rate:,.0f}/s), {status.flows:,} flows, "
    )
    text.append(f"{status.dropped:,} lost", style="bold red" if status.dropped else "dim")
    if status.unrecorded:
        text.append(f", {status.unrecorded:,} not recorded", style="bold red")
    return text.append("\n")


def _section(title: str, rows: list[tuple[str | Text, str | Text]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(title, style="bold"), "")
    for left, right in rows:
        table.add_row(left, right)
    table.add_row("", "")
    return table


def _tunnels(document: Document) -> Table | None:
    """The last thing that happened to each tunnel or interface."""
    last = {}
    for event in document.timeline:
        if event.kind != "leak":
            last[event.subject] = event
    if not last:
        return None
    bad = ("tunnel-lost", "interface-gone")
    rows: list[tuple[str | Text, str | Text]] = [
        (
            Text(safe(name), style="bold red" if event.kind in bad else "green"),
            f"{clock_time(event.time)} {safe(event.text)}",
        )
        for name, event in list(last.items())[-TUNNELS:]
    ]
    return _section("Tunnels", rows)


def _flows(document: Document) -> Table | None:
    bypassing = [flow for flow in document.flows if flow.path == "bypass"]
    if not bypassing:
        return None
    shown = sorted(bypassing, key=lambda flow: flow.last_time)[-FLOWS:]
    rows: list[tuple[str | Text, str | Text]] = []
    for flow in shown:
        words = [flow_ends(flow), ",".join(flow.services), size(flow.orig_bytes + flow.resp_bytes)]
        if flow.server_name:
            words.append(safe(flow.server_name))
        if flow.process:
            words.append(safe(flow.process))
        rows.append((f"{clock_time(flow.last_time)} {flow.protocol}", "  ".join(words)))
    return _section(f"Past the tunnel or proxy: {len(bypassing)} flows", rows)


def _webrtc(document: Document) -> Table | None:
    rows: list[tuple[str | Text, str | Text]] = [
        (
            f"session {safe(session.id)}",
            f"{session.engine}: "
            + ", ".join(
                f"{candidate.type} {safe(candidate.address or candidate.mdns_name or '?')}"
                for candidate in session.candidates[:6]
            ),
        )
        for session in document.ice_sessions[-SESSIONS:]
    ]
    rows += [
        ("name", f"{safe(name.name)} = {', '.join(map(safe, name.addresses[:4])) or '?'}")
        for name in document.mdns_names[-NAMES:]
    ]
    return _section("WebRTC", rows) if rows else None


def _findings(findings: list[Finding]) -> Table:
    rows: list[tuple[str | Text, str | Text]] = [
        (
            Text.assemble(
                f"{clock_time(finding.first_time)} ",
                (f"{finding.severity} {finding.id}", SEVERITIES[finding.severity]),
            ),
            safe(finding.message, 400),
        )
        for finding in findings[-FINDINGS:]
    ]
    return _section("Findings", rows)
