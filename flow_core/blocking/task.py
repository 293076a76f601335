"""Task: a handle for ordinary code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flow_core._loop import call, iterate
from flow_core.blocking.lent import lent_terminal
from flow_core.blocking.words import same_as
from flow_core.client.task import AsyncTask
from flow_core.models.task import TaskRecord
from flow_core.models.task_facts import TaskFacts

if TYPE_CHECKING:
    from flow_core.client.flow import AsyncFlow


class Task(TaskFacts):
    """A task and what can be done to it. Its facts are those of the last `refresh` or `wait`; any thread may call."""

    def __init__(self, task: AsyncTask) -> None:
        self._task = task

    @property
    def record(self) -> TaskRecord:  # type: ignore[override]  # read from the async task, which refreshes it
        """What the provider last answered."""
        return self._task.record

    @property
    def flow(self) -> AsyncFlow:
        """The client it came from."""
        return self._task.flow

    @same_as(AsyncTask.refresh)
    def refresh(self) -> Task:
        call(self._task.refresh())
        return self

    @same_as(AsyncTask.wait)
    def wait(self, timeout_s: float | None = None) -> Task:
        call(self._task.wait(timeout_s))
        return self

    @same_as(AsyncTask.wait_until_started)
    def wait_until_started(self, timeout_s: float | None = None) -> Task:
        call(self._task.wait_until_started(timeout_s))
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
    def shell(self, command: str | None = None, node: int | None = None, record: bool = False) -> None:
        with lent_terminal():
            call(self._task.shell(command, node, record))
