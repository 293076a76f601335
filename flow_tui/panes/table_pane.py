"""What the panes of tasks, instances and volumes share: a table, a filter line, sorting."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from flow_tui.filter import parse_filter
from flow_tui.widgets.columns import Column
from flow_tui.widgets.table import ResourceTable

if TYPE_CHECKING:
    from textual.widgets import Input

RowT = TypeVar("RowT")
SortKey = Callable[[Any], Any]


class TablePane(Vertical, Generic[RowT]):
    """A titled table of resources. Subclasses give columns, keys and what the filter may look at."""

    TITLE = ""
    EMPTY = ""
    NO_MATCH = "nothing matches the filter; esc clears it"
    SORTS: Mapping[str, SortKey] = {}

    DEFAULT_CSS = """
    TablePane { border: round $surface-lighten-2; border-title-color: $text-muted; }
    TablePane:focus-within { border: heavy $accent; border-title-color: $text; }
    TablePane > Input { display: none; height: 1; border: none; padding: 0 1; background: $boost; }
    TablePane > Input.-open { display: block; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.table: ResourceTable[RowT] = ResourceTable(self.columns(), self.key_of, empty_text="…")
        self._filter: Input | None = None
        self._all: Sequence[RowT] = ()
        self._sort: tuple[str, bool] | None = None
        self._answered = False

    def columns(self) -> Sequence[Column[RowT]]:
        raise AssertionError("a table pane names its columns")

    def key_of(self, row: RowT) -> Hashable:
        raise AssertionError("a table pane tells its rows apart")

    def fields_of(self, row: RowT) -> dict[str, str]:
        raise AssertionError("a table pane says what its filter looks at")

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self._label()

    @property
    def selected(self) -> RowT | None:
        return self.table.selected

    @property
    def filter_text(self) -> str:
        return self._filter.value.strip() if self._filter is not None else ""

    def show(self, rows: Sequence[RowT], *, stale: bool = False) -> None:
        """Shows these rows, as far as the filter lets them."""
        self._all = rows
        self._answered = True
        self.table.stale = stale
        self._arrange()

    def set_filter(self, text: str) -> None:
        """Filters as if the user had typed it."""
        line = self._filter_line()
        line.value = text
        line.set_class(bool(text), "-open")

    def close_filter(self) -> bool:
        """Clears the filter and hides its line; false when there was none."""
        if self._filter is None or not self._filter.has_class("-open"):
            return False
        self.set_filter("")
        self.table.focus()
        return True

    def action_filter(self) -> None:
        line = self._filter_line()
        line.add_class("-open")
        line.focus()

    def action_sort(self) -> None:
        """By the next column that is in view, then in the provider's order again."""
        names = [key for key in self.table.shown_columns if key in self.SORTS]
        current = names.index(self._sort[0]) if self._sort and self._sort[0] in names else -1
        self._sort = (names[current + 1], False) if current + 1 < len(names) else None
        self._arrange()

    def action_reverse_sort(self) -> None:
        if self._sort is not None:
            self._sort = (self._sort[0], not self._sort[1])
            self._arrange()

    def action_cursor_down(self) -> None:
        self.table.action_cursor_down()

    def action_cursor_up(self) -> None:
        self.table.action_cursor_up()

    def action_first(self) -> None:
        self.table.action_first()

    def action_last(self) -> None:
        self.table.action_last()

    def action_page_down(self) -> None:
        self.table.action_page_down()

    def action_page_up(self) -> None:
        self.table.action_page_up()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._arrange()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        event.input.set_class(bool(self.filter_text), "-open")
        self.table.focus()

    @on(ResourceTable.HeaderClicked)
    def _sort_clicked(self, event: ResourceTable.HeaderClicked) -> None:
        event.stop()
        if event.column_key in self.SORTS:
            again = self._sort is not None and self._sort[0] == event.column_key
            self._sort = (event.column_key, bool(again and self._sort and not self._sort[1]))
            self._arrange()

    def _filter_line(self) -> Input:
        """Made on first use: most sessions start without a filter, and none starts with one."""
        if self._filter is None:
            from textual.widgets import Input  # deferred: as above

            self._filter = Input(placeholder="filter", compact=True, select_on_focus=False)
            self.mount(self._filter, before=self.table)
        return self._filter

    def _arrange(self) -> None:
        holds = parse_filter(self.filter_text)
        rows = [row for row in self._all if holds(self.fields_of(row))] if self.filter_text else list(self._all)
        if self._sort is not None:
            rows.sort(key=self.SORTS[self._sort[0]], reverse=self._sort[1])
        self.table.set_sort(*(self._sort or (None,)))
        if self._answered:
            self.table.empty_text = self.NO_MATCH if self._all else self.EMPTY
        self.table.set_rows(rows)
        self._label()

    def _label(self) -> None:
        shown, known = len(self.table.rows), len(self._all)
        count = f"{shown} of {known}" if shown != known else str(known) if self._answered else ""
        self.border_title = Content(f"{self.TITLE} {count}".strip())
