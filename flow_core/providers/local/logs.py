"""What tasks wrote: the supervisor's own files are the spools."""

from __future__ import annotations

from flow_core.agent.spool import SpoolFiles
from flow_core.agent.tasks import StoredTask, TaskStore
from flow_core.errors import NotFound, Unsupported
from flow_core.logs.log_id import LogId
from flow_core.providers.over_agent.in_process_agent import call_agent


class LocalLogs:
    """A log for each rank of each attempt, with both streams."""

    separates_streams = True

    def __init__(self, context: str, tasks: TaskStore) -> None:
        self._context = context
        self._tasks = tasks

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        standing = await call_agent(self._tasks.get, task_id)
        if not standing.report.has_begun and not await call_agent(self._has_begun, task_id):
            return ()
        attempts, ranks = range(standing.report.attempt + 1), range(standing.report.ranks)
        return tuple(LogId(self._context, task_id, attempt, rank) for attempt in attempts for rank in ranks)

    async def open(self, address: LogId) -> SpoolFiles:
        await self._find(address)
        folder = await call_agent(self._tasks.folder, address.task_id)
        return folder.spool(address.attempt, address.rank)

    async def catch_up(self, address: LogId) -> None:
        await self._find(address)  # the spool is where the supervisor writes

    async def is_complete(self, address: LogId) -> bool:
        standing = await self._find(address)
        report = standing.report
        return report.is_over or address.attempt < report.attempt or report.between_attempts

    async def startup(self, task_id: str, node: int) -> str:
        await call_agent(self._tasks.get, task_id)
        raise Unsupported("source: there is no startup log here; tasks run on this machine as it is", field="source")

    def _has_begun(self, task_id: str) -> bool:
        """A task that has not started has a log all the same when an image was fetched for it."""
        return self._tasks.folder(task_id).spool().log.exists()

    async def _find(self, address: LogId) -> StoredTask:
        """The task. Raises NotFound where it has no such log and will not have it in this attempt."""
        standing = await call_agent(self._tasks.get, address.task_id)
        known = 0 <= address.attempt <= standing.report.attempt and 0 <= address.rank < standing.report.ranks
        if address.context != self._context or not known:
            raise NotFound(f"task {address.task_id} has no log of attempt {address.attempt}, rank {address.rank}")
        return standing
