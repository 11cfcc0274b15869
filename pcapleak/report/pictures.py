"""The pictures of a report: the paths traffic took, its timeline, how candidates came about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pcapleak.report.document import Document, FlowEntry
from pcapleak.report.drawing import LINE, WIDTH, Box, Drawing, Kind, Label, Line, fit
from pcapleak.report.phrases import tunnel_word
from pcapleak.report.text import clock_time, flow_ends, frames_text, safe
from pcapleak.values.words import count, duration

MAX_LINES = 7
"""Lines in a box, its title among them; the box counts the rest."""

GAP = 10
"""Between boxes; three of them side by side then hold an IPv4 address and its port."""

MAX_ROWS = 12
"""Rows of a timeline or arrows of a ladder: a picture that fits a page."""

MAX_SPANS = 20
"""Bars in a row: more could not be told apart on a phone, and each is 0.3 kB of SVG."""

_SAFE_PATHS = ("tunnel", "proxy", "tunnel-transport", "inside-tunnel")


def topology(document: Document) -> Drawing:
    """Which way the client's traffic went: through the tunnel or proxy, beside it, or nearby."""
    drawing = Drawing("The paths traffic took from the client")
    paths = document.statistics.paths
    lanes = [
        lane
        for lane in (
            _safe_lane(document, sum(paths.get(path, 0) for path in _SAFE_PATHS)),
            _bypass_lane(document, paths.get("bypass", 0), "bypass"),
            _bypass_lane(document, paths.get("unassessed", 0), "unassessed"),
        )
        if lane is not None
    ]
    client = ["Client", *_client_addresses(document)]
    top = drawing.stack(client, 0, 0, WIDTH, "plain", MAX_LINES)
    width = (WIDTH - GAP * (len(lanes) - 1)) / len(lanes) if lanes else WIDTH
    bottom = top
    for number, lane in enumerate(lanes):
        x = number * (width + GAP)
        y = top
        for lines in lane.stops:
            drawing.lines.append(Line(x + width / 2, y, x + width / 2, y + 24, lane.kind, True))
            y = drawing.stack(lines, x, y + 24, width, lane.kind, MAX_LINES)
        bottom = max(bottom, y)
    nearby = paths.get("local", 0)
    if nearby:
        text = f"{count(nearby, 'packet')} stayed on the local network"
        drawing.labels.append(Label(WIDTH / 2, bottom + 20, text, "middle", "muted"))
        bottom += 26
    drawing.height = bottom + 4
    return drawing


class _Lane(NamedTuple):
    kind: Kind
    stops: list[list[str]]
    """What lies on the way, each after an arrow."""


def _safe_lane(document: Document, packets: int) -> _Lane | None:
    if not packets:
        return None
    carriers = [
        f"{tunnel_word(tunnel)} {tunnel.endpoint.removesuffix('/udp')}"
        for tunnel in document.tunnels
    ]
    interfaces = _interfaces(document, "tunnel")
    inside = [flow for flow in document.flows if flow.path in ("tunnel", "inside-tunnel", "proxy")]
    # A proxied flow ends at the proxy; only a name says where it went from there.
    names = _unique(
        flow.server_name or ("" if flow.path == "proxy" else _server(flow)) for flow in inside
    )
    return _Lane(
        "safe",
        [
            ["Tunnel or proxy", count(packets, "packet"), *interfaces, *_unique(carriers)],
            ["Reached through it", *(names or ["hidden inside"])],
        ],
    )


def _bypass_lane(document: Document, packets: int, path: str) -> _Lane | None:
    if not packets:
        return None
    flows = [flow for flow in document.flows if flow.path == path]
    servers = _unique(map(_server, flows))
    seen = document.verdict.exposed_addresses
    leak = path == "bypass"
    interfaces = _unique(flow.interface or "" for flow in flows)
    return _Lane(
        "leak" if leak else "local",
        [
            [
                "Outside it" if leak else "Not assessed",
                count(packets, "packet"),
                *(f"on {interface}" for interface in interfaces),
                *(f"seen as {address}" for address in seen if leak),
            ],
            *([["Servers that saw it" if leak else "Servers", *servers]] if servers else []),
        ],
    )


def _server(flow: FlowEntry) -> str:
    return flow_ends(flow).partition(" → ")[2]


def _client_addresses(document: Document) -> list[str]:
    given = document.policy.fields.get("clients")
    addresses = list(given.value) if given is not None else []
    for session in document.ice_sessions:
        addresses += session.client_addresses
    return _unique(addresses)


def _interfaces(document: Document, role: str) -> list[str]:
    return _unique(
        interface.name or f"#{interface.id}"
        for capture in document.captures
        for interface in capture.interfaces
        if interface.role == role
    )


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, values)))


def timeline(document: Document) -> Drawing:
    """When tunnels were up, and when which leak was seen."""
    drawing = Drawing("Tunnels and leaks over time")
    first, last = _span(document)
    if first is None or last is None:
        drawing.labels.append(Label(0, LINE, "No packet has a time.", kind="muted"))
        drawing.height = LINE * 2
        return drawing
    scale = WIDTH / max(last - first, 1)

    def place(time: int) -> float:
        return (time - first) * scale

    y = 0.0
    rows = [*_tunnel_rows(document, last), *_finding_rows(document)]
    for row in rows[:MAX_ROWS]:
        drawing.labels.append(Label(0, y + 12, fit(row.text, WIDTH), kind=row.kind, title=row.text))
        drawing.lines.append(Line(0, y + 24, WIDTH, y + 24, "muted"))
        for start, end in row.spans:
            x = min(place(start), WIDTH - 4)
            width = max(place(end) - place(start), 4)
            when = f"{clock_time(start)} to {clock_time(end)}, {duration(end - start)}"
            what = fit(row.text, WIDTH)
            title = f"{what}: {when if end > start else clock_time(start)}"
            drawing.boxes.append(Box(x, y + 18, width, 12, row.kind, title=title))
        y += 42
    if len(rows) > MAX_ROWS:
        more = f"and {len(rows) - MAX_ROWS} more"
        drawing.labels.append(Label(0, y + 10, more, kind="muted"))
        y += LINE
    drawing.lines.append(Line(0, y + 4, WIDTH, y + 4, "muted"))
    drawing.labels.append(Label(0, y + 20, clock_time(first), kind="muted"))
    middle = f"{duration(last - first)}, UTC"
    drawing.labels.append(Label(WIDTH / 2, y + 20, middle, "middle", "muted"))
    drawing.labels.append(Label(WIDTH, y + 20, clock_time(last), "end", "muted"))
    drawing.height = y + 28
    return drawing


class _Row(NamedTuple):
    text: str
    kind: Kind
    spans: list[tuple[int, int]]


def _span(document: Document) -> tuple[int | None, int | None]:
    firsts = [capture.first_time for capture in document.captures if capture.first_time is not None]
    lasts = [capture.last_time for capture in document.captures if capture.last_time is not None]
    return min(firsts, default=None), max(lasts, default=None)


def _tunnel_rows(document: Document, last: int) -> Iterator[_Row]:
    for tunnel in document.tunnels:
        spans = []
        for start in tunnel.up[:MAX_SPANS]:
            end = min((time for time in tunnel.down if time >= start), default=last)
            spans.append((int(start), int(end)))
        name = f"{tunnel_word(tunnel)} {tunnel.endpoint}"
        yield _Row(name, "safe", spans)


def _finding_rows(document: Document) -> Iterator[_Row]:
    for finding in document.findings:
        if finding.first_time is None:
            continue
        kind: Kind = "leak" if finding.severity in ("critical", "high") else "local"
        end = finding.last_time if finding.last_time is not None else finding.first_time
        text = f"{finding.id} {finding.subject}"
        yield _Row(text, kind, [(int(finding.first_time), int(end))])


def ladder(document: Document) -> Drawing:
    """How the client's candidates came about: who told it what, in the order of the frames."""
    drawing = Drawing("How the candidates were gathered")
    steps = sorted(_steps(document))
    parties = ["Client", *_unique(step.server for step in steps)][:4]
    middle = {party: (number + 0.5) * WIDTH / len(parties) for number, party in enumerate(parties)}
    width = WIDTH / len(parties) - 8
    for party, x in middle.items():
        drawing.boxes.append(
            Box(x - width / 2, 0, width, 24, "plain", (fit(party, width - 8),), safe(party))
        )
    y = 24.0
    known = [step for step in steps if step.server in middle]
    for step in known[:MAX_ROWS]:
        y += 44
        ends = (middle["Client"], middle[step.server])
        start, end = ends if step.outward else ends[::-1]
        drawing.labels.append(
            Label(WIDTH / 2, y - 18, fit(step.text, WIDTH), "middle", title=step.text)
        )
        drawing.labels.append(Label(WIDTH / 2, y - 4, step.frames, "middle", "muted"))
        drawing.lines.append(Line(start, y, end, y, "plain", True, step.text))
    y += 16
    drawing.lines[:0] = [Line(x, 24, x, y, "muted") for x in middle.values()]
    if len(steps) > len(known[:MAX_ROWS]):
        more = f"and {len(steps) - len(known[:MAX_ROWS])} more"
        drawing.labels.append(Label(WIDTH / 2, y + 12, more, "middle", "muted"))
        y += LINE
    drawing.height = y + 4
    return drawing


class _Step(NamedTuple):
    frame: int
    text: str
    server: str
    outward: bool
    frames: str


LAN = "Local network"


def _steps(document: Document) -> Iterator[_Step]:
    for name in document.mdns_names:
        known = [address for address in name.addresses if address not in ("0.0.0.0", "::")]  # noqa: S104
        if name.frames and known:
            frames = frames_text(name.frames, name.frame_count, 3)
            text = f"{name.name} stands for {' and '.join(known)}"
            yield _Step(name.frames[0], text, LAN, True, frames)
    for session in document.ice_sessions:
        for candidate in session.candidates:
            if candidate.frames and candidate.server:
                text = f"you are {candidate.address}:{candidate.port}"
                if candidate.type == "relay":
                    text = f"peers reach you at {candidate.address}:{candidate.port}"
                frames = frames_text(candidate.frames, candidate.frame_count, 3)
                yield _Step(candidate.frames[0], text, candidate.server, False, frames)
