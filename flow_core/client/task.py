"""A task with what can be done to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core import validation
from flow_core.errors import ConfigError, FlowError, TaskTimeout
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_facts import TaskFacts

if TYPE_CHECKING:
    from flow_core.client.flow import AsyncFlow
    from flow_core.models.identity import User
    from flow_core.models.instance import Instance

_NOT_STARTED = frozenset({TaskStatus.PENDING, TaskStatus.PAUSED, TaskStatus.PREEMPTING})
_FIRST_PAUSE_S = 0.02


class AsyncTask(TaskFacts):
    """A task: its record as last answered, and the client it came from. Two handles of the same task are equal."""

    def __init__(self, record: TaskRecord, flow: AsyncFlow) -> None:
        self.record = record
        self.flow = flow

    async def refresh(self) -> AsyncTask:
        """Asks the provider for the task as it is now. Raises NotFound."""
        self.record = await self.flow.provider.get_task(self.record.task_id)
        return self

    async def wait(self, timeout_s: float | None = None, *, timeout: float | None = None) -> AsyncTask:
        """Returns once the task has ended, however long that takes.

        Raises TimeoutError after `timeout_s` seconds (`timeout` is another word for it); the task goes on.
        """
        return await self._until(lambda: self.record.is_terminal, _seconds(timeout_s, timeout))

    async def wait_until_started(self, timeout_s: float | None = None, *, timeout: float | None = None) -> AsyncTask:
        """Returns once the task runs or has ended. Raises TimeoutError after `timeout_s` seconds, as `wait` does."""
        return await self._until(lambda: self.record.status not in _NOT_STARTED, _seconds(timeout_s, timeout))

    async def wait_for_status(
        self, status: TaskStatus | str, timeout_s: float | None = None, *, timeout: float | None = None
    ) -> AsyncTask:
        """Returns once the task has this status, or has ended and will never have it.

        Raises TimeoutError after `timeout_s` seconds, as `wait` does.
        """
        wanted = validation.one_of("status", status, tuple(TaskStatus))
        return await self._until(
            lambda: self.record.is_terminal or self.record.status == wanted, _seconds(timeout_s, timeout)
        )

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

    async def shell(self, command: str | None = None, node: int | None = None, record: bool = False) -> int | None:
        """See `AsyncFlow.shell`."""
        return await self.flow.shell(self.record.task_id, command, node, record=record)

    async def put_file(self, source: Path | str, target: str, *, node: int = 0) -> None:
        """See `AsyncFlow.put_file`."""
        await self.flow.put_file(self.record.task_id, source, target, node=node)

    async def get_file(self, source: str, target: Path | str, *, node: int = 0) -> Path:
        """See `AsyncFlow.get_file`."""
        return await self.flow.get_file(self.record.task_id, source, target, node=node)

    async def get_instances(self) -> list[Instance]:
        """The machines that the task has, or had, by node; empty before it started."""
        return await self.flow.get_task_instances(self.record.task_id)

    async def get_user(self) -> User | None:
        """Who submitted it; None where nobody says."""
        return await self.flow.get_user(self.created_by) if self.created_by else None

    async def ssh_command(self) -> str | None:
        """The ssh command that enters the task, to be typed as it stands; None where there is no way in now."""
        try:
            return await self.flow.ssh_command(self.record.task_id)
        except FlowError:
            return None

    async def shell_command(self) -> str | None:
        """Another word for `ssh_command`."""
        return await self.ssh_command()

    async def _until(self, holds: Callable[[], bool], limit_s: float | None) -> AsyncTask:
        pause_s = _FIRST_PAUSE_S
        try:
            async with asyncio.timeout(limit_s):
                await self.refresh()
                while not holds():
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 1.5, self.flow.provider.poll.busy_s)
                    await self.refresh()
        except TimeoutError:
            raise TaskTimeout(
                f"task {self.record.task_id} is still {self.record.status} after {limit_s:g} s;"
                " it goes on, and you can wait again"
            ) from None
        return self


def _seconds(timeout_s: float | None, timeout: float | None) -> float | None:
    if timeout_s is not None and timeout is not None:
        raise ConfigError("timeout: is another word for timeout_s; give one of them", field="timeout")
    return validation.seconds("timeout_s", timeout_s) if timeout is None else validation.seconds("timeout", timeout)
