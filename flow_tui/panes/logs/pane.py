"""The logs pane: the log of one task, with its name, its number of lines and a search line."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.widget import Widget

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError
from flow_core.logs.filtered.line_filter import NO_FILTERS
from flow_core.logs.follow import IsComplete
from flow_core.logs.log_id import LogId
from flow_core.logs.shown.line import ShownLine
from flow_core.models.task import TaskRecord
from flow_tui.actions import make_bindings
from flow_tui.panes.logs.actions import ACTIONS
from flow_tui.panes.logs.bookmarking import add_bookmark, show_bookmarks
from flow_tui.panes.logs.cause_row import CauseRow
from flow_tui.panes.logs.error_steps import ErrorSteps
from flow_tui.panes.logs.exporting import name_shown, pipe_log
from flow_tui.panes.logs.filter_texts import describe_filters, describe_kept
from flow_tui.panes.logs.filtering import add_filter
from flow_tui.panes.logs.input_row import InputRow
from flow_tui.panes.logs.log_selection import LogSelection
from flow_tui.panes.logs.log_texts import describe_border, describe_title, explain_empty, explain_merged
from flow_tui.panes.logs.merging import LogMerging
from flow_tui.panes.logs.navigation import go_to_position
from flow_tui.panes.logs.row_kind import SEARCHES, RowKind
from flow_tui.panes.logs.search_results import LastSearch
from flow_tui.panes.logs.searching import check_search, start_search
from flow_tui.panes.logs.status_row import StatusRow
from flow_tui.panes.pane import Pane
from flow_tui.services import Services
from flow_tui.widgets.frame_titles import set_frame_subtitle, set_frame_title
from flow_tui.widgets.log import LogView
from flow_tui.widgets.log.merged_view import MergedLogView
from flow_tui.widgets.workers import start_worker

_SAVE_GROUP = "save"
_NO_TASK = "No task is selected."


class LogsPane(Pane, inherit_bindings=False):
    """The log of the selected task, or of the task that `show` gets."""

    NOUN = "logs"
    BINDINGS: ClassVar[list[BindingType]] = [*make_bindings(ACTIONS)]

    DEFAULT_CSS = """
    LogsPane { height: 1fr; border: round $frame; border-title-color: $muted; }
    LogsPane { border-subtitle-color: $muted; }
    LogsPane:focus-within { border: heavy $accent; border-title-color: $foreground; }
    """
    BORDER_TITLE: ClassVar[str] = "Log"

    def __init__(self, services: Services, *, id: str | None = None) -> None:
        super().__init__(services, id=id)
        self.view = MergedLogView()
        self.merging = LogMerging(services, self.view, self._open_log)
        self.status = StatusRow()
        self.cause = CauseRow(services)
        self.row = InputRow()
        self.errors = ErrorSteps()
        self.bookmarked: ShownLine | None = None
        """The line whose bookmark gets a name now."""
        self.found: LastSearch | None = None
        """The last search in the logs of all tasks; None if there was none."""
        self._record: TaskRecord | None = None
        self._files: SpoolFiles | None = None
        self._is_complete: IsComplete | None = None
        self._label = ""
        self._lines: int | None = None
        self._selection = LogSelection(services, self, self.show)
        self._unsubscribe: Callable[[], object] = lambda: None

    def compose(self) -> ComposeResult:
        yield self.view
        yield self.cause
        yield self.status
        yield self.row

    def on_mount(self) -> None:
        self.view.empty_text = _NO_TASK
        self._unsubscribe = self.services.selection.subscribe(self._follow_selection)
        self._selection.follow()
        self._update_border()

    async def on_unmount(self) -> None:
        self._unsubscribe()
        await self.errors.close()

    @property
    def focus_target(self) -> Widget:
        return self.view

    def show(
        self,
        task: TaskRecord | None,
        files: SpoolFiles | None,
        is_complete: IsComplete | None = None,
        label: str = "",
    ) -> AwaitComplete:
        """Shows the end of this task's log immediately. For the log that is shown already, changes only its title.

        `label` says which of the task's logs it is, if there are several.
        Awaiting the result waits until no child process of a search in the last log is left.
        """
        is_same = (
            task is not None and self._record is not None and task.key == self._record.key and files == self._files
        )
        self._files, self._label, self._is_complete = files, label, is_complete
        self._set_record(task)
        ended = AwaitComplete()
        if not is_same:
            self._clear_status()
            ended = self.view.end_search()
            self.view.filters = NO_FILTERS
            self.status.show_filter("")
            self._open_log()
        if files is not None and (offset := self._selection.take_requested_offset()) is not None:
            self.view.go_to(offset)
        self._update_border()
        return ended

    def go_to_line(self, log: LogId, offset: int) -> None:
        """Shows the line that contains this byte of a log, also of another task, and marks it."""
        if self.is_merged:
            self._open_log()
        if log == self._selection.shown and self._files is not None:
            self.view.go_to(offset)
        else:
            self._selection.request(log, offset)

    @property
    def files(self) -> SpoolFiles | None:
        """The files of the log that is shown; None without one, and if several are shown as one."""
        return None if self.is_merged else self._files

    @property
    def is_merged(self) -> bool:
        """Whether all ranks are shown as one log."""
        return self.view.merged is not None

    @property
    def log_id(self) -> LogId | None:
        """The log that is shown, or that is being opened; None without one."""
        return self._selection.shown

    @property
    def log_key(self) -> str:
        """The name of the log in the bookmarks."""
        log_id = self.log_id
        if log_id is None:
            return "" if self._files is None else str(self._files.log)
        return f"{log_id.context}/{log_id.task_id}/{log_id.attempt}/{log_id.rank}"

    @property
    def log_name(self) -> str:
        """The name of the task, and which of its logs is shown."""
        which = "merged" if self.is_merged else self._label
        return "-".join([self._record.name if self._record else "", *which.split()]).strip("-")

    async def step(self, by: int) -> None:
        """Shows another log of the same task."""
        await self._selection.step(by)

    async def toggle_ranks(self) -> None:
        """Shows all ranks of the task as one log, or again the one that was shown."""
        task, log_id = self._record, self._selection.shown
        if task is None or log_id is None:
            return
        if self.is_merged:
            self._clear_status()
            await self.view.end_search()
            self._open_log()
        else:
            await self.merging.open_ranks(task, log_id.attempt)
            self._clear_status()
        self._update_border()

    async def merge_task(self) -> None:
        """Adds the logs of another task to those in view, or removes them again."""
        task, log_id = self._record, self._selection.shown
        if task is not None and log_id is not None and await self.merging.choose_task(task, log_id.attempt):
            self._clear_status()
            self._update_border()

    def hide_rank(self) -> None:
        """Hides the rank of the current line."""
        self.view.hide_current_log()
        self._update_border()

    def open_row(self, kind: RowKind) -> None:
        """Opens the input row for a search, a place to go to, a command, or the name of a bookmark."""
        self.show_status("")
        source = "selected lines" if self.view.selected_range is not None else name_shown(self)
        self.row.open(kind, f"{source} with ranks" if self.is_merged else source, has_raw=not self.is_merged)

    def start_saving(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Saves in a worker, which escape ends."""
        start_worker(self, work, group=_SAVE_GROUP, exclusive=True)

    def select_lines(self) -> None:
        """Starts or ends the selection of lines."""
        self.view.action_select_lines()
        self._update_border()

    def close_row(self) -> None:
        """Closes the input row. Also ends a search, if the row is for a search."""
        if self.row.is_open and self.row.kind is RowKind.SEARCH:
            self.close_search()
        self.row.close()
        self.view.focus()

    def close_search(self) -> None:
        """Ends the search and removes its marks."""
        self.row.close()
        self.show_status("")
        self.view.clear_search()
        self.status.end_search()
        self.view.focus()

    def copy_selection(self) -> None:
        """Copies the selected text, or else the current line. Raises FlowError if it is too long."""
        text = self.view.read_selection()
        if text is None:
            save = self.services.keys.written("logs.save")
            raise FlowError(f"this is more than 1 MB, the most that terminals accept; {save} saves it to a file")
        if not text:
            raise FlowError("there is no text in this line")
        self.services.copy(text)
        self.view.selector.clear()
        self._update_border()

    def step_back(self) -> bool:
        """Drops the selection, ends saving or the search, or hides the cause. Returns False if there was none."""
        if self.view.selector.clear():
            self._update_border()
            return True
        if any(worker.group == _SAVE_GROUP and worker.is_running for worker in self.workers):
            self.workers.cancel_group(self, _SAVE_GROUP)
            return True
        if self.row.is_open or self.view.is_searching:
            self.close_search()
            return True
        if self.view.filters:
            self.view.filters = NO_FILTERS
            self.status.show_filter("")
            return True
        return self.cause.dismiss()

    def toggle_wrap(self) -> None:
        self.view.action_toggle_wrap()
        self._update_border()

    def toggle_time(self) -> None:
        self.view.action_toggle_time()
        self._update_border()

    def toggle_redraws(self) -> None:
        self.view.action_toggle_redraws()
        self._update_border()

    def cycle_stream(self) -> None:
        self.view.action_cycle_stream()
        self._update_border()

    def tick(self) -> None:
        if self._record is not None:
            self.view.empty_text = explain_empty(self._record)
        self._update_border()

    def show_status(self, text: str, *, is_problem: bool = False) -> None:
        """Shows a note below the log; "" ends it."""
        self.status.show_note(text, is_problem=is_problem)

    def on_key(self, event: events.Key) -> None:
        """Closes the input row on escape, and copies the selection on ctrl+c. The keymap handles all other keys."""
        if event.key == "escape" and self.row.input.has_focus:
            self.close_row()
        elif event.key == "ctrl+c" and self.view.has_focus and self.view.selector.selection is not None:
            self.services.carry_out(self.copy_selection, "logs.copy")
        else:
            return
        event.stop()
        event.prevent_default()

    @on(InputRow.Changed)
    def _check_row(self, message: InputRow.Changed) -> None:
        """Shows what is wrong with a search while the user types it."""
        message.stop()
        if message.kind in SEARCHES:
            check_search(self, message.text, is_literal=message.is_alternate)

    @on(InputRow.Submitted)
    def _submit_row(self, message: InputRow.Submitted) -> None:
        message.stop()
        if message.kind is RowKind.SEARCH:
            start_search(self, message.text, is_literal=message.is_alternate)
            return
        if message.kind in SEARCHES and not check_search(self, message.text, is_literal=message.is_alternate):
            return
        self.close_row()
        if message.kind in SEARCHES:
            hides = message.kind is RowKind.HIDE
            add_filter(self, message.text, is_literal=message.is_alternate, hides=hides)
        elif message.kind is RowKind.BOOKMARK:
            self.services.start(partial(add_bookmark, self, message.text), "logs.bookmark")
        elif message.text and message.kind is RowKind.GO_TO:
            self.services.start(partial(self._go_to, message.text), "logs.go_to")
        elif message.text:
            pipe_log(self, message.text, raw=message.is_alternate)

    async def _go_to(self, text: str) -> None:
        try:
            await go_to_position(self.view, self.files, text, self.show_status)
        except FlowError as error:
            self.show_status(str(error), is_problem=True)
        else:
            self.show_status("")

    @on(LogView.Searched)
    def _searched(self, message: LogView.Searched) -> None:
        message.stop()
        if self.view.is_searching:  # the message may be of a search that has been ended
            self.status.show_search(message.status, is_problem=message.is_problem)

    @on(LogView.Filtered)
    def _filtered(self, message: LogView.Filtered) -> None:
        message.stop()
        if self.view.filters:
            text = f"{describe_filters(self.view.filters)}: {message.problem or describe_kept(message.progress)}"
            self.status.show_filter(text, is_problem=bool(message.problem))

    @on(LogView.Selected)
    def _copy_selected(self, message: LogView.Selected) -> None:
        """Copies what the mouse has selected, and leaves it selected."""
        message.stop()
        if text := self.view.read_selection():
            self.services.copy(text)

    @on(LogView.FollowChanged)
    def _follow_changed(self, message: LogView.FollowChanged) -> None:
        message.stop()
        self._update_border()

    @on(LogView.Counted)
    def _counted(self, message: LogView.Counted) -> None:
        message.stop()
        self._lines = message.lines
        self._update_border()

    def _clear_status(self) -> None:
        """Drops what the row below the log says about another log, and ends the search for its errors."""
        self._lines = None
        self.show_status("")
        self.status.end_search()
        start_worker(self, self.errors.close, group="errors")

    def _open_log(self) -> None:
        self._lines = None
        self.view.open(self._files, self._is_complete, has_arrival_times=self._selection.has_arrival_times)
        start_worker(self, partial(show_bookmarks, self), group="bookmarks", exclusive=True)

    def _follow_selection(self) -> None:
        self._selection.follow()
        task, record = self.services.selection.task, self._record
        if task is not None and record is not None and task.key == record.key and task is not record:
            self._set_record(task)  # a pending task may wait for something else now

    def _set_record(self, task: TaskRecord | None) -> None:
        self._record = task
        self.cause.follow(task, self._selection.shown)
        self.view.merged_text = "" if task is None else explain_merged(task)
        self.view.empty_text = _NO_TASK if task is None else explain_empty(task)

    def _update_border(self) -> None:
        """Writes the border: the name of the task, whether the view follows, the date, and the number of lines."""
        view = self.view
        if self._record is None:
            set_frame_title(self, "Log")
            set_frame_subtitle(self, "")
            return
        logs = self.merging.describe() or self._label
        set_frame_title(self, describe_title(self._record, view, logs))
        set_frame_subtitle(self, describe_border(self._record, view.last_time, view.shown_date, self._lines))
