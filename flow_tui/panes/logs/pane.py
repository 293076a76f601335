"""The logs pane: the log of one task, with its name, its number of lines and a search line."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.escape import escape_controls
from flow_core.logs.follow import IsComplete
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui import format
from flow_tui.actions import make_bindings
from flow_tui.panes.logs.actions import ACTIONS
from flow_tui.panes.logs.log_selection import LogSelection
from flow_tui.panes.pane import Pane
from flow_tui.services import Services
from flow_tui.widgets.log import LogView

_NO_TASK = "No task is selected."


class LogsPane(Pane, inherit_bindings=False):
    """The log of the selected task, or of the task that `show` gets."""

    NOUN = "logs"
    BINDINGS: ClassVar[list[BindingType]] = [*make_bindings(ACTIONS)]

    DEFAULT_CSS = """
    LogsPane { height: 1fr; border: round $frame; border-title-color: $muted; }
    LogsPane { border-subtitle-color: $muted; }
    LogsPane:focus-within { border: heavy $accent; border-title-color: $foreground; }
    LogsPane > Input { display: none; height: 1; border: none; padding: 0 1; }
    LogsPane > #search-status { display: none; height: 1; padding: 0 1; color: $muted; }
    LogsPane > #search-status.-problem { color: $text-error; }
    LogsPane.-searching > Input, LogsPane.-searched > #search-status { display: block; }
    """
    BORDER_TITLE: ClassVar[str] = "Log"

    def __init__(self, services: Services, *, id: str | None = None) -> None:
        super().__init__(services, id=id)
        self.view = LogView()
        self.search_status = Static(id="search-status", markup=False)
        self.input = Input(placeholder="search, a regular expression", compact=True, select_on_focus=False)
        self._record: TaskRecord | None = None
        self._files: SpoolFiles | None = None
        self._label = ""
        self._lines: int | None = None
        self._selection = LogSelection(services, self, self.show)
        self._unsubscribe: Callable[[], object] = lambda: None

    def compose(self) -> ComposeResult:
        yield self.view
        yield self.search_status
        yield self.input

    def on_mount(self) -> None:
        self.view.empty_text = _NO_TASK
        self._unsubscribe = self.services.selection.subscribe(self._follow_selection)
        self._selection.follow()
        self._update_border()

    def on_unmount(self) -> None:
        self._unsubscribe()

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
        self._files, self._label = files, label
        self._set_record(task)
        ended = AwaitComplete()
        if not is_same:
            self._lines = None
            self._show_status("")
            ended = self.view.end_search()
            self.view.open(files, is_complete)
        self._update_border()
        return ended

    async def step(self, by: int) -> None:
        """Shows another log of the same task."""
        await self._selection.step(by)

    def open_search(self) -> None:
        """Opens the search line."""
        self.add_class("-searching")
        self.input.focus()

    def close_search(self) -> None:
        """Ends the search and removes its marks."""
        self.remove_class("-searching")
        self._show_status("")
        self.view.clear_search()
        self.view.focus()

    def step_back(self) -> bool:
        """Ends the search. Returns False if there was none."""
        if not (self.has_class("-searching") or self.has_class("-searched")):
            return False
        self.close_search()
        return True

    def toggle_wrap(self) -> None:
        self.view.action_toggle_wrap()
        self._update_border()

    def cycle_stream(self) -> None:
        self.view.action_cycle_stream()
        self._update_border()

    def on_key(self, event: events.Key) -> None:
        """Closes the search line on escape. The keymap handles all other keys."""
        if event.key == "escape" and self.input.has_focus:
            event.stop()
            event.prevent_default()
            self.close_search()

    @on(Input.Submitted)
    def _search(self, message: Input.Submitted) -> None:
        message.stop()
        if not message.value:
            self.close_search()
            return
        self._show_status("")
        self.view.find(message.value)

    @on(LogView.Searched)
    def _searched(self, message: LogView.Searched) -> None:
        message.stop()
        if message.status or not self.has_class("-searched"):
            self._show_status(message.status, is_problem=message.is_problem)
        else:  # keep the row: without it, the view would grow and lose a match at its end
            self.search_status.update("")
        if not message.is_problem and self.input.has_focus:
            self.remove_class("-searching")
            self.view.focus()

    @on(LogView.FollowChanged)
    def _follow_changed(self, message: LogView.FollowChanged) -> None:
        message.stop()
        self._update_border()

    @on(LogView.Counted)
    def _counted(self, message: LogView.Counted) -> None:
        message.stop()
        self._lines = message.lines
        self._update_border()

    def _follow_selection(self) -> None:
        self._selection.follow()
        task, record = self.services.selection.task, self._record
        if task is not None and record is not None and task.key == record.key and task is not record:
            self._set_record(task)  # a pending task may wait for something else now

    def _set_record(self, task: TaskRecord | None) -> None:
        self._record = task
        self.view.merged_text = "" if task is None else _explain_merged(task)
        self.view.empty_text = _NO_TASK if task is None else _explain_empty(task)

    def _show_status(self, text: str, *, is_problem: bool = False) -> None:
        self.search_status.update(text)
        self.search_status.set_class(is_problem, "-problem")
        self.set_class(bool(text), "-searched")

    def _update_border(self) -> None:
        """Writes the border: the name of the task, whether the view follows, and the number of lines."""
        view = self.view
        if self._record is None:
            self.border_title, self.border_subtitle = "Log", ""
            return
        shown = [view.stream_name] if view.stream is not None else []
        label = [self._label] if self._label else []
        words = [escape_controls(self._record.name), *label, "following" if view.following else "not following", *shown]
        self.border_title = Content("  ".join(["Log", *words]))
        lines = self._lines
        self.border_subtitle = "" if lines is None else f"{lines:,} {'line' if lines == 1 else 'lines'}"


def _explain_empty(task: TaskRecord) -> str:
    """Returns why there is no output: what a pending task waits for, if the provider knows it."""
    return (format.note(task) if task.status is TaskStatus.PENDING else "") or "No output yet."


def _explain_merged(task: TaskRecord) -> str:
    return f"stdout and stderr are merged: the task was submitted with {task.merged_by}" if task.merged_by else ""
