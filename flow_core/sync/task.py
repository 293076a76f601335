"""Task: the handle of a task, for blocking code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flow_core.client.task import AsyncTask
from flow_core.lazy_module import LazyModule
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_properties import TaskProperties
from flow_core.sync.loop_thread import close_at_exit, run_sync
from flow_core.sync.terminal_guard import guard_terminal
from flow_core.sync.twin import copy_docstring, make_blocking

if TYPE_CHECKING:
    import flow_core.client.task_logs as _client_logs
    import flow_core.sync.task_logs as _task_logs
    from flow_core.client.context_client import ContextClient
else:
    _client_logs = LazyModule("flow_core.client.task_logs")
    _task_logs = LazyModule("flow_core.sync.task_logs")


class Task(TaskProperties):
    """A task, and its actions. Its properties are as of the last `refresh` or `wait`; any thread may call.

    It still works after the Flow that it came from is closed. Two handles of the same task are equal.
    """

    def __init__(self, task: AsyncTask) -> None:
        self._handle = task

    @property
    def _twin(self) -> AsyncTask:
        """Returns the async task. If its client is closed, opens a new one first and keeps it."""
        if self._handle.flow.is_closed:
            flow = self._handle.flow.reopen()
            close_at_exit(flow)
            self._handle = AsyncTask(self._handle.record, flow)
        return self._handle

    @property
    def record(self) -> TaskRecord:  # type: ignore[override]  # read from the async task, which refreshes it
        """The record as of the last refresh."""
        return self._handle.record

    @property
    def flow(self) -> ContextClient:
        """The async client that it came from."""
        return self._twin.flow

    @copy_docstring(AsyncTask.refresh)
    def refresh(self) -> Task:
        run_sync(self._twin.refresh())
        return self

    @copy_docstring(AsyncTask.wait)
    def wait(self, timeout_s: float | None = None, *, timeout: float | None = None) -> Task:
        run_sync(self._twin.wait(timeout_s, timeout=timeout))
        return self

    @copy_docstring(AsyncTask.wait_until_started)
    def wait_until_started(self, timeout_s: float | None = None, *, timeout: float | None = None) -> Task:
        run_sync(self._twin.wait_until_started(timeout_s, timeout=timeout))
        return self

    @copy_docstring(AsyncTask.wait_for_status)
    def wait_for_status(
        self, status: TaskStatus | str, timeout_s: float | None = None, *, timeout: float | None = None
    ) -> Task:
        run_sync(self._twin.wait_for_status(status, timeout_s, timeout=timeout))
        return self

    cancel = make_blocking(AsyncTask.cancel)
    stop = make_blocking(AsyncTask.stop)

    @copy_docstring(AsyncTask.logs)
    def logs(
        self,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        *,
        attempt: int | None = None,
        rank: int = 0,
        updates: bool = False,
    ) -> str | Iterator[str]:
        logs, task_id = _task_logs.TaskLogResource(_client_logs.AsyncTaskLogResource(self.flow)), self.record.task_id
        if follow:
            return logs.read(task_id, True, tail, stderr, attempt=attempt, rank=rank, updates=updates)
        return logs.read(task_id, False, tail, stderr, attempt=attempt, rank=rank, updates=updates)

    def log_stream(
        self, stderr: bool = False, *, attempt: int | None = None, rank: int = 0, updates: bool = False
    ) -> Iterator[str]:
        """Yields every line from the first until the task ends. Leaving the loop early closes the stream."""
        logs = _task_logs.TaskLogResource(_client_logs.AsyncTaskLogResource(self.flow))
        return logs.stream(self.record.task_id, stderr, attempt=attempt, rank=rank, updates=updates)

    @copy_docstring(AsyncTask.shell)
    def shell(self, command: str | None = None, node: int | None = None, record: bool = False) -> int | None:
        with guard_terminal():
            return run_sync(self._twin.shell(command, node, record))

    put_file = make_blocking(AsyncTask.put_file)
    get_file = make_blocking(AsyncTask.get_file)
    get_instances = make_blocking(AsyncTask.get_instances)
    get_user = make_blocking(AsyncTask.get_user)

    @property
    def ssh_command(self) -> str | None:
        """The `ssh` command that enters the task, ready to paste; None if SSH can't reach it now."""
        return run_sync(self._twin.ssh_command())

    @property
    def shell_command(self) -> str | None:
        """The same as `ssh_command`."""
        return self.ssh_command
