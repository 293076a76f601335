"""The interface of the logs pane for the code of its actions."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.log_id import LogId
from flow_core.logs.shown.line import ShownLine
from flow_tui.panes.logs.cause_row import CauseRow
from flow_tui.panes.logs.error_steps import ErrorSteps
from flow_tui.panes.logs.input_row import InputRow
from flow_tui.panes.logs.row_kind import RowKind
from flow_tui.services import Services
from flow_tui.widgets.log.merged_view import MergedLogView


class OpenLog(Protocol):
    """The log in the pane, with its view. `bookmarked` is the line whose bookmark gets a name now."""

    services: Services
    bookmarked: ShownLine | None
    cause: CauseRow
    errors: ErrorSteps
    row: InputRow

    @property
    def view(self) -> MergedLogView:
        """The view of the log."""

    @property
    def is_merged(self) -> bool:
        """Whether several logs are shown as one; then there are no files."""

    @property
    def files(self) -> SpoolFiles | None:
        """The files of the log; None without one."""

    @property
    def log_id(self) -> LogId | None:
        """The log that is shown, or that is being opened; None without one."""

    @property
    def log_key(self) -> str:
        """The name of the log in the bookmarks."""

    @property
    def log_name(self) -> str:
        """The name of the task, and which of its logs is shown."""

    def show_status(self, text: str, *, is_problem: bool = False) -> None:
        """Shows a sentence below the log; "" removes it."""

    def start_saving(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Starts to save the log; escape ends it."""

    def open_row(self, kind: RowKind) -> None:
        """Opens the input row for a search, a filter, a place, a command, or the name of a bookmark."""

    def select_lines(self) -> None:
        """Starts or ends the selection of lines."""

    def copy_selection(self) -> None:
        """Copies the selected text, or else the current line. Raises FlowError if it is too long."""

    def go_to_line(self, log: LogId, offset: int) -> None:
        """Shows the line that contains this byte of a log, also of another task, and marks it."""
