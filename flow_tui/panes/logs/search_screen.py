"""The search in the logs of all tasks: an input, and the lines that match in each log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer

from flow_core.errors import FlowError
from flow_core.logs.log_id import LogId
from flow_core.logs.search.query import SearchQuery
from flow_core.models.task import TaskRecord
from flow_tui.dialogs.modal import Modal
from flow_tui.panes.logs.cursor_keys import CURSOR_KEYS
from flow_tui.panes.logs.input_row import InputRow
from flow_tui.panes.logs.result_texts import describe_found, describe_tasks, explain_no_result, list_results
from flow_tui.panes.logs.row_kind import RowKind
from flow_tui.panes.logs.search_results import LastSearch, SearchResults
from flow_tui.panes.logs.status_row import StatusRow
from flow_tui.panes.logs.task_logs_search import TaskLogsSearch
from flow_tui.services import Services
from flow_tui.widgets.log.hits_view import HitPlace, HitsView
from flow_tui.widgets.workers import start_worker

_KEYS = {
    **CURSOR_KEYS,
    "logs.next_match": "next_log",
    "logs.previous_match": "previous_log",
}
_GROUP = "search"
_REDRAW_S = 0.1


class SearchLogsScreen(Modal[tuple[LogId, int] | None]):
    """A search in the logs of the tasks that `list_tasks` returns. Its answer is a line to open.

    Closing it ends the search with its child processes. `row` shares its history; `last` is the search to show first.
    """

    DEFAULT_CSS = """
    SearchLogsScreen { align: center middle; }
    SearchLogsScreen > Vertical { width: 100%; height: 100%; border: heavy $accent; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "close", id="search.close", tooltip="Back to the results, or to the dashboard"),
        Binding("q", "finish", "close", show=False),
        Binding("enter", "open_line", "open", id="search.open", tooltip="Open the line in its log"),
        Binding("r", "search_again", "again", id="search.again", tooltip="Search everything again"),
    ]

    def __init__(
        self,
        services: Services,
        list_tasks: Callable[[], Sequence[TaskRecord]],
        row: InputRow,
        last: LastSearch | None,
    ) -> None:
        super().__init__()
        self._services = services
        self._list_tasks = list_tasks
        self._last = last
        self._search: TaskLogsSearch | None = None
        self._redraw_timer: Timer | None = None
        self.row = InputRow(row)
        self.status = StatusRow()
        self.view = HitsView()

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self.row
            yield self.status
            yield self.view

    def on_mount(self) -> None:
        keys = self._services.keys
        for action_id, action in _KEYS.items():
            for key in keys.keys_of(action_id):
                self._bindings.bind(key, f"view('{action}')", show=False)
        for key in (*keys.keys_of("logs.search"), *keys.keys_of("app.search_logs")):
            self._bindings.bind(key, "open_input", show=False)
        if self._last is None:
            self.action_open_input()
        else:
            self._start(self._last.found)
            if self._last.current is not None:
                self.view.go_to(HitPlace(*self._last.current))
        self._draw()

    @property
    def found(self) -> SearchResults | None:
        """The results; None before the first search."""
        return None if self._search is None else self._search.found

    def action_view(self, name: str) -> None:
        getattr(self.view, f"action_{name}")()

    def action_open_input(self) -> None:
        """Opens the input row for another search."""
        self.row.open(RowKind.SEARCH)

    def action_search_again(self) -> None:
        """Searches everything again, from the start of each log."""
        if self.found is not None:
            self._start(SearchResults(self.found.query))

    def action_open_line(self) -> None:
        if (place := self.view.current) is not None:
            self.finish((place.log, place.offset))

    def action_back(self) -> None:
        """Goes back from the input to the results; otherwise closes the screen."""
        if self.row.is_open and self.found is not None:
            self._close_input()
        else:
            self.finish(None)

    @on(InputRow.Changed)
    def _check_input(self, message: InputRow.Changed) -> None:
        message.stop()
        self._make_query(message.text, is_literal=message.is_alternate)

    @on(InputRow.Submitted)
    def _submit(self, message: InputRow.Submitted) -> None:
        """Searches. An invalid text stays open."""
        message.stop()
        query = self._make_query(message.text or self.row.last, is_literal=message.is_alternate)
        if query is not None and query.pattern:
            self._close_input()
            self._start(SearchResults(query))

    @on(HitsView.Opened)
    def _open_clicked(self, message: HitsView.Opened) -> None:
        message.stop()
        self.action_open_line()

    @on(HitsView.Moved)
    def _show_position(self, message: HitsView.Moved) -> None:
        message.stop()
        self._draw_border()

    def _make_query(self, text: str, *, is_literal: bool) -> SearchQuery | None:
        """Returns the query, or shows what is wrong with it and returns None."""
        query = SearchQuery(text, is_literal)
        try:
            query.check()
        except FlowError as error:
            self.status.show_note(error.message, is_problem=True)
            return None
        self.status.show_note("")
        return query

    def _close_input(self) -> None:
        self.status.show_note("")
        self.row.close()
        self.view.focus()

    def _start(self, found: SearchResults) -> None:
        """Searches until the screen closes or another search starts, and ends the one before."""
        search = self._search = TaskLogsSearch(self._services.fleet, found, self._list_tasks, self._redraw_soon)
        self.view.keeps_line = False
        self.view.focus()
        self._draw()
        start_worker(self, partial(self._run, search), group=_GROUP, exclusive=True)

    async def _run(self, search: TaskLogsSearch) -> None:
        await search.run()
        self._redraw_soon()

    def _redraw_soon(self) -> None:
        if self._redraw_timer is None:
            self._redraw_timer = self.set_timer(_REDRAW_S, self._draw)

    def _draw(self) -> None:
        """Shows the results as they are now."""
        self._redraw_timer = None
        tasks, search = self._list_tasks(), self._search
        is_searching = search is not None and search.is_searching
        self.view.empty_text = explain_no_result(self.found, len(tasks), is_searching=is_searching)
        if search is not None:
            names_context = len(self._services.fleet.names) > 1
            self.view.show(*list_results(search.found, tasks, names_context=names_context))
            self.view.keeps_line = self.view.keeps_line or not is_searching
            self.status.show_search(describe_found(search.found, is_searching=is_searching))
        self.view.refresh()
        self._draw_border()

    def _draw_border(self) -> None:
        number, count = self.view.position
        place = f"{number:,} of {count:,}  " if count else ""
        spell = self._services.keys.written
        keys = f"enter open  {spell('logs.next_match')} {spell('logs.previous_match')} log"
        keys = f"{keys}  {spell('logs.search')} search  r again  esc close"
        for box in self.query(Vertical):
            box.border_title = Content(f"Search the logs of {describe_tasks(len(self._list_tasks()))}")
            box.border_subtitle = Content(f"{place}{keys}")
