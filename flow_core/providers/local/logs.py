"""What tasks wrote: the supervisor's own file is the spool."""

from __future__ import annotations

from flow_core.errors import NotFound
from flow_core.logs.address import LogAddress
from flow_core.logs.spool import SpoolFiles
from flow_core.providers.local.offload import offload
from flow_core.providers.local.tasks import TaskShelf


class LocalLogs:
    """One log a task: both streams, one rank."""

    def __init__(self, context: str, tasks: TaskShelf) -> None:
        self._context = context
        self._tasks = tasks

    async def addresses(self, task_id: str) -> tuple[LogAddress, ...]:
        state = (await offload(self._tasks.get, task_id)).state
        if state is None or state.started_at is None:
            return ()
        return (LogAddress(self._context, task_id, state.attempt, 0),)

    async def open(self, address: LogAddress) -> SpoolFiles:
        await self._check(address)
        return self._tasks.folder(address.task_id).spool(address.attempt, address.rank)

    async def is_complete(self, address: LogAddress) -> bool:
        return await self._check(address)

    async def _check(self, address: LogAddress) -> bool:
        """Whether the task is over. Raises NotFound."""
        standing = await offload(self._tasks.get, address.task_id)
        if (address.context, address.attempt, address.rank) != (self._context, standing.record.attempt, 0):
            raise NotFound(f"task {address.task_id} has no log of attempt {address.attempt}, rank {address.rank}")
        return standing.record.is_terminal
