"""Task: a handle for ordinary code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core._loop import call, close_at_exit, iterate
from flow_core.blocking.lent import lent_terminal
from flow_core.blocking.words import same_as
from flow_core.client.task import AsyncTask
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_properties import TaskProperties

if TYPE_CHECKING:
    from flow_core.client.flow import AsyncFlow
    from flow_core.models.identity import User
    from flow_core.models.instance import Instance


class Task(TaskProperties):
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

    @same_as(AsyncTask.refresh)
    def refresh(self) -> Task:
        call(self._task.refresh())
        return self

    @same_as(AsyncTask.wait)
    def wait(self, timeout_s: float | None = None, *, timeout: float | None = None) -> Task:
        call(self._task.wait(timeout_s, timeout=timeout))
        return self

    @same_as(AsyncTask.wait_until_started)
    def wait_until_started(self, timeout_s: float | None = None, *, timeout: float | None = None) -> Task:
        call(self._task.wait_until_started(timeout_s, timeout=timeout))
        return self

    @same_as(AsyncTask.wait_for_status)
    def wait_for_status(
        self, status: TaskStatus | str, timeout_s: float | None = None, *, timeout: float | None = None
    ) -> Task:
        call(self._task.wait_for_status(status, timeout_s, timeout=timeout))
        return self

    @same_as(AsyncTask.cancel)
    def cancel(self, force: bool = False) -> None:
        call(self._task.cancel(force))

    @same_as(AsyncTask.stop)
    def stop(self) -> None:
        call(self._task.stop())

    @same_as(AsyncTask.logs)
    def logs(
        self,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        *,
        attempt: int | None = None,
        rank: int = 0,
    ) -> str | Iterator[str]:
        answer = call(self._task.logs(follow, tail, stderr, attempt=attempt, rank=rank))
        return answer if isinstance(answer, str) else iterate(answer)

    def log_stream(self, stderr: bool = False, *, attempt: int | None = None, rank: int = 0) -> Iterator[str]:
        """Every line from the first until the task ends. Leaving the loop early closes the stream."""
        return iterate(self._task.log_stream(stderr, attempt=attempt, rank=rank))

    @same_as(AsyncTask.shell)
    def shell(self, command: str | None = None, node: int | None = None, record: bool = False) -> int | None:
        with lent_terminal():
            return call(self._task.shell(command, node, record))

    @same_as(AsyncTask.put_file)
    def put_file(self, source: Path | str, target: str, *, node: int = 0) -> None:
        call(self._task.put_file(source, target, node=node))

    @same_as(AsyncTask.get_file)
    def get_file(self, source: str, target: Path | str, *, node: int = 0) -> Path:
        return call(self._task.get_file(source, target, node=node))

    @same_as(AsyncTask.get_instances)
    def get_instances(self) -> list[Instance]:
        return call(self._task.get_instances())

    @same_as(AsyncTask.get_user)
    def get_user(self) -> User | None:
        return call(self._task.get_user())

    @property
    def ssh_command(self) -> str | None:
        """The ssh command that enters the task, to be typed as it stands; None where there is no way in now."""
        return call(self._task.ssh_command())

    @property
    def shell_command(self) -> str | None:
        """Another word for `ssh_command`."""
        return self.ssh_command
