"""The handle of a task: its record, and its actions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.argument_checks import check_one_of, check_seconds
from flow_core.errors import ConfigError, FlowError, TaskTimeout
from flow_core.lazy_module import LazyModule
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_properties import TaskProperties

if TYPE_CHECKING:
    import flow_core.client.account as _account
    import flow_core.client.instances as _instances
    import flow_core.client.task_access as _access
    import flow_core.client.task_logs as _logs
    from flow_core.client.context_client import ContextClient
    from flow_core.models.identity import User
    from flow_core.models.instance import Instance
else:  # a script that only lists tasks needs none of them
    _account = LazyModule("flow_core.client.account")
    _instances = LazyModule("flow_core.client.instances")
    _access = LazyModule("flow_core.client.task_access")
    _logs = LazyModule("flow_core.client.task_logs")

_NOT_STARTED = frozenset({TaskStatus.PENDING, TaskStatus.PAUSED, TaskStatus.PREEMPTING})
_FIRST_PAUSE_S = 0.02


class AsyncTask(TaskProperties):
    """A task: its record as of the last refresh, and the client that it came from.

    Two handles of the same task are equal.
    """

    def __init__(self, record: TaskRecord, flow: ContextClient) -> None:
        self.record = record
        self.flow = flow

    async def refresh(self) -> AsyncTask:
        """Reads the task again, as it is now, and returns this handle. Raises NotFound."""
        self.record = await self.flow.provider.get_task(self.record.task_id)
        return self

    async def wait(self, timeout_s: float | None = None, *, timeout: float | None = None) -> AsyncTask:
        """Returns once the task has ended, without a limit unless you give one.

        Raises TimeoutError after `timeout_s` seconds (`timeout` is the same); the task continues.
        """
        return await self._wait_until(lambda: self.record.is_terminal, _parse_timeout(timeout_s, timeout))

    async def wait_until_started(self, timeout_s: float | None = None, *, timeout: float | None = None) -> AsyncTask:
        """Returns once the task runs or has ended. Raises TimeoutError after `timeout_s` seconds, as `wait` does."""
        return await self._wait_until(
            lambda: self.record.status not in _NOT_STARTED, _parse_timeout(timeout_s, timeout)
        )

    async def wait_for_status(
        self, status: TaskStatus | str, timeout_s: float | None = None, *, timeout: float | None = None
    ) -> AsyncTask:
        """Returns once the task has this status, or has ended and can no longer get it.

        Raises TimeoutError after `timeout_s` seconds, as `wait` does.
        """
        expected = check_one_of("status", status, tuple(TaskStatus))
        return await self._wait_until(
            lambda: self.record.is_terminal or self.record.status == expected, _parse_timeout(timeout_s, timeout)
        )

    async def cancel(self, force: bool = False) -> None:
        """Requests the end of the task. Calling it again is safe, also after its end.

        `force` grants no time to clean up.
        """
        await cancel_task(self.flow, self.record.task_id, force=force)

    async def stop(self) -> None:
        """Requests the end of the task, as `cancel` does."""
        await self.cancel()

    async def logs(
        self,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        *,
        attempt: int | None = None,
        rank: int = 0,
        updates: bool = False,
    ) -> str | AsyncGenerator[str, None]:
        """Returns the end of the log, or with `follow` an iterator of its lines. See `task_logs.read`."""
        logs, task_id = _logs.AsyncTaskLogResource(self.flow), self.record.task_id
        if follow:
            return await logs.read(task_id, True, tail, stderr, attempt=attempt, rank=rank, updates=updates)
        return await logs.read(task_id, False, tail, stderr, attempt=attempt, rank=rank, updates=updates)

    async def log_stream(
        self, stderr: bool = False, *, attempt: int | None = None, rank: int = 0, updates: bool = False
    ) -> AsyncGenerator[str, None]:
        """Yields every line from the first until the task ends. Close it (`aclosing`) if you leave it early."""
        logs = _logs.AsyncTaskLogResource(self.flow)
        lines = await logs.read(self.record.task_id, True, stderr=stderr, attempt=attempt, rank=rank, updates=updates)
        async with aclosing(lines):
            async for line in lines:
                yield line

    async def shell(self, command: str | None = None, node: int | None = None, record: bool = False) -> int | None:
        """Opens a shell on this program's terminal, or runs one command. See `task_access.shell`."""
        return await _access.AsyncTaskAccessResource(self.flow).shell(self.record.task_id, command, node, record=record)

    async def put_file(self, source: Path | str, target: str, *, node: int = 0) -> None:
        """Copies a file of this machine to the task. See `task_access.put_file`."""
        await _access.AsyncTaskAccessResource(self.flow).put_file(self.record.task_id, source, target, node=node)

    async def get_file(self, source: str, target: Path | str, *, node: int = 0) -> Path:
        """Copies a file of the task to this machine, and returns its path here. See `task_access.get_file`."""
        return await _access.AsyncTaskAccessResource(self.flow).get_file(self.record.task_id, source, target, node=node)

    async def get_instances(self) -> list[Instance]:
        """Returns the machines that the task has, or had, by node; none before it started."""
        return await _instances.AsyncInstanceResource(self.flow).of_task(self.record.task_id)

    async def get_user(self) -> User | None:
        """Returns the user who submitted it; None if unknown."""
        return await _account.AsyncAccountResource(self.flow).user(self.created_by) if self.created_by else None

    async def ssh_command(self) -> str | None:
        """Returns the `ssh` command that enters the task, ready to paste; None if SSH can't reach it now."""
        try:
            return await _access.AsyncTaskAccessResource(self.flow).ssh_command(self.record.task_id)
        except FlowError:
            return None

    async def shell_command(self) -> str | None:
        """Returns the same command as `ssh_command`."""
        return await self.ssh_command()

    async def _wait_until(self, is_reached: Callable[[], bool], limit_s: float | None) -> AsyncTask:
        pause_s = _FIRST_PAUSE_S
        try:
            async with asyncio.timeout(limit_s):
                await self.refresh()
                while not is_reached():
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 1.5, self.flow.provider.poll.busy_s)
                    await self.refresh()
        except TimeoutError:
            raise TaskTimeout(
                f"task {self.record.task_id} is still {self.record.status} after {limit_s:g} s;"
                " it goes on, and you can wait again"
            ) from None
        return self


async def cancel_task(client: ContextClient, task_id: str, *, force: bool = False) -> None:
    """Requests the end of a task through the gate. Raises NotFound."""
    record = await client.provider.get_task(task_id)
    call = client.provider.describe_cancel(record)
    await client.run_change("cancel", task_id, call, lambda: client.provider.cancel_task(task_id, force=force))


def _parse_timeout(timeout_s: float | None, timeout: float | None) -> float | None:
    if timeout_s is not None and timeout is not None:
        raise ConfigError("timeout: is another word for timeout_s; give one of them", field="timeout")
    return check_seconds("timeout_s", timeout_s) if timeout is None else check_seconds("timeout", timeout)
