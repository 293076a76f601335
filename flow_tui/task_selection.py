"""The selected task, which panes share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.models.task import TaskRecord

Key = tuple[str, str]
"""(context, task id)."""


class TaskSelection:
    """The task under the cursor of the tasks pane. Listeners are called when the selected task or its record changes.

    `log_files` are the files of the log that is shown; None if no log is shown.
    """

    def __init__(self) -> None:
        self.task: TaskRecord | None = None
        self.log_files: SpoolFiles | None = None
        self.requested: Key | None = None
        self._listeners: list[Callable[[], None]] = []
        self._on_request: list[Callable[[], None]] = []

    def change(self, task: TaskRecord | None) -> None:
        """Sets the selected task, or its new record."""
        self.task = task
        for listener in tuple(self._listeners):
            listener()

    def request(self, key: Key) -> None:
        """Requests that the tasks pane moves its cursor to this task as soon as the task is listed."""
        self.requested = key
        for listener in tuple(self._on_request):
            listener()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` after each change until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def serve_requests(self, listener: Callable[[], None]) -> None:
        """Calls `listener` after each request."""
        self._on_request.append(listener)
