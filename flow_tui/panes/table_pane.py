"""The base of the panes of tasks, instances and volumes: a table, a filter line, sorting."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget

from flow_tui.panes.pane import Pane
from flow_tui.services import Services
from flow_tui.widgets.columns import Column
from flow_tui.widgets.frame_titles import set_frame_subtitle, set_frame_title
from flow_tui.widgets.table import ResourceTable

if TYPE_CHECKING:
    from textual.widgets import Input

    from flow_core.filters.row_filter import FilterField

RowT = TypeVar("RowT")
_NEXT_ROWS = 500
SortKey = Callable[[Any], Any]


class TablePane(Pane, Generic[RowT]):
    """A titled table of resources. Subclasses define the columns, the keys and the fields that the filter tests."""

    TITLE: ClassVar[str] = ""
    COUNTED: ClassVar[tuple[str, str]] = ("", "")
    """What the number in the title counts, in the singular and the plural; empty if the title itself names it."""
    OPENS: ClassVar[str] = ""
    """The id of the action that a click or Enter on the row under the cursor carries out."""
    SORTS: Mapping[str, SortKey] = {}

    DEFAULT_CSS = """
    TablePane { border: round $frame; border-title-color: $muted; border-subtitle-color: $muted; }
    TablePane:focus-within { border: heavy $accent; border-title-color: $foreground; }
    TablePane:focus-within { border-subtitle-color: $foreground; }
    TablePane > Input { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
    TablePane > Input.-open { display: block; }
    """

    def __init__(self, services: Services, *, id: str | None = None) -> None:
        super().__init__(services, id=id)
        self._problem = self._footnote = self._filter_problem = ""
        self.table: ResourceTable[RowT] = ResourceTable(self.make_columns(), self.key_of, empty_text="…")
        self._filter: Input | None = None
        self._all_rows: Sequence[RowT] = ()
        self._sort: tuple[str, bool] | None = None
        self._has_rows = False
        self._total = 0
        self._goes_to_last = False

    def make_columns(self) -> Sequence[Column[RowT]]:
        raise AssertionError("a table pane names its columns")

    def key_of(self, row: RowT) -> Hashable:
        raise AssertionError("a table pane tells its rows apart")

    def ask_for_rows(self, count: int | None) -> None:
        """Asks for at least `count` rows, or for all of them (None), if `show` has got only some."""

    def get_filter_fields(self) -> Sequence[FilterField[RowT]]:
        raise AssertionError("a table pane says what its filter looks at")

    def empty_text(self) -> str:
        """Returns the text to show if there are no rows."""
        raise AssertionError("a table pane says what to press where it has no rows")

    def describe_scope(self) -> str:
        """Returns what the title adds about the rows that are listed."""
        return ""

    def describe_selected(self) -> str:
        """Returns what the lower edge of the frame adds about the row under the cursor."""
        return ""

    def make_context_column(self, context_of: Callable[[RowT], str], priority: int) -> tuple[Column[RowT], ...]:
        """Returns the column of the context; no column if there is only one context."""
        column = Column("context", "CONTEXT", context_of, min_width=8, max_width=16, priority=priority)
        return (column,) if len(self.services.fleet.names) > 1 else ()

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self._label()

    @property
    def selected(self) -> RowT | None:
        return self.table.selected

    @property
    def is_partial(self) -> bool:
        """Whether `show` has got only some of the rows."""
        return len(self._all_rows) < self._total

    @property
    def focus_target(self) -> Widget:
        return self.table

    @property
    def filter_text(self) -> str:
        return self._filter.value.strip() if self._filter is not None else ""

    @property
    def is_laid_out(self) -> bool:
        return self.table.is_laid_out

    def show(self, rows: Sequence[RowT], *, stale: bool = False, problem: str = "", total: int = 0) -> None:
        """Shows the rows that match the filter. `problem` tells which other rows could not be read.

        `total` is the number of all rows, if `rows` are not all of them.
        """
        self._problem, self._total = problem, max(total, len(rows))
        self._all_rows = rows
        self._has_rows = True
        self.table.stale = stale
        self._arrange()
        if self._goes_to_last and not self.is_partial:
            self._goes_to_last = False
            self.table.action_last()

    def go_to_last(self) -> None:
        """Goes to the last row, once all rows are there."""
        self.table.action_last()
        self._goes_to_last = self.is_partial
        if self.is_partial:
            self.ask_for_rows(None)

    def set_filter(self, text: str) -> None:
        """Filters the rows as if the user had typed the text."""
        line = self._get_filter_line()
        line.value = text
        line.set_class(bool(text), "-open")

    def step_back(self) -> bool:
        """Clears the filter and hides its line. Returns False if there was none."""
        if self._filter is None or not self._filter.has_class("-open"):
            return False
        self.set_filter("")
        self.table.focus()
        return True

    def tick(self) -> None:
        """Updates the ages, which change even if nothing else does."""
        self.table.update_volatile_cells()

    def open_filter(self) -> None:
        line = self._get_filter_line()
        line.add_class("-open")
        line.focus()

    def sort_by_next(self) -> None:
        """Sorts by the next column in view; after the last one, restores the provider's order."""
        names = [key for key in self.table.shown_columns if key in self.SORTS]
        current = names.index(self._sort[0]) if self._sort and self._sort[0] in names else -1
        self._sort = (names[current + 1], False) if current + 1 < len(names) else None
        self._arrange()

    def reverse_sort(self) -> None:
        if self._sort is not None:
            self._sort = (self._sort[0], not self._sort[1])
            self._arrange()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._arrange()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        event.input.set_class(bool(self.filter_text), "-open")
        self.table.focus()

    @on(ResourceTable.Activated)
    def _open_row(self, event: ResourceTable.Activated) -> None:
        event.stop()
        self.services.workspace.act(self.OPENS)

    @on(ResourceTable.HeaderClicked)
    def _sort_clicked(self, event: ResourceTable.HeaderClicked) -> None:
        event.stop()
        if event.column_key in self.SORTS:
            again = self._sort is not None and self._sort[0] == event.column_key
            self._sort = (event.column_key, bool(again and self._sort and not self._sort[1]))
            self._arrange()

    @on(ResourceTable.Highlighted)
    def _ask_for_next_rows(self) -> None:
        """Asks for more rows when the cursor comes near the last one."""
        self._goes_to_last &= self.table.cursor_row == len(self.table.rows) - 1
        if self.is_partial and self.table.cursor_row >= len(self.table.rows) - 2 * self.table.page_rows:
            self.ask_for_rows(len(self._all_rows) + _NEXT_ROWS)

    @on(ResourceTable.Highlighted)
    @on(ResourceTable.LaidOut)
    def _show_cut(self) -> None:
        """Shows the whole texts of the cut cells under the cursor in the lower edge of the frame."""
        texts = [text if at == 0 else f"{title} {text}" for at, (title, text) in enumerate(self.table.cut_cells)]
        texts.append(self.describe_selected())
        problems = (self._filter_problem, self._problem)
        set_frame_subtitle(self, "  ".join(filter(None, [*problems, *texts, self._footnote])))

    def _get_filter_line(self) -> Input:
        """Returns the filter line. Creates it on first use."""
        if self._filter is None:
            from flow_tui.widgets.filter_line import FilterLine  # lazy import: few sessions filter

            self._filter = FilterLine(self._complete_filter)
            self.mount(self._filter, before=self.table)
        return self._filter

    def _arrange(self) -> None:
        rows = self._filter_rows()
        if self._sort is not None:
            rows.sort(key=self.SORTS[self._sort[0]], reverse=self._sort[1])
        self.table.set_sort(*(self._sort or (None,)))
        if self._has_rows:
            no_match = f"No row matches the filter.\nPress {self.services.keys.written('app.back')} to clear it."
            self.table.empty_text = no_match if self._all_rows else self._problem or self.empty_text()
        self.table.set_rows(rows)
        if self.is_partial and (self.filter_text or self._sort):
            self.ask_for_rows(None)
        self._label()

    def _filter_rows(self) -> list[RowT]:
        self._filter_problem = ""
        if not self.filter_text:
            return list(self._all_rows)
        from flow_core.filters.row_filter import RowFilter  # lazy import: few sessions filter

        row_filter = RowFilter(self.filter_text, self.get_filter_fields())
        rows = row_filter.select(self._all_rows)
        self._filter_problem = row_filter.problem
        return rows

    def _complete_filter(self, text: str) -> Sequence[str]:
        from flow_core.filters.completion import complete_filter  # lazy import: few sessions filter

        return complete_filter(text, self.get_filter_fields(), self._all_rows)

    def _label(self) -> None:
        shown, known = len(self.table.rows), self._total
        count = f"{shown:,} of {known:,}" if shown != known else f"{known:,}" if self._has_rows else ""
        if self.filter_text and len(self._all_rows) < known:
            count = f"{count}, {len(self._all_rows):,} filtered,"
        unit = self.COUNTED[known != 1] if count else ""
        set_frame_title(self, " ".join(filter(None, (self.TITLE, count, unit))) + self.describe_scope())
        self._show_cut()
