"""The logs of tasks; their spools are the supervisor's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.agent.spool import SpoolFiles
from flow_core.agent.task_reader import StoredTask
from flow_core.agent.tasks import TaskStore
from flow_core.errors import NotFound, Unsupported
from flow_core.logs.log_id import LogId
from flow_core.providers.over_agent.in_process_agent import call_agent

if TYPE_CHECKING:
    from flow_core.logs.search.stored_lines import LineRequest, StoredLines


class LocalLogs:
    """A log for each rank of each attempt, with both streams."""

    separates_streams = True
    has_writer_times = True

    def __init__(self, context: str, tasks: TaskStore) -> None:
        self._context = context
        self._tasks = tasks

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        task = await call_agent(self._tasks.get, task_id)
        if not task.report.has_begun and not await call_agent(self._has_log, task_id):
            return ()
        attempts, ranks = range(task.report.attempt + 1), range(task.report.ranks)
        return tuple(LogId(self._context, task_id, attempt, rank) for attempt in attempts for rank in ranks)

    async def open(self, address: LogId) -> SpoolFiles:
        await self._find_task(address)
        folder = await call_agent(self._tasks.get_folder, address.task_id)
        return folder.get_spool(address.attempt, address.rank)

    async def measure_clock(self, address: LogId) -> None:
        """Returns None: the tasks write on this machine."""
        await self._find_task(address)

    async def catch_up(self, address: LogId) -> None:
        await self._find_task(address)  # the supervisor writes to the spool itself

    async def find_lines(self, address: LogId, request: LineRequest | None) -> StoredLines | None:
        await self._find_task(address)
        return None

    async def is_complete(self, address: LogId) -> bool:
        task = await self._find_task(address)
        report = task.report
        return report.is_over or address.attempt < report.attempt or report.between_attempts

    async def startup(self, task_id: str, node: int) -> str:
        await call_agent(self._tasks.get, task_id)
        raise Unsupported("source: there is no startup log here; tasks run on this machine as it is", field="source")

    def _has_log(self, task_id: str) -> bool:
        """Returns whether the task has a log. Before its start it has one if an image was fetched for it."""
        return self._tasks.get_folder(task_id).get_spool().log.exists()

    async def _find_task(self, address: LogId) -> StoredTask:
        """Returns the task. Raises NotFound if it has no such log and will not have it in this attempt."""
        task = await call_agent(self._tasks.get, address.task_id)
        exists = 0 <= address.attempt <= task.report.attempt and 0 <= address.rank < task.report.ranks
        if address.context != self._context or not exists:
            raise NotFound(f"task {address.task_id} has no log of attempt {address.attempt}, rank {address.rank}")
        return task
