"""Tasks: submit, find and end them, watch them, change their bids or their place in a queue, and prune them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.argument_checks import (
    check_command,
    check_integer,
    check_one_of,
    check_optional_integer,
    check_optional_text,
    check_seconds,
    check_text,
    format_value,
)
from flow_core.client.pruning import check_plan, parse_days, parse_ids, prune, prune_when_due
from flow_core.client.scheduling import parse_hours, parse_signal
from flow_core.client.task import AsyncTask, cancel_task
from flow_core.errors import ConfigError, Conflict, Unreachable, printable
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers import takes_batch_scripts

if TYPE_CHECKING:
    from flow_core.client.context_client import ContextClient
    from flow_core.models.flow_ir import TaskSpec
    from flow_core.models.market import TaskEvent
    from flow_core.models.metrics import MachineSample
    from flow_core.models.pruning import PruningPlan, PruningResult
    from flow_core.models.scheduling import StartEstimate
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.contract.market import MarketFacet
    from flow_core.providers.contract.scheduling import SchedulingFacet

_SSH_POLL_S = 2.0
_GOALS = ("submitted", "running", "terminal")


class AsyncTaskResource:
    """The tasks of one context."""

    def __init__(self, client: ContextClient) -> None:
        self._client = client

    async def run(
        self,
        /,
        task: TaskConfig | TaskSpec | str | list[str] | Path | None = None,
        wait: bool = False,
        mounts: str | dict[str, str] | None = None,
        *,
        wait_until: str | None = None,
        max_wait_seconds: float | None = None,
        dry_run: bool = False,
        **fields: Any,
    ) -> AsyncTask:
        """Submits a TaskConfig, a task file, or a command; with `wait`, returns once it runs (or has ended).

        Text that ends in .yaml or .yml, or names an existing file, is the path of a task file, or of a script with
        #SBATCH lines if the context takes these. Other text is a command, and `fields` are further fields of its
        TaskConfig, such as instance_type="a100" (or gpu="a100"). You may write command=... in place of the first
        argument. `mounts` maps target to source (a single source gets a default target) and replaces the config's
        data_mounts. `wait_until` is "submitted", "running" or "terminal";
        after `max_wait_seconds` it raises TimeoutError, and the task continues. `dry_run` checks the task and submits
        nothing: the message of the returned task describes the steps. Without a wait, the call ends within
        the provider's deadline. Two calls submit two tasks. Raises ConfigError with field and line, CapacityError for
        capacity that this context never offers, NotFound or Conflict for a volume, Unsupported.
        """
        from flow_core.models.task_sources import to_task_config, with_mounts  # lazy import: loads pydantic

        client = self._client
        default = "running" if wait else "submitted"
        goal = check_one_of("wait_until", default if wait_until is None else wait_until, _GOALS)
        limit_s = check_seconds("max_wait_seconds", max_wait_seconds)
        takes_scripts = takes_batch_scripts(client.context)
        config = with_mounts(to_task_config(task, fields, takes_batch_scripts=takes_scripts), mounts)
        call = client.provider.describe_submit(config)
        if dry_run:
            return AsyncTask(_dry_run_record(client.context.name, config, call), client)
        record = await client.run_change("submit", config.name, call, lambda: client.provider.submit(config))
        handle = AsyncTask(record, client)
        if goal == "terminal":
            return await handle.wait(limit_s)
        return await handle.wait_until_started(limit_s) if goal == "running" else handle

    async def submit(
        self,
        /,
        command: str,
        gpu: str | None = None,
        mounts: str | dict[str, str] | None = None,
        instance_type: str | None = None,
        wait: bool = False,
        **fields: Any,
    ) -> AsyncTask:
        """Submits a shell command. `gpu` is a shorthand such as "a100:4", ignored if you give `instance_type`.

        `fields` are further fields of its TaskConfig, such as name, env, ports or num_instances. Without a name, one
        that no other task has is generated. With `wait`, returns once the task has ended, without a limit. For
        `mounts`, repeated calls and errors see `run`.
        """
        arguments = {
            "name": "flow-submit",
            "unique_name": "name" not in fields,
            "command": check_command("command", command),
            "instance_type": check_optional_text("instance_type", instance_type) or check_optional_text("gpu", gpu),
        }
        task = await self.run(mounts=mounts, **{**arguments, **fields})
        return await task.wait() if wait else task

    async def get(self, task_id: str) -> AsyncTask:
        """Returns the handle of a task, as it is now. Raises NotFound."""
        record = await self._client.provider.get_task(check_text("task_id", task_id))
        return AsyncTask(record, self._client)

    async def status(self, task_id: str) -> str:
        """Returns the status of a task: pending, running, paused, preempting, completed, failed or cancelled.

        Raises NotFound.
        """
        return (await self._client.provider.get_task(check_text("task_id", task_id))).status.value

    async def cancel(self, task_id: str, force: bool = False) -> None:
        """Requests the end of a task and returns immediately; its status changes later.

        Calling it again is safe, also after its end. `force` grants no time to clean up. Raises NotFound.
        """
        await cancel_task(self._client, check_text("task_id", task_id), force=force)

    async def wait_for_ssh(
        self,
        task_id: str,
        timeout: int = 600,
        show_progress: bool = True,
        progress_adapter: object | None = None,
    ) -> AsyncTask:
        """Returns the task once SSH reaches it. `timeout` is in seconds.

        `show_progress` and `progress_adapter` are accepted and ignored. Raises NotFound, Conflict once the task has
        ended, Unreachable after `timeout`, Unsupported.
        """
        check_text("task_id", task_id)
        endpoints = self._client.get_facet(self._client.provider.endpoints, "SSH endpoints")
        limit_s = check_integer("timeout", timeout)
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    task = await self.get(task_id)
                    if task.is_terminal:
                        raise Conflict(f"task {task_id} is {task.status}; there is nothing to reach any more")
                    if task.is_running and await endpoints.is_ready(task_id):
                        return await self.get(task_id)
                    await asyncio.sleep(_SSH_POLL_S)
        except TimeoutError:
            raise Unreachable(f"SSH of task {printable(task_id)} did not answer within {limit_s} s") from None

    def metrics(self, task_id: str, node: int = 0) -> AsyncGenerator[MachineSample, None]:
        """Yields the load of the machine of a running task's node, every two seconds until the task ends.

        The sample contains the GPUs that the task may use, and the processes on them. Memory is in MB (MiB) for GPUs
        and in GB (GiB) for the machine; None means unknown. Nothing is measured while you don't iterate: close the
        iterator (`aclosing`) if you leave it early. Iterating raises NotFound, Conflict for a task that doesn't run,
        ConfigError (field "node") and Unreachable; the call itself raises Unsupported.
        """
        metrics = self._client.get_facet(self._client.provider.metrics, "metrics")
        return metrics.of_task(check_text("task_id", task_id), node=check_integer("node", node))

    async def history(self, task_id: str) -> list[TaskEvent]:
        """Returns the events of a task's bid and machines, oldest first. Raises NotFound, Unsupported."""
        return list(await self._market.history(check_text("task_id", task_id)))

    async def set_limit_price(self, task_id: str, limit_usd_per_hour: Decimal | float) -> None:
        """Sets the most that one instance of a task may cost per hour from now on. Calling it again is safe.

        Raises NotFound, ConfigError, Conflict for a task that has ended, Unsupported.
        """
        checked_id, limit, market = check_text("task_id", task_id), _parse_usd(limit_usd_per_hour), self._market
        call = market.describe_set_limit(await self._client.provider.get_task(checked_id), limit)
        await self._client.run_change("set limit", checked_id, call, lambda: market.set_limit(checked_id, limit))

    async def pause(self, task_id: str) -> None:
        """Stops a task's machines and their cost; its processes end. Calling it again is safe.

        Raises NotFound, Conflict, Unsupported.
        """
        checked_id, market = check_text("task_id", task_id), self._market
        call = market.describe_pause(await self._client.provider.get_task(checked_id))
        await self._client.run_change("pause", checked_id, call, lambda: market.pause(checked_id))

    async def resume(self, task_id: str) -> None:
        """Bids again for a paused task. Calling it again is safe. Raises NotFound, Conflict, Unsupported."""
        checked_id, market = check_text("task_id", task_id), self._market
        call = market.describe_resume(await self._client.provider.get_task(checked_id))
        await self._client.run_change("resume", checked_id, call, lambda: market.resume(checked_id))

    async def hold(self, task_id: str) -> None:
        """Keeps a pending task from starting until `release`. Calling it again is safe.

        Raises NotFound, Conflict for a task that doesn't wait, AuthError for a task of another user, Unsupported.
        """
        checked_id, scheduling = check_text("task_id", task_id), self._scheduling
        call = scheduling.describe_hold(await self._client.provider.get_task(checked_id))
        await self._client.run_change("hold", checked_id, call, lambda: scheduling.hold(checked_id))

    async def release(self, task_id: str) -> None:
        """Lets a held task start. Calling it again is safe. Raises NotFound, Conflict, AuthError, Unsupported."""
        checked_id, scheduling = check_text("task_id", task_id), self._scheduling
        call = scheduling.describe_release(await self._client.provider.get_task(checked_id))
        await self._client.run_change("release", checked_id, call, lambda: scheduling.release(checked_id))

    async def requeue(self, task_id: str) -> None:
        """Ends the command of a task, also of one that has ended, and queues it again: its next attempt.

        A second call ends the new attempt. Raises NotFound, Conflict, AuthError, Unsupported.
        """
        checked_id, scheduling = check_text("task_id", task_id), self._scheduling
        call = scheduling.describe_requeue(await self._client.provider.get_task(checked_id))
        await self._client.run_change("requeue", checked_id, call, lambda: scheduling.requeue(checked_id))

    async def set_time_limit(self, task_id: str, hours: float) -> None:
        """Sets the longest run time of a task, counted from its start. Calling it again is safe.

        Raises NotFound, ConfigError, Conflict for a task that has ended, AuthError if only an operator may raise the
        limit, Unsupported.
        """
        checked_id, limit_hours, scheduling = check_text("task_id", task_id), parse_hours(hours), self._scheduling
        call = scheduling.describe_set_time_limit(await self._client.provider.get_task(checked_id), limit_hours)
        await self._client.run_change(
            "set time limit", checked_id, call, lambda: scheduling.set_time_limit(checked_id, limit_hours)
        )

    async def signal(self, task_id: str, signal_name: str) -> None:
        """Sends a signal such as "SIGUSR1" to the processes of a running task. A second call sends it again.

        Raises NotFound, ConfigError, Conflict for a task that doesn't run, AuthError, Unsupported.
        """
        checked_id, name, scheduling = check_text("task_id", task_id), parse_signal(signal_name), self._scheduling
        call = scheduling.describe_signal(await self._client.provider.get_task(checked_id), name)
        await self._client.run_change("signal", checked_id, call, lambda: scheduling.signal(checked_id, name))

    async def estimate_start(
        self, /, task: TaskConfig | TaskSpec | str | list[str] | Path | None = None, **fields: Any
    ) -> StartEstimate | None:
        """Returns when a task would start if you submitted it now; None if the scheduler can't tell.

        `task` and `fields` are as for `run`. Submits nothing. Raises what `run` raises.
        """
        from flow_core.models.task_sources import to_task_config  # lazy import: loads pydantic

        takes_scripts = takes_batch_scripts(self._client.context)
        return await self._scheduling.estimate_start(to_task_config(task, fields, takes_batch_scripts=takes_scripts))

    async def watch_everyone(self, on: bool = True) -> None:
        """Sets whether `list` also returns the tasks of other users. Calling it again is safe. Raises Unsupported."""
        await self._scheduling.watch_everyone(bool(on))

    async def plan_pruning(
        self,
        older_than_days: float | None = None,
        keep_last: int | None = None,
        task_ids: Collection[str] = (),
    ) -> PruningPlan:
        """Returns the ended tasks that `prune` would remove: their number, their size, and the oldest of them.

        These are the tasks that ended more than `older_than_days` ago and are not among the last `keep_last` to end,
        and those in `task_ids`. A task with its own files in its folder is removed only if you name it. Changes
        nothing. Raises ConfigError, NotFound, Conflict for a named task that hasn't ended, Unsupported.
        """
        facet = self._client.get_facet(self._client.provider.pruning, "tasks to prune")
        days, keep = parse_days(older_than_days), check_optional_integer("keep_last", keep_last)
        named = parse_ids(task_ids)
        if days is None and keep is None and not named:
            raise ConfigError("older_than_days: give this, keep_last or task_ids", field="older_than_days")
        return await facet.plan(days, keep, named)

    async def prune(self, plan: PruningPlan) -> PruningResult:
        """Removes the tasks of a plan with their logs and records; volumes and idempotency keys stay.

        Calling it again is safe. A task that can't be removed any more stays, and the result states why. Raises
        ReadOnly, ConfigError, Unreachable, Unsupported.
        """
        return await prune(self._client, check_plan(plan, self._client.context.name))

    async def list(
        self,
        status: TaskStatus | Sequence[TaskStatus] | None = None,
        limit: int = 10,
        force_refresh: bool = False,
    ) -> list[AsyncTask]:
        """Returns tasks, the last submitted first, at most `limit`. Every call polls: `force_refresh` has no effect.

        If the context sets `prune_after_days`, the first call of a day prunes.
        """
        await prune_when_due(self._client)
        records = await self._client.provider.list_tasks(_parse_statuses(status), check_integer("limit", limit))
        return [AsyncTask(record, self._client) for record in records]

    @property
    def _scheduling(self) -> SchedulingFacet:
        return self._client.get_facet(self._client.provider.scheduling, "scheduler")

    @property
    def _market(self) -> MarketFacet:
        return self._client.get_facet(self._client.provider.market, "market")


def _dry_run_record(context: str, config: TaskConfig, call: str) -> TaskRecord:
    """Returns the record of a dry run. No task has its id."""
    return TaskRecord(
        context,
        "dry-run",
        config.name,
        TaskStatus.PENDING,
        command=config.command_line,
        num_instances=config.num_instances,
        instance_type=next(iter(config.instance_types), ""),
        message=f"dry run, nothing was submitted; this would be done: {call}",
        config=config.to_dict(),
    )


def _parse_statuses(status: TaskStatus | Sequence[TaskStatus] | None) -> Collection[TaskStatus] | None:
    if status is None:
        return None
    try:
        return frozenset({TaskStatus(status)} if isinstance(status, str) else {TaskStatus(one) for one in status})
    except (ValueError, TypeError):
        known = ", ".join(TaskStatus)
        raise ConfigError(f"{format_value(status)} is no status; there are: {known}", field="status") from None


def _parse_usd(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ConfigError(
            f"limit_usd_per_hour: must be a number, not {type(value).__name__}", field="limit_usd_per_hour"
        )
    amount = Decimal(str(value))
    if not amount.is_finite():
        raise ConfigError("limit_usd_per_hour: must be a finite number", field="limit_usd_per_hour")
    return amount
