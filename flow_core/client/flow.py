"""AsyncFlow: one context, everything a task's owner does with it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core import validation
from flow_core.client.account import AccountCalls
from flow_core.client.capacity import CapacityCalls
from flow_core.client.logs import LogCalls
from flow_core.client.market import MarketCalls
from flow_core.client.metrics import MetricsCalls
from flow_core.client.pruning import PruningCalls, prune_when_due
from flow_core.client.remote import RemoteCalls
from flow_core.client.storage import VolumeCalls
from flow_core.client.task import AsyncTask
from flow_core.errors import ConfigError, Conflict, Unreachable, printable
from flow_core.models.task import TaskRecord, TaskStatus

if TYPE_CHECKING:
    from flow_core.client.dev import AsyncDevEnvironment
    from flow_core.models.ir import TaskSpec
    from flow_core.models.spec import TaskConfig

_SSH_LOOK_S = 2.0
_GOALS = ("submitted", "running", "terminal")


class AsyncFlow(
    LogCalls, VolumeCalls, CapacityCalls, MarketCalls, AccountCalls, RemoteCalls, MetricsCalls, PruningCalls
):
    """The client of one context, for coroutines. Every change it makes passes its gate; every error is a FlowError.

    Tasks stand here; logs, volumes, capacity, the account, ways into tasks, metrics and pruning in its base classes.
    One event loop only. Use it as an async context manager, or close it. Retry only after `Unreachable`, and only what
    is safe twice.
    """

    async def __aenter__(self) -> AsyncFlow:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(
        self,
        task: TaskConfig | TaskSpec | str | list[str] | Path | None = None,
        wait: bool = False,
        mounts: str | dict[str, str] | None = None,
        *,
        wait_until: str | None = None,
        max_wait_seconds: float | None = None,
        dry_run: bool = False,
        **fields: Any,
    ) -> AsyncTask:
        """Submits a TaskConfig, a task file, or a command; `wait` returns once it runs (or has ended).

        Text that ends in .yaml or .yml, or names an existing file, is the path of a task file; other text is a
        command, and `fields` are further fields of its TaskConfig, such as instance_type="a100" (or gpu="a100").
        command=... may stand in place of the first argument. `mounts` maps target to source (a lone source gets a
        usual target) and replaces the config's data_mounts. `wait_until` is "submitted", "running" or "terminal";
        after `max_wait_seconds` it raises TimeoutError, and the task goes on. `dry_run` checks the task and submits
        nothing: the message of the task it returns says what would be done. Returns within the provider's deadline
        unless it waits. Not safe twice: two calls, two tasks. Raises ConfigError with field and line, CapacityError
        for what can never be had here, NotFound or Conflict for a volume, Unsupported.
        """
        from flow_core.models.files import as_task_config, with_mounts  # deferred: loads pydantic

        default = "running" if wait else "submitted"
        goal = validation.one_of("wait_until", default if wait_until is None else wait_until, _GOALS)
        limit_s = validation.seconds("max_wait_seconds", max_wait_seconds)
        config = with_mounts(as_task_config(task, fields), mounts)
        call = self.provider.describe_submit(config)
        if dry_run:
            return AsyncTask(_never_submitted(self.context.name, config, call), self)
        record = await self.change("submit", config.name, call, lambda: self.provider.submit(config))
        handle = AsyncTask(record, self)
        if goal == "terminal":
            return await handle.wait(limit_s)
        return await handle.wait_until_started(limit_s) if goal == "running" else handle

    async def submit(
        self,
        command: str,
        gpu: str | None = None,
        mounts: str | dict[str, str] | None = None,
        instance_type: str | None = None,
        wait: bool = False,
        **fields: Any,
    ) -> AsyncTask:
        """Submits a shell command; `gpu` is a shorthand such as "a100:4", ignored when `instance_type` is given.

        `fields` are further fields of its TaskConfig, such as name, env, ports or num_instances. Without a name, one
        that no other task has is generated. `wait` returns once the
        task has ended, however long that takes. For `mounts`, twice and errors see `run`.
        """
        wanted = {
            "name": "flow-submit",
            "unique_name": "name" not in fields,
            "command": validation.command("command", command),
            "instance_type": validation.optional_text("instance_type", instance_type)
            or validation.optional_text("gpu", gpu),
        }
        task = await self.run(mounts=mounts, **{**wanted, **fields})
        return await task.wait() if wait else task

    async def status(self, task_id: str) -> str:
        """The status word of a task: pending, running, paused, preempting, completed, failed, cancelled.

        Raises NotFound.
        """
        return (await self.provider.get_task(validation.text("task_id", task_id))).status.value

    async def cancel(self, task_id: str, force: bool = False) -> None:
        """Asks for the end of a task and returns at once; the status follows.

        Safe twice and after its end. `force` leaves it no time to clean up. Raises NotFound.
        """
        record = await self.provider.get_task(validation.text("task_id", task_id))
        call = self.provider.describe_cancel(record)
        await self.change("cancel", task_id, call, lambda: self.provider.cancel_task(task_id, force=force))

    async def get_task(self, task_id: str) -> AsyncTask:
        """A handle for an existing task, as it is now. Raises NotFound."""
        return AsyncTask(await self.provider.get_task(validation.text("task_id", task_id)), self)

    async def list_tasks(
        self,
        status: TaskStatus | Sequence[TaskStatus] | None = None,
        limit: int = 10,
        force_refresh: bool = False,
    ) -> list[AsyncTask]:
        """The last submitted tasks first, at most `limit`. `force_refresh` is accepted: every call asks anew.

        Where the context sets `prune_after_days`, the first call of a day prunes.
        """
        await prune_when_due(self)
        records = await self.provider.list_tasks(_statuses(status), validation.whole("limit", limit))
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
        validation.text("task_id", task_id)
        endpoints, limit_s = self._endpoints, validation.whole("timeout", timeout)
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

    @property
    def dev(self) -> AsyncDevEnvironment:
        """The dev VM of this user, started when something is first done in it."""
        return self.dev_context()


def _never_submitted(context: str, config: TaskConfig, call: str) -> TaskRecord:
    """What a dry run returns. No task has its id."""
    return TaskRecord(
        context,
        "dry-run",
        config.name,
        TaskStatus.PENDING,
        command=config.command_line,
        num_instances=config.num_instances,
        instance_type=next(iter(config.instance_types), ""),
        message=f"dry run, nothing was submitted; this would be done: {call}",
        config=config.said(),
    )


def _statuses(status: TaskStatus | Sequence[TaskStatus] | None) -> Collection[TaskStatus] | None:
    if status is None:
        return None
    try:
        return frozenset({TaskStatus(status)} if isinstance(status, str) else {TaskStatus(one) for one in status})
    except (ValueError, TypeError):
        known = ", ".join(TaskStatus)
        raise ConfigError(f"{validation.shown(status)} is no status; there are: {known}", field="status") from None
