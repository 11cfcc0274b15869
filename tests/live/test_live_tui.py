"""`pcapleak live --tui`: tables sorted, filtered, paused and looked into, by keys."""

from __future__ import annotations

import asyncio
import html
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import pytest
from live_support import PROXY, machine, requests
from msgspec.structs import replace
from places import ROOT
from sample_report import sample
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static, TabbedContent

from pcapleak import Policy, analyze
from pcapleak.report.document import Document
from pcapleak.report.screen.head import Status
from pcapleak.report.screen.interactive import LOOK_EVERY_S, Help, Look, WatchApp
from pcapleak.report.screen.tables import TABLES
from pcapleak.report.screen.tables import select as selected


class Watched:
    """What the page looks at, as a test changes it."""

    def __init__(self, document: Document) -> None:
        self.look = Look(document, Status("eth0", 65.0, 12_345, 99.0, 7, 42), False)

    def use(
        self,
        test: Callable[[WatchApp, Pilot[None]], Awaitable[None]],
        size: tuple[int, int] = (140, 40),
    ) -> None:
        async def run() -> None:
            app = WatchApp(lambda: self.look)
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                await test(app, pilot)

        asyncio.run(run())


@pytest.fixture(scope="module")
def document() -> Document:
    """A real browser behind a proxy, and what it let out."""
    policy = Policy.from_options(proxy=[PROXY])
    return analyze(ROOT / "captures" / "socks.pcapng", policy=policy).document


def visible(app: WatchApp) -> str:
    """What a person sees on the terminal, with all its white space."""
    drawn = re.sub("<[^>]*>", "", app.export_screenshot(simplify=True))
    return html.unescape(drawn).replace("\xa0", " ")


def cells(app: WatchApp, name: str) -> list[list[str]]:
    table = app.query_one(f"#table-{name}", DataTable)
    return [[str(cell) for cell in table.get_row_at(row)] for row in range(table.row_count)]


def text(app: WatchApp, name: str) -> str:
    return str(app.query_one(f"#{name}", Static).content)


def test_the_page_has_the_verdict_and_every_table(document: Document) -> None:
    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        first, second = text(app, "head").splitlines()[:2]
        assert first.startswith(" LEAK   eth0  ") and second == "Exposed  203.0.113.7"
        assert "12,345 packets (99/s), 42 flows, 7 lost" in text(app, "head")
        tabs = app.query_one(TabbedContent)
        labels = [str(tabs.get_tab(kind.name).label) for kind in TABLES]
        assert labels == ["Findings 4", "Flows 1", "Sessions 1", "Names 4", "Programs 1"]
        for number, kind in enumerate(TABLES, 1):
            await pilot.press(str(number))
            assert tabs.active == kind.name
            assert len(cells(app, kind.name)) == len(kind.rows(document))

    Watched(document).use(test)


def test_a_finding_shows_its_frames(document: Document) -> None:
    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("1")
        first = document.findings[0]
        assert f"frame {first.frames[0]}" in text(app, "detail")
        assert first.display_filter in text(app, "detail")
        await pilot.press("down")
        assert document.findings[1].message in text(app, "detail")

    Watched(document).use(test)


def test_rows_are_sorted_by_any_column_and_turned_round(document: Document) -> None:
    """By value and not by letter: addresses and sizes too."""

    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("1", "s", "s", "s")
        ids = [row[2] for row in cells(app, "Findings")]
        assert ids == sorted(ids)
        assert "by id" in text(app, "head")
        await pilot.press("r")
        assert [row[2] for row in cells(app, "Findings")] == ids[::-1]
        await pilot.click("#table-Findings", offset=(2, 0))
        times = [row[0] for row in cells(app, "Findings")]
        assert times == sorted(times)

    Watched(document).use(test)
    flow = document.flows[0]
    ends = [replace(flow.resp, address=a) for a in ("2001:db8::1", "198.51.100.10", "9.9.9.9")]
    flows = [replace(flow, id=n, resp=end, orig_bytes=10**n, path="bypass")
             for n, end in enumerate(ends)]  # fmt: skip
    rows = TABLES[1].rows(replace(document, flows=flows))
    assert [row.key for row in selected(rows, "", 3, False)] == ["2", "1", "0"]
    assert [row.key for row in selected(rows, "", 5, False)] == ["2", "1", "0"]


def test_a_filter_keeps_rows_that_hold_its_words(document: Document) -> None:
    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("1", "slash", *"STUN")
        assert app.query_one("#filter", Input).has_focus
        kept = cells(app, "Findings")
        assert 0 < len(kept) < len(document.findings)
        assert all("stun" in " ".join(row).lower() for row in kept)
        await pilot.press("enter", "q")
        assert not app.is_running or app._exit

    Watched(document).use(test)


def test_escape_shows_all_rows_again(document: Document) -> None:
    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("1", "slash", *"nothing", "escape")
        assert len(cells(app, "Findings")) == len(document.findings)

    Watched(document).use(test)


def test_pause_holds_the_tables_and_not_the_verdict(document: Document) -> None:
    watched = Watched(document)

    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("1", "down", "p")
        watched.look = watched.look._replace(document=replace(document, findings=[]))
        await pilot.pause(3 * LOOK_EVERY_S)
        assert "PAUSED" in text(app, "head")
        assert len(cells(app, "Findings")) == len(document.findings)
        await pilot.press("p")
        assert cells(app, "Findings") == []
        watched.look = watched.look._replace(document=document)
        await pilot.pause(3 * LOOK_EVERY_S)
        assert len(cells(app, "Findings")) == len(document.findings)

    watched.use(test)


def test_the_cursor_stays_on_its_row_when_others_come(document: Document) -> None:
    watched = Watched(replace(document, findings=document.findings[2:]))

    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("1", "down")
        chosen = text(app, "detail")
        watched.look = watched.look._replace(document=document)
        await pilot.pause(3 * LOOK_EVERY_S)
        assert len(cells(app, "Findings")) == len(document.findings)
        assert text(app, "detail") == chosen
        assert document.findings[3].message in chosen

    watched.use(test)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_keys_end_it(key: str, document: Document) -> None:
    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press(key)
        assert app._exit

    Watched(document).use(test)


def test_it_ends_with_the_watch(document: Document) -> None:
    watched = Watched(document)

    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        watched.look = watched.look._replace(ended=True)
        await pilot.pause(3 * LOOK_EVERY_S)
        assert app._exit

    watched.use(test)


def test_strings_of_strangers_are_harmless() -> None:
    """Neither escape sequences nor markup come through, in tables, details and head."""
    hostile = "\x1b]0;owned\x07 \u202e[red]x[/red] [link=http://e.example]y"
    document = sample(hostile)
    for finding in document.findings:
        finding.message = finding.subject = finding.display_filter = hostile
    for flow in document.flows:
        flow.process = flow.server_name = hostile
        flow.path = "bypass"

    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        for number, kind in enumerate(TABLES, 1):
            await pilot.press(str(number))
            shown = " ".join(cell for row in cells(app, kind.name) for cell in row)
            shown += text(app, "detail") + text(app, "head")
            assert "\x1b" not in shown
            assert "\u202e" not in shown
        assert "[red]x[/red]" in shown

    Watched(document).use(test)


def watch(*options: str, name: str, stdin: int, stderr: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, "-m", "pcapleak", "live", "--tui",
         "--iface", "eth0", "--proxy", PROXY, "--json", "-", *options],
        stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, text=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "140", "LINES": "40"},
    )  # fmt: skip


@pytest.mark.parametrize("end", ["q", "\x03", signal.SIGTERM])
def test_a_real_watch_in_a_terminal(end: str | int, root_network: None) -> None:
    """The leak comes up, a key or a signal ends the watch, and the report follows."""
    with machine() as (client, _):
        control, terminal = pty.openpty()
        watching = watch(name=client.name, stdin=terminal, stderr=terminal)
        os.close(terminal)
        shown, sent = b"", False
        deadline = time.monotonic() + 40
        while b"LEAK" not in shown and time.monotonic() < deadline:
            if select.select([control], [], [], 0.2)[0]:
                shown += os.read(control, 65536)
            if b"LISTENING" in shown and not sent:
                sent = True
                requests(client, 5)
        if isinstance(end, str):
            os.write(control, end.encode())
        else:
            watching.send_signal(end)
        while select.select([control], [], [], 5)[0]:
            try:
                shown += os.read(control, 65536)
            except OSError:
                break  # the other end is closed
        output, _ = watching.communicate(timeout=20)
        os.close(control)
    assert b"Findings" in shown
    assert watching.returncode == 1, re.sub(rb"\x1b[^a-zA-Z]*[a-zA-Z]", b"", shown)[-3000:]
    assert json.loads(output)["verdict"]["result"] == "leak"
    assert b"\x1b[?1049l" in shown, "the terminal's own page is not back"


@pytest.mark.parametrize("options", [("--via", "dumpcap"), ()])
def test_without_a_keyboard_one_line_says_so(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pcapleak", "live", "--tui", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("pcapleak: --tui: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("size", [(80, 12), (80, 24), (200, 60)])
def test_five_findings_have_room_on_any_terminal(document: Document, size: tuple[int, int]) -> None:
    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        table = app.query_one("#table-Findings", DataTable)
        # A title stands above the rows, and perhaps a scroll bar below.
        assert table.scrollable_content_region.height - table.header_height >= 5
        assert " LEAK " in visible(app)

    Watched(document).use(test, size)


def test_a_low_terminal_shows_counters_what_the_keys_did_and_why_a_table_is_empty(
    document: Document,
) -> None:
    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        assert "12,345 packets (99/s), 42 flows, 7 lost" in visible(app)
        await pilot.press("p")
        assert " PAUSED " in visible(app)
        await pilot.press("p", "slash", *"nosuch", "enter")
        await pilot.pause()
        assert "Filter   nosuch" in visible(app)
        assert "Nothing here matches 'nosuch'; Escape shows all." in visible(app)

    Watched(document).use(test, (80, 12))


def test_search_finds_names_ports_and_columns_and_says_when_there_is_nothing(
    document: Document,
) -> None:
    rows = TABLES[0].rows(document)
    columns = TABLES[0].columns
    by_name = selected(rows, "public-address-exposed", -1, False, columns)
    assert [row.cells[2] for row in by_name] == ["PL101"]
    assert len(selected(rows, "severity:low", -1, False, columns)) == 2
    flows = TABLES[1].rows(document)
    assert selected(flows, "port:3478", -1, False, TABLES[1].columns)
    assert not selected(flows, "port:347", -1, False, TABLES[1].columns)

    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"nosuch")
        assert "Nothing here matches 'nosuch'" in text(app, "detail")

    Watched(document).use(test)
    quiet = replace(document, findings=[])

    async def empty(app: WatchApp, pilot: Pilot[None]) -> None:
        assert "No findings so far" in text(app, "detail")

    Watched(quiet).use(empty)


def test_keys_are_explained_and_a_filter_is_copied(document: Document) -> None:
    async def test(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("c")
        assert app.clipboard == document.findings[0].display_filter
        await pilot.press("question_mark")
        assert isinstance(app.screen, Help)
        await pilot.press("x")
        assert not isinstance(app.screen, Help)
        await pilot.press("s")
        table = app.query_one("#table-Findings", DataTable)
        labels = [str(column.label) for column in table.columns.values()]
        assert labels[0] == "first ↑"

    Watched(document).use(test)
