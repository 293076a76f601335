"""A task with what can be done to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from flow_core import checks
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_facts import TaskFacts

if TYPE_CHECKING:
    from flow_core.client.flow import AsyncFlow

_NOT_STARTED = frozenset({TaskStatus.PENDING, TaskStatus.PAUSED, TaskStatus.PREEMPTING})
_FIRST_PAUSE_S = 0.02


class AsyncTask(TaskFacts):
    """A task: its record as last answered, and the client it came from."""

    def __init__(self, record: TaskRecord, flow: AsyncFlow) -> None:
        self.record = record
        self.flow = flow

    async def refresh(self) -> AsyncTask:
        """Asks the provider for the task as it is now. Raises NotFound."""
        self.record = await self.flow.provider.get_task(self.record.task_id)
        return self

    async def wait(self, timeout_s: float | None = None) -> AsyncTask:
        """Returns once the task has ended, however long that takes. Raises TimeoutError after `timeout_s`."""
        return await self._until(lambda: self.record.is_terminal, timeout_s)

    async def wait_until_started(self, timeout_s: float | None = None) -> AsyncTask:
        """Returns once the task runs or has ended. Raises TimeoutError after `timeout_s`."""
        return await self._until(lambda: self.record.status not in _NOT_STARTED, timeout_s)

    async def cancel(self, force: bool = False) -> None:
        """Asks for the end of the task; safe twice and after its end. `force` leaves it no time to clean up."""
        await self.flow.cancel(self.record.task_id, force=force)

    async def stop(self) -> None:
        """Another word for `cancel`."""
        await self.cancel()

    async def logs(
        self,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        *,
        attempt: int | None = None,
        rank: int = 0,
    ) -> str | AsyncGenerator[str, None]:
        """See `AsyncFlow.logs`."""
        task_id = self.record.task_id
        if follow:
            return await self.flow.logs(task_id, True, tail, stderr, attempt=attempt, rank=rank)
        return await self.flow.logs(task_id, False, tail, stderr, attempt=attempt, rank=rank)

    async def log_stream(
        self, stderr: bool = False, *, attempt: int | None = None, rank: int = 0
    ) -> AsyncGenerator[str, None]:
        """Every line from the first until the task ends. Close it (`aclosing`) when leaving early."""
        lines = await self.flow.logs(self.record.task_id, True, stderr=stderr, attempt=attempt, rank=rank)
        async with aclosing(lines):
            async for line in lines:
                yield line

    async def shell(self, command: str | None = None, node: int | None = None, record: bool = False) -> None:
        """See `AsyncFlow.shell`."""
        await self.flow.shell(self.record.task_id, command, node, record=record)

    async def _until(self, holds: Callable[[], bool], timeout_s: float | None) -> AsyncTask:
        pause_s = _FIRST_PAUSE_S
        async with asyncio.timeout(checks.seconds("timeout_s", timeout_s)):
            await self.refresh()
            while not holds():
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, self.flow.provider.poll.busy_s)
                await self.refresh()
        return self
