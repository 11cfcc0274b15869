"""A watch one can look into: its tables sorted and filtered, and what is behind each row."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.widgets import DataTable, Footer, Input, Static, TabbedContent, TabPane

from pcapleak.report.document import Document
from pcapleak.report.screen.head import Status, page_head
from pcapleak.report.screen.tables import TABLES, Row, TableKind, select

LOOK_EVERY_S = 0.25


class Look(NamedTuple):
    """What a watch knows at a moment."""

    document: Document | None
    status: Status
    ended: bool


class View:
    """How one table is looked at."""

    def __init__(self, kind: TableKind) -> None:
        self.kind = kind
        self.column = -1
        self.reverse = False
        self.shown: list[tuple[str, ...]] = []
        """Keys and cells on screen."""


class WatchApp(App[None]):
    """Looks at a watch that runs elsewhere, until that ends or a person has seen enough."""

    TITLE = "pcapleak"
    CSS = """
    TabbedContent, DataTable { height: 1fr; }
    #head { height: auto; max-height: 8; padding: 0 1; }
    #filter { display: none; }
    #filter.asked { display: block; }
    #detail { height: auto; max-height: 12; padding: 0 1; border-top: solid $primary; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("p", "pause", "Pause"),
        Binding("slash", "filter", "Filter"),
        Binding("escape", "unfilter", "All", show=False),
        Binding("s", "sort", "Sort"),
        Binding("r", "reverse", "Reverse"),
        *(
            Binding(str(number), f"tab('{kind.name}')", kind.name)
            for number, kind in enumerate(TABLES, 1)
        ),
    ]

    def __init__(self, look: Callable[[], Look]) -> None:
        """`look` is asked four times a second."""
        super().__init__()
        self._look = look
        self._views = {kind.name: View(kind) for kind in TABLES}
        self._document: Document | None = None
        self._words = ""
        self._paused = False

    def compose(self) -> ComposeResult:
        """Head, tables, detail, keys."""
        yield Static(id="head")
        yield Input(placeholder="show rows with...", id="filter")
        with TabbedContent():
            for name in self._views:
                with TabPane(name, id=name):
                    yield DataTable(id=f"table-{name}", cursor_type="row", zebra_stripes=True)
        yield Static(id="detail")
        yield Footer()

    def on_mount(self) -> None:
        """Columns, and a first look."""
        for view in self._views.values():
            self._table(view).add_columns(*view.kind.columns)
        self._table(self._view()).focus()
        self._refresh()
        self.set_interval(LOOK_EVERY_S, self._look_again)

    def _table(self, view: View) -> DataTable[Text]:
        return self.query_one(f"#table-{view.kind.name}", DataTable)

    def _view(self) -> View:
        """The table on top."""
        return self._views[self.query_one(TabbedContent).active or TABLES[0].name]

    def _look_again(self) -> None:
        # The last time, the page is being taken down already.
        with suppress(NoMatches):
            self._refresh()

    def _refresh(self) -> None:
        look = self._look()
        if look.ended:
            self.exit()
            return
        if not self._paused:
            self._document = look.document
        head = page_head(look.document, look.status)
        if self._paused:
            head.append(" PAUSED ", style="bold black on yellow").append(" the watch goes on\n")
        if self._words:
            head.append("Filter   ", style="dim").append(f"{self._words}\n")
        view = self._view()
        if view.column >= 0 or view.reverse:
            by = view.kind.columns[view.column] if view.column >= 0 else "importance"
            head.append("Sorted   ", style="dim").append(f"by {by}")
            head.append(", reversed\n" if view.reverse else "\n")
        self.query_one("#head", Static).update(head)
        self._fill()

    def _fill(self) -> None:
        """Bring titles and the table on top up to date."""
        if self._document is None:
            return
        for name, view in self._views.items():
            rows = view.kind.rows(self._document)
            self.query_one(TabbedContent).get_tab(name).label = f"{name} {len(rows)}"
            if view is self._view():
                self._fill_table(view, select(rows, self._words, view.column, view.reverse))
        self._show_detail()

    def _fill_table(self, view: View, rows: list[Row]) -> None:
        fresh = [(row.key, *row.cells) for row in rows]
        if fresh == view.shown:
            return
        table = self._table(view)
        key, at = self._selected(view), table.scroll_y
        view.shown = fresh
        table.clear()
        for row in rows:
            table.add_row(*(Text(cell, style=row.style) for cell in row.cells), key=row.key)
        keys = [row.key for row in rows]
        if key in keys:
            table.move_cursor(row=keys.index(key), scroll=False)
            table.scroll_to(y=at, animate=False)

    def _selected(self, view: View) -> str:
        """The key of the row under the cursor; empty where there is none."""
        row = self._table(view).cursor_row
        return view.shown[row][0] if 0 <= row < len(view.shown) else ""

    def _show_detail(self) -> None:
        view = self._view()
        key = self._selected(view)
        text = view.kind.detail(self._document, key) if self._document and key else Text()
        self.query_one("#detail", Static).update(text)

    def on_data_table_row_highlighted(self) -> None:
        """Another row: what is behind it."""
        self._show_detail()

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """A click on a title sorts by it, a second one the other way round."""
        view = self._view()
        view.reverse = view.column == event.column_index and not view.reverse
        view.column = event.column_index
        self._refresh()

    def on_tabbed_content_tab_activated(self) -> None:
        """Another table."""
        self._fill()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The filter, letter by letter."""
        self._words = event.value
        self._refresh()

    def on_input_submitted(self) -> None:
        """The filter is as wanted: back to the table."""
        self.query_one("#filter").remove_class("asked")
        self._table(self._view()).focus()

    def action_pause(self) -> None:
        """Let the tables stand still, or run again."""
        self._paused = not self._paused
        self._refresh()

    def action_filter(self) -> None:
        """Ask for the filter."""
        self.query_one("#filter").add_class("asked").focus()

    def action_unfilter(self) -> None:
        """Show all rows."""
        self.query_one("#filter", Input).value = ""
        self.on_input_submitted()

    def action_sort(self) -> None:
        """Sort by the next column."""
        view = self._view()
        view.column = (view.column + 2) % (len(view.kind.columns) + 1) - 1
        view.reverse = False
        self._refresh()

    def action_reverse(self) -> None:
        """Turn the order round."""
        view = self._view()
        view.reverse = not view.reverse
        self._refresh()

    def action_tab(self, name: str) -> None:
        """Show a table."""
        self.query_one(TabbedContent).active = name
        self._table(self._views[name]).focus()
