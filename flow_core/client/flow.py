"""AsyncFlow: one context, everything a task's owner does with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core import checks
from flow_core.client.account import AccountCalls
from flow_core.client.capacity import CapacityCalls
from flow_core.client.logs import LogCalls
from flow_core.client.market import MarketCalls
from flow_core.client.metrics import MetricsCalls
from flow_core.client.remote import RemoteCalls
from flow_core.client.storage import VolumeCalls
from flow_core.client.task import AsyncTask
from flow_core.errors import ConfigError, Conflict, Unreachable, printable
from flow_core.models.task import TaskStatus

if TYPE_CHECKING:
    from flow_core.client.dev import AsyncDevEnvironment
    from flow_core.models.spec import TaskConfig

_SSH_LOOK_S = 2.0


class AsyncFlow(LogCalls, VolumeCalls, CapacityCalls, MarketCalls, AccountCalls, RemoteCalls, MetricsCalls):
    """The client of one context, for coroutines. Every change it makes passes its gate; every error is a FlowError.

    Tasks stand here; logs, volumes, capacity, the account, ways into tasks and metrics in the classes it is made of.
    One event loop only. Use it as an async context manager, or close it. Retry only after `Unreachable`, and only what
    is safe twice.
    """

    async def __aenter__(self) -> AsyncFlow:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(
        self,
        task: TaskConfig | str | Path,
        wait: bool = False,
        mounts: str | dict[str, str] | None = None,
        **fields: Any,
    ) -> AsyncTask:
        """Submits a TaskConfig, a task file, or a command; `wait` returns once it runs (or has ended).

        Text that ends in .yaml or .yml, or names an existing file, is the path of a task file; other text is a
        command, and `fields` are further fields of its TaskConfig, such as instance_type="a100". `mounts` maps
        target to source (a lone source gets a usual target) and replaces the config's data_mounts. Returns within
        the provider's deadline unless it waits. Not safe twice: two calls, two tasks. Raises ConfigError with field
        and line, CapacityError for what can never be had here, NotFound or Conflict for a volume, Unsupported.
        """
        from flow_core.models.files import as_task_config, with_mounts  # deferred: loads pydantic

        config = with_mounts(as_task_config(task, fields), mounts)
        record = await self.change(
            "submit", config.name, self.provider.describe_submit(config), lambda: self.provider.submit(config)
        )
        handle = AsyncTask(record, self)
        return await handle.wait_until_started() if wait else handle

    async def submit(
        self,
        command: str,
        gpu: str | None = None,
        mounts: str | dict[str, str] | None = None,
        instance_type: str | None = None,
        wait: bool = False,
    ) -> AsyncTask:
        """Submits a shell command; `gpu` is a shorthand such as "a100:4", ignored when `instance_type` is given.

        `wait` returns once the task has ended, however long that takes. For `mounts`, twice and errors see `run`.
        """
        from flow_core.models.spec import TaskConfig  # deferred: loads pydantic

        fields = {
            "name": f"flow-submit-{int(time.time())}",
            "unique_name": False,
            "command": checks.command("command", command),
            "instance_type": checks.optional_text("instance_type", instance_type) or checks.optional_text("gpu", gpu),
        }
        task = await self.run(TaskConfig.parse(fields), mounts=mounts)
        return await task.wait() if wait else task

    async def status(self, task_id: str) -> str:
        """The status word of a task: pending, running, paused, preempting, completed, failed, cancelled.

        Raises NotFound.
        """
        return (await self.provider.get_task(checks.text("task_id", task_id))).status.value

    async def cancel(self, task_id: str, force: bool = False) -> None:
        """Asks for the end of a task and returns at once; the status follows.

        Safe twice and after its end. `force` leaves it no time to clean up. Raises NotFound.
        """
        record = await self.provider.get_task(checks.text("task_id", task_id))
        call = self.provider.describe_cancel(record)
        await self.change("cancel", task_id, call, lambda: self.provider.cancel_task(task_id, force=force))

    async def get_task(self, task_id: str) -> AsyncTask:
        """A handle for an existing task, as it is now. Raises NotFound."""
        return AsyncTask(await self.provider.get_task(checks.text("task_id", task_id)), self)

    async def list_tasks(
        self,
        status: TaskStatus | Sequence[TaskStatus] | None = None,
        limit: int = 10,
        force_refresh: bool = False,
    ) -> list[AsyncTask]:
        """The last submitted tasks first, at most `limit`. `force_refresh` is accepted: every call asks anew."""
        records = await self.provider.list_tasks(_statuses(status), checks.whole("limit", limit))
        return [AsyncTask(record, self) for record in records]

    async def wait_for_ssh(
        self,
        task_id: str,
        timeout: int = 600,
        show_progress: bool = True,
        progress_adapter: object | None = None,
    ) -> AsyncTask:
        """Returns once SSH answers at a task, as the task is then. `timeout` is seconds.

        `show_progress` and `progress_adapter` are accepted and not needed. Raises NotFound, Conflict once the task
        has ended, Unreachable after `timeout`, Unsupported.
        """
        checks.text("task_id", task_id)
        endpoints, limit_s = self._endpoints, checks.whole("timeout", timeout)
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    task = await self.get_task(task_id)
                    if task.is_terminal:
                        raise Conflict(f"task {task_id} is {task.status}; there is nothing to reach any more")
                    if task.is_running and await endpoints.is_ready(task_id):
                        return await self.get_task(task_id)
                    await asyncio.sleep(_SSH_LOOK_S)
        except TimeoutError:
            raise Unreachable(f"SSH of task {printable(task_id)} did not answer within {limit_s} s") from None

    def dev_context(self, auto_stop: bool = False) -> AsyncDevEnvironment:
        """The dev VM of this user: started on entering, stopped on leaving only with `auto_stop`."""
        from flow_core.client.dev import AsyncDevEnvironment  # deferred: most scripts have none

        return AsyncDevEnvironment(self, auto_stop)


def _statuses(status: TaskStatus | Sequence[TaskStatus] | None) -> Collection[TaskStatus] | None:
    if status is None:
        return None
    try:
        return frozenset({TaskStatus(status)} if isinstance(status, str) else {TaskStatus(one) for one in status})
    except (ValueError, TypeError):
        known = ", ".join(TaskStatus)
        raise ConfigError(f"{checks.shown(status)} is no status; there are: {known}", field="status") from None
