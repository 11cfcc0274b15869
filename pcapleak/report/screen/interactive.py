"""A watch one can look into: its tables sorted and filtered, and what is behind each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import ModalScreen
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
        self.titles: tuple[str, ...] = ()
        """Of the columns on screen, with the arrow of the one sorted by."""
        self.shown: list[tuple[str, ...]] = []
        """Keys and cells on screen."""


def _titles(view: View) -> tuple[str, ...]:
    arrow = "↓" if view.reverse else "↑"
    return tuple(
        f"{name} {arrow}" if number == view.column else name
        for number, name in enumerate(view.kind.columns)
    )


HELP = """\
1-5         show a table
arrows      move through its rows; details stand below it
/           search all columns: words, or COLUMN:TEXT, port:443, program:curl
Escape      show all rows
s, r        sort by the next column, reverse the order (or click a title)
c           copy the finding's Wireshark filter
p           pause the screen; the watch goes on
q           quit with the report
any key     closes this help"""


class Help(ModalScreen[None]):
    """What the keys do, until a key is pressed."""

    CSS = """
    Help { align: center middle; }
    Help Static { width: auto; height: auto; padding: 0 1; background: $panel; }
    """

    def compose(self) -> ComposeResult:
        """The list of keys."""
        yield Static(Text(HELP))

    def on_key(self) -> None:
        """Any key closes it."""
        self.dismiss()


class WatchApp(App[None]):
    """Looks at a watch that runs elsewhere, until that ends or a person has seen enough."""

    TITLE = "pcapleak"
    CSS = """
    TabbedContent, DataTable { height: 1fr; }
    #head { height: auto; padding: 0 1; }
    #filter { display: none; }
    #filter.asked { display: block; }
    #detail { height: auto; padding: 0 1; border-top: solid $primary; }
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
        Binding("c", "copy", "Copy filter"),
        Binding("question_mark", "help", "Help", key_display="?"),
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
        self._has_room = True
        """Whether details fit below the table."""

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
        self._table(self._view()).focus()
        self._fit()
        self._refresh()
        self.set_interval(LOOK_EVERY_S, self._look_again)

    def on_resize(self) -> None:
        """A terminal of another size."""
        with suppress(NoMatches):
            self._fit()

    def _fit(self) -> None:
        """Leave the table at least five rows, however low the terminal is."""
        height = self.size.height
        self.query_one("#head", Static).styles.max_height = (
            3 if height < 16 else 4 if height < 32 else 8
        )
        room = min(max(height - 16, 0), 12)
        detail = self.query_one("#detail", Static)
        detail.styles.max_height = max(room, 2)
        detail.display = self._has_room = room > 1
        self.query_one(Footer).display = height >= 16

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
        head = page_head(look.document, look.status, list(self._state()))
        self.query_one("#head", Static).update(head)
        self._fill()

    def _state(self) -> Iterator[Text]:
        """How the tables are looked at, where that is not as at first."""
        if self._paused:
            yield Text.assemble((" PAUSED ", "bold black on yellow"), " the watch goes on")
        if self._words:
            yield Text.assemble(("Filter   ", "dim"), self._words)
        view = self._view()
        if view.column >= 0 or view.reverse:
            by = view.kind.columns[view.column] if view.column >= 0 else "importance"
            yield Text.assemble(("Sorted   ", "dim"), f"by {by}", ", reversed" * view.reverse)

    def _fill(self) -> None:
        """Bring titles and the table on top up to date."""
        if self._document is None:
            self._show_detail()
            return
        for name, view in self._views.items():
            rows = view.kind.rows(self._document)
            self.query_one(TabbedContent).get_tab(name).label = f"{name} {len(rows)}"
            if view is self._view():
                self._fill_table(
                    view, select(rows, self._words, view.column, view.reverse, view.kind.columns)
                )
        self._show_detail()

    def _fill_table(self, view: View, rows: list[Row]) -> None:
        fresh = [(row.key, *row.cells) for row in rows]
        titles = _titles(view)
        if fresh == view.shown and titles == view.titles:
            return
        table = self._table(view)
        key, at = self._selected(view), table.scroll_y
        view.shown = fresh
        table.clear(columns=titles != view.titles)
        if titles != view.titles:
            table.add_columns(*titles)
            view.titles = titles
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
        if not view.shown:
            searched = f"Nothing here matches {self._words!r}; Escape shows all."
            text = Text(searched if self._words else view.kind.empty)
        detail = self.query_one("#detail", Static)
        detail.update(text)
        detail.display = self._has_room or not view.shown

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

    def action_copy(self) -> None:
        """Hand the row's Wireshark filter to the terminal's clipboard (OSC 52)."""
        view = self._view()
        key = self._selected(view)
        wireshark = view.kind.wireshark
        text = wireshark(self._document, key) if wireshark and self._document and key else ""
        if text:
            self.copy_to_clipboard(text)
        self.notify(f"Copied: {text}" if text else "This row has no filter.", markup=False)

    def action_help(self) -> None:
        """Say what the keys do."""
        self.push_screen(Help())

    def action_tab(self, name: str) -> None:
        """Show a table."""
        self.query_one(TabbedContent).active = name
        self._table(self._views[name]).focus()
