"""Where tasks and their logs are, for the facets that reach them over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, Conflict, NotFound, printable
from flow_core.logs.address import LogAddress
from flow_core.providers.over_ssh.places import LogFile, Place
from flow_core.ssh.quoting import quoted

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord
    from flow_core.providers.hosts.shelf import TaskShelf

_FRESH_S = 1.0


class HostPlaces:
    """Both of the contract of `over_ssh.places`: places and the sources of logs."""

    def __init__(self, context: str, tasks: TaskShelf) -> None:
        self.context = context
        self._tasks = tasks

    async def place(self, task_id: str, node: int) -> Place:
        view = await self._tasks.find(task_id)
        record = view.record(task_id)
        if not 0 <= node < record.num_instances:
            which = f"the nodes 0 to {record.num_instances - 1}" if record.num_instances > 1 else "one node, 0"
            raise ConfigError(f"node: task {task_id} has {which}, and no {node}", field="node")
        if not record.is_running:
            raise Conflict(f"task {task_id} is {record.status}; only a running one can be entered")
        folder = str(record.provider_metadata["folder"])

        def enter(command: str | None) -> str:
            words = [f"{folder}/agent.sh", "enter", folder, *([] if command is None else [command])]
            return f"exec /bin/sh {' '.join(map(quoted, words))}"

        return Place(await view.far.ssh(), str(record.provider_metadata["working_dir"]), enter, name=record.name)

    async def is_over(self, task_id: str) -> bool:
        return (await self.seen(task_id)).is_terminal

    async def seen(self, task_id: str) -> TaskRecord:
        """As it was told not long ago."""
        view = self._tasks.where(task_id)
        if view is None or (not view.told[task_id].is_final and view.age_s > _FRESH_S):
            view = await self._tasks.find(task_id)
        return view.record(task_id)


class HostLogs:
    """The files in which the logs of tasks grow."""

    def __init__(self, context: str, tasks: TaskShelf) -> None:
        self.context = context
        self._tasks = tasks
        self._places = HostPlaces(context, tasks)

    async def addresses(self, task_id: str) -> tuple[LogAddress, ...]:
        record = await self._tasks.get(task_id)
        if record.started_at is None:
            return ()
        return tuple(LogAddress(self.context, task_id, attempt) for attempt in range(record.attempt + 1))

    async def file(self, address: LogAddress) -> LogFile | None:
        record = await self._find(address)
        view = self._tasks.where(address.task_id)
        if record.started_at is None or view is None:
            return None
        folder = record.provider_metadata["folder"]
        return LogFile(await view.far.ssh(), f"{folder}/attempt-{address.attempt}/rank-{address.rank}.log")

    async def is_over(self, address: LogAddress) -> bool:
        record = await self._find(address)
        between = bool(record.provider_metadata.get("attempt_is_over"))
        return record.is_terminal or address.attempt < record.attempt or between

    async def _find(self, address: LogAddress) -> TaskRecord:
        """Raises NotFound where there is no such log and will not be one in this attempt."""
        record = await self._places.seen(address.task_id)
        if not (0 <= address.attempt <= record.attempt and 0 <= address.rank < record.num_instances):
            shown = printable(address.task_id)
            raise NotFound(f"task {shown} has no log of attempt {address.attempt}, rank {address.rank}")
        return record
