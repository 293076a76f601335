"""Task: a handle for ordinary code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.client.task import AsyncTask
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_facts import TaskFacts
from flow_core.sync.copy_docstring import copy_docstring
from flow_core.sync.loop_thread import close_at_exit, iter_sync, run_sync
from flow_core.sync.terminal_guard import guard_terminal

if TYPE_CHECKING:
    from flow_core.client.flow import AsyncFlow
    from flow_core.models.identity import User
    from flow_core.models.instance import Instance


class Task(TaskFacts):
    """A task and what can be done to it. Its facts are those of the last `refresh` or `wait`; any thread may call.

    It works on when the Flow that it came from is closed. Two handles of the same task are equal.
    """

    def __init__(self, task: AsyncTask) -> None:
        self._handle = task

    @property
    def _task(self) -> AsyncTask:
        """The async handle, of a client that is open."""
        if self._handle.flow.is_closed:
            flow = self._handle.flow.reopened()
            close_at_exit(flow)
            self._handle = AsyncTask(self._handle.record, flow)
        return self._handle

    @property
    def record(self) -> TaskRecord:  # type: ignore[override]  # read from the async task, which refreshes it
        """What the provider last answered."""
        return self._handle.record

    @property
    def flow(self) -> AsyncFlow:
        """The client it came from."""
        return self._task.flow

    @copy_docstring(AsyncTask.refresh)
    def refresh(self) -> Task:
        run_sync(self._task.refresh())
        return self

    @copy_docstring(AsyncTask.wait)
    def wait(self, timeout_s: float | None = None, *, timeout: float | None = None) -> Task:
        run_sync(self._task.wait(timeout_s, timeout=timeout))
        return self

    @copy_docstring(AsyncTask.wait_until_started)
    def wait_until_started(self, timeout_s: float | None = None, *, timeout: float | None = None) -> Task:
        run_sync(self._task.wait_until_started(timeout_s, timeout=timeout))
        return self

    @copy_docstring(AsyncTask.wait_for_status)
    def wait_for_status(
        self, status: TaskStatus | str, timeout_s: float | None = None, *, timeout: float | None = None
    ) -> Task:
        run_sync(self._task.wait_for_status(status, timeout_s, timeout=timeout))
        return self

    @copy_docstring(AsyncTask.cancel)
    def cancel(self, force: bool = False) -> None:
        run_sync(self._task.cancel(force))

    @copy_docstring(AsyncTask.stop)
    def stop(self) -> None:
        run_sync(self._task.stop())

    @copy_docstring(AsyncTask.logs)
    def logs(
        self,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        *,
        attempt: int | None = None,
        rank: int = 0,
    ) -> str | Iterator[str]:
        answer = run_sync(self._task.logs(follow, tail, stderr, attempt=attempt, rank=rank))
        return answer if isinstance(answer, str) else iter_sync(answer)

    def log_stream(self, stderr: bool = False, *, attempt: int | None = None, rank: int = 0) -> Iterator[str]:
        """Every line from the first until the task ends. Leaving the loop early closes the stream."""
        return iter_sync(self._task.log_stream(stderr, attempt=attempt, rank=rank))

    @copy_docstring(AsyncTask.shell)
    def shell(self, command: str | None = None, node: int | None = None, record: bool = False) -> int | None:
        with guard_terminal():
            return run_sync(self._task.shell(command, node, record))

    @copy_docstring(AsyncTask.put_file)
    def put_file(self, source: Path | str, target: str, *, node: int = 0) -> None:
        run_sync(self._task.put_file(source, target, node=node))

    @copy_docstring(AsyncTask.get_file)
    def get_file(self, source: str, target: Path | str, *, node: int = 0) -> Path:
        return run_sync(self._task.get_file(source, target, node=node))

    @copy_docstring(AsyncTask.get_instances)
    def get_instances(self) -> list[Instance]:
        return run_sync(self._task.get_instances())

    @copy_docstring(AsyncTask.get_user)
    def get_user(self) -> User | None:
        return run_sync(self._task.get_user())

    @property
    def ssh_command(self) -> str | None:
        """The ssh command that enters the task, to be typed as it stands; None where there is no way in now."""
        return run_sync(self._task.ssh_command())

    @property
    def shell_command(self) -> str | None:
        """Another word for `ssh_command`."""
        return self.ssh_command
