"""Tasks, for blocking code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.client.tasks import AsyncTaskResource
from flow_core.models.task import TaskStatus
from flow_core.sync.loop_thread import iter_sync, run_sync
from flow_core.sync.task import Task
from flow_core.sync.twin import BlockingTwin, copy_docstring, make_blocking

if TYPE_CHECKING:
    from flow_core.models.flow_ir import TaskSpec
    from flow_core.models.metrics import MachineSample
    from flow_core.models.task_config import TaskConfig


class TaskResource(BlockingTwin[AsyncTaskResource]):
    """The tasks of one context."""

    status = make_blocking(AsyncTaskResource.status)
    cancel = make_blocking(AsyncTaskResource.cancel)
    history = make_blocking(AsyncTaskResource.history)
    set_limit_price = make_blocking(AsyncTaskResource.set_limit_price)
    pause = make_blocking(AsyncTaskResource.pause)
    resume = make_blocking(AsyncTaskResource.resume)
    hold = make_blocking(AsyncTaskResource.hold)
    release = make_blocking(AsyncTaskResource.release)
    requeue = make_blocking(AsyncTaskResource.requeue)
    set_time_limit = make_blocking(AsyncTaskResource.set_time_limit)
    signal = make_blocking(AsyncTaskResource.signal)
    estimate_start = make_blocking(AsyncTaskResource.estimate_start)
    watch_everyone = make_blocking(AsyncTaskResource.watch_everyone)
    plan_pruning = make_blocking(AsyncTaskResource.plan_pruning)
    prune = make_blocking(AsyncTaskResource.prune)

    @copy_docstring(AsyncTaskResource.run)
    def run(
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
    ) -> Task:
        more: Any = {"wait_until": wait_until, "max_wait_seconds": max_wait_seconds, "dry_run": dry_run}
        return Task(run_sync(self._twin.run(task, wait, mounts, **more, **fields)))

    @copy_docstring(AsyncTaskResource.submit)
    def submit(
        self,
        /,
        command: str,
        gpu: str | None = None,
        mounts: str | dict[str, str] | None = None,
        instance_type: str | None = None,
        wait: bool = False,
        **fields: Any,
    ) -> Task:
        return Task(run_sync(self._twin.submit(command, gpu, mounts, instance_type, wait, **fields)))

    @copy_docstring(AsyncTaskResource.get)
    def get(self, task_id: str) -> Task:
        return Task(run_sync(self._twin.get(task_id)))

    @copy_docstring(AsyncTaskResource.wait_for_ssh)
    def wait_for_ssh(
        self,
        task_id: str,
        timeout: int = 600,
        show_progress: bool = True,
        progress_adapter: object | None = None,
    ) -> Task:
        return Task(run_sync(self._twin.wait_for_ssh(task_id, timeout, show_progress, progress_adapter)))

    @copy_docstring(AsyncTaskResource.metrics)
    def metrics(self, task_id: str, node: int = 0) -> Iterator[MachineSample]:
        return iter_sync(self._twin.metrics(task_id, node))

    @copy_docstring(AsyncTaskResource.list)
    def list(
        self,
        status: TaskStatus | Sequence[TaskStatus] | None = None,
        limit: int = 10,
        force_refresh: bool = False,
    ) -> list[Task]:
        return [Task(task) for task in run_sync(self._twin.list(status, limit, force_refresh))]
