"""The tables of a watch that can be sorted and filtered, and what is behind their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from rich.text import Text

from pcapleak.report.document import Document, Finding, FlowEntry, IceSession, MdnsName
from pcapleak.report.text import endpoint, frames_text, local_time, safe
from pcapleak.report.writers.terminal import SEVERITIES
from pcapleak.values.words import count, size

MAX_ROWS = 1000
"""Rows of a table: what is drawn anew twice a second."""
Order = tuple[int | str, ...]
"""What a cell is sorted by."""


class Row(NamedTuple):
    """One thing in a table."""

    key: str
    cells: Sequence[str]
    order: Sequence[Order]
    style: str = ""
    words: str = ""
    """What else a search finds it by."""


class TableKind(NamedTuple):
    """A table: its columns, and where rows and details come from."""

    name: str
    columns: Sequence[str]
    rows: Callable[[Document], Sequence[Row]]
    detail: Callable[[Document, str], Text]
    empty: str
    """What it says while it has no rows."""
    wireshark: Callable[[Document, str], str] | None = None
    """The display filter of a row."""


def _address(text: str) -> Order:
    try:
        address = ip_address(text)
    except ValueError:
        return (9, 0, text)
    return (address.version, int(address), "")


def _findings(document: Document) -> list[Row]:
    return [
        Row(
            f"{finding.id} {finding.subject}",
            (
                local_time(finding.first_time),
                finding.severity,
                finding.id,
                str(finding.frame_count),
                safe(finding.message, 400),
            ),
            (
                (finding.first_time or 0,),
                (finding.severity.rank,),
                (finding.id,),
                (-finding.frame_count,),
                (finding.message,),
            ),
            SEVERITIES[finding.severity],
            f"{finding.name} {finding.subject}",
        )
        for finding in document.findings
    ]


def _finding_detail(document: Document, key: str) -> Text:
    for finding in document.findings:
        if f"{finding.id} {finding.subject}" == key:
            return _lines(
                ("", f"{finding.severity} {finding.id} {finding.name} ({finding.confidence})"),
                ("", finding.message),
                *(("because", reason) for reason in finding.reasons),
                ("evidence", frames_text(finding.frames, finding.frame_count, len(finding.frames))),
                ("filter", finding.display_filter),
                ("from, to", f"{local_time(finding.first_time)}, {local_time(finding.last_time)}"),
                ("program", _program(document, finding)),
                ("remedy", finding.remedy),
            )
    return Text()


def _finding_filter(document: Document, key: str) -> str:
    found = (one for one in document.findings if f"{one.id} {one.subject}" == key)
    return next((one.display_filter for one in found), "")


def _program(document: Document, finding: Finding) -> str:
    return next((flow.process or "" for flow in document.flows if flow.id == finding.flow), "")


def _bypassing(document: Document) -> list[FlowEntry]:
    return [flow for flow in document.flows if flow.path == "bypass"]


def _flows(document: Document) -> list[Row]:
    return [
        Row(
            str(flow.id),
            (
                local_time(flow.last_time),
                flow.protocol,
                endpoint(flow.orig.address, flow.orig.port),
                endpoint(flow.resp.address, flow.resp.port),
                ",".join(flow.services),
                size(flow.orig_bytes + flow.resp_bytes),
                safe(flow.server_name or ""),
                _program_name(flow.process or ""),
            ),
            (
                (flow.last_time,),
                (flow.protocol,),
                (*_address(flow.orig.address), flow.orig.port),
                (*_address(flow.resp.address), flow.resp.port),
                tuple(flow.services),
                (-flow.orig_bytes - flow.resp_bytes,),
                (flow.server_name or "",),
                (flow.process or "",),
            ),
        )
        for flow in _bypassing(document)
    ]


def _program_name(process: str) -> str:
    """A program for a column; why one is not known is told beside the row."""
    return safe(process.partition(" (")[0] if process.startswith(("unknown", "not ")) else process)


def _flow_detail(document: Document, key: str) -> Text:
    for flow in document.flows:
        if str(flow.id) == key:
            return _lines(
                ("flow", f"{flow.community_id} on {flow.interface}"),
                ("from, to", f"{local_time(flow.first_time)}, {local_time(flow.last_time)}"),
                ("sent", f"{count(flow.orig_packets, 'packet')}, {size(flow.orig_bytes)}"),
                ("received", f"{count(flow.resp_packets, 'packet')}, {size(flow.resp_bytes)}"),
                ("name", flow.server_name or ""),
                ("program", flow.process or ""),
                *(
                    (finding.id, finding.message)
                    for finding in document.findings
                    if finding.flow == flow.id
                ),
            )
    return Text()


def _sessions(document: Document) -> list[Row]:
    return [
        Row(
            session.id,
            (
                local_time(session.last_time),
                session.id,
                session.engine,
                _candidates(session),
                str(session.checks),
            ),
            (
                (session.last_time or 0,),
                (session.first_time or 0,),
                (session.engine,),
                (len(session.candidates),),
                (-session.checks,),
            ),
        )
        for session in document.ice_sessions
    ]


def _candidates(session: IceSession) -> str:
    return ", ".join(
        f"{candidate.type} {safe(candidate.address or candidate.mdns_name or '?')}"
        for candidate in session.candidates[:6]
    )


def _session_detail(document: Document, key: str) -> Text:
    for session in document.ice_sessions:
        if session.id == key:
            return _lines(
                ("engine", f"{session.engine}: {session.engine_reason}"),
                ("mode", str(session.ip_handling_mode.mode or "unknown")),
                *((candidate.evidence, candidate.line) for candidate in session.candidates),
            )
    return Text()


def _names(document: Document) -> list[Row]:
    return [
        Row(
            name.name,
            (
                local_time(name.last_time),
                safe(name.name),
                ", ".join(map(safe, name.addresses)) or "?",
                safe(name.announcer or "?"),
            ),
            (
                (name.last_time or 0,),
                (name.name,),
                _address(name.addresses[0]) if name.addresses else (9,),
                _address(name.announcer or ""),
            ),
        )
        for name in document.mdns_names
    ]


def _name_detail(document: Document, key: str) -> Text:
    for name in document.mdns_names:
        if name.name == key:
            return _lines(*_about_name(name))
    return Text()


def _about_name(name: MdnsName) -> list[tuple[str, str]]:
    return [
        ("name", name.name),
        ("addresses", ", ".join(name.addresses)),
        ("asked by", ", ".join(name.queried_by)),
        ("on", ", ".join(name.interfaces)),
        ("evidence", frames_text(name.frames, name.frame_count, len(name.frames))),
    ]


def _of_process(document: Document) -> dict[str, list[FlowEntry]]:
    found: dict[str, list[FlowEntry]] = {}
    for flow in _bypassing(document):
        found.setdefault(flow.process or "unknown", []).append(flow)
    return found


def _processes(document: Document) -> list[Row]:
    rows = []
    for process, flows in _of_process(document).items():
        total = sum(flow.orig_bytes + flow.resp_bytes for flow in flows)
        last = max(flow.last_time for flow in flows)
        rows.append(
            Row(
                process,
                (local_time(last), safe(process), str(len(flows)), size(total)),
                ((last,), (process,), (-len(flows),), (-total,)),
            )
        )
    return rows


def _process_detail(document: Document, key: str) -> Text:
    return _lines(
        ("program", key),
        *(
            (flow.protocol, f"{endpoint(flow.resp.address, flow.resp.port)} "
             f"{flow.server_name or ''}")
            for flow in _of_process(document).get(key, [])
        ),
    )  # fmt: skip


def _lines(*pairs: tuple[str, str]) -> Text:
    """What is known, a line each; what is empty is left out."""
    text = Text()
    for title, value in pairs:
        if value:
            text.append(f"{title:10}" if title else "", style="dim")
            text.append(f"{safe(value, 2000)}\n")
    return text


TABLES = (
    TableKind(
        "Findings",
        ("first", "severity", "id", "frames", "what"),
        _findings,
        _finding_detail,
        "No findings so far.",
        _finding_filter,
    ),
    TableKind(
        "Flows",
        ("last", "protocol", "from", "to", "what", "size", "name", "program"),
        _flows,
        _flow_detail,
        "Nothing has left outside the tunnel or proxy so far.",
    ),
    TableKind(
        "Sessions",
        ("last", "session", "engine", "candidates", "checks"),
        _sessions,
        _session_detail,
        "No WebRTC session so far: open a page that uses WebRTC to test it.",
    ),
    TableKind(
        "Names",
        ("last", "name", "addresses", "announced by"),
        _names,
        _name_detail,
        "No .local name has been announced so far.",
    ),
    TableKind(
        "Programs",
        ("last", "program", "flows", "size"),
        _processes,
        _process_detail,
        "No program has sent anything outside the tunnel or proxy so far.",
    ),
)


def select(
    rows: Sequence[Row], words: str, column: int, reverse: bool, columns: Sequence[str] = ()
) -> list[Row]:
    """The rows that hold every one of `words`, in any case, sorted by a column (-1: as the report
    has them).

    `COLUMN:TEXT` looks in that of `columns` alone, `port:N` for an end of a flow.
    """
    found = [
        row for row in rows if all(_holds(row, word, columns) for word in words.lower().split())
    ]
    if column >= 0:
        found.sort(key=lambda row: row.order[column])
    if reverse:
        found.reverse()
    return found[:MAX_ROWS]


def _holds(row: Row, word: str, columns: Sequence[str]) -> bool:
    column, colon, text = word.partition(":")
    if colon and column == "port":
        return any(cell.endswith(f":{text}") for cell in row.cells)
    if colon and column in columns:
        return text in row.cells[columns.index(column)].lower()
    return any(word in cell.lower() for cell in (*row.cells, row.words, row.key))
