"""Finds tasks and their logs on the machines, for the facets over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, Conflict, NotFound, ProviderError, Unsupported, printable
from flow_core.logs.log_id import LogId
from flow_core.logs.search.stored_lines import NO_LINES, LineRequest, StoredLine, StoredLines
from flow_core.providers.over_ssh.line_search import SEARCH_S
from flow_core.providers.over_ssh.task_nodes import LogFile, TaskNode
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord
    from flow_core.providers.hosts.host_state import HostState
    from flow_core.providers.hosts.host_tasks import HostTasks

_FRESH_S = 1.0
_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.agent.task_exec import main; main()"


class HostTaskLocator:
    """The TaskLocator of the tasks on these machines."""

    def __init__(self, context: str, tasks: HostTasks) -> None:
        self.context = context
        self._tasks = tasks

    async def locate(self, task_id: str, node: int, *, also_ended: bool = False) -> TaskNode:
        hosts = await self._tasks.find(task_id)
        record = self._tasks.get_record(task_id)
        if not 0 <= node < record.num_instances:
            nodes = f"the nodes 0 to {record.num_instances - 1}" if record.num_instances > 1 else "one node, 0"
            raise ConfigError(f"node: task {task_id} has {nodes}, and no {node}", field="node")
        host = next((host for host in hosts if host.reports[task_id].part == node), None)
        report = None if host is None else host.reports[task_id]
        has_files = report is not None and also_ended and report.has_begun
        if host is None or report is None or not (has_files or (record.is_running and report.is_running)):
            raise Conflict(f"task {task_id} is {record.status}; you can enter only a running task")
        folder, greeting = report.folder, host.agent.greeting
        python, home = str(greeting.get("python", "")), f"{greeting.get('root', '')}/bin/{greeting.get('agent', '')}"
        name = f"node {node} of {record.name}" if record.num_instances > 1 else record.name

        def enter(command: str | None) -> str:
            words = [python, "-I", "-S", "-c", _CODE, home, "enter", folder, "0", "found"]
            return "exec " + " ".join(map(quote_word, [*words, *([] if command is None else [command])]))

        return TaskNode(await host.agent.get_ssh_host(), report.working_dir, enter, name=name)

    async def is_over(self, task_id: str) -> bool:
        return (await self.get_fresh_record(task_id)).is_terminal

    async def get_fresh_record(self, task_id: str) -> TaskRecord:
        """Returns the record of a task. Polls its machines first if it is older than `_FRESH_S`."""
        hosts = self._tasks.find_hosts(task_id)
        if not hosts or any(not host.reports[task_id].is_over and host.age_s > _FRESH_S for host in hosts):
            await self._tasks.find(task_id)
        return self._tasks.get_record(task_id)


class HostLogSources:
    """The LogSources of the tasks on these machines."""

    def __init__(self, context: str, tasks: HostTasks) -> None:
        self.context = context
        self._tasks = tasks
        self._locator = HostTaskLocator(context, tasks)

    async def list_log_ids(self, task_id: str) -> tuple[LogId, ...]:
        record = await self._tasks.get(task_id)
        if record.started_at is None:
            return ()
        attempts, ranks = range(record.attempt + 1), range(record.num_instances)
        return tuple(LogId(self.context, task_id, attempt, rank) for attempt in attempts for rank in ranks)

    async def find_file(self, address: LogId) -> LogFile | None:
        _, host = await self._find_rank(address)
        if host is None or not host.reports[address.task_id].has_begun:
            return None
        folder = host.reports[address.task_id].folder
        return LogFile(await host.agent.get_ssh_host(), f"{folder}/attempt-{address.attempt}/rank-0.log")

    async def find_lines(self, address: LogId, request: LineRequest) -> StoredLines:
        """Finds lines with the agent of the machine."""
        _, host = await self._find_rank(address)
        if host is None or not host.reports[address.task_id].has_begun:
            return NO_LINES
        reply = await host.agent.call(
            "find_log_lines",
            SEARCH_S,
            task_id=address.task_id,
            attempt=address.attempt,
            text=request.text.decode("utf-8", "surrogateescape"),
            ignores_case=request.ignores_case,
            start=request.start,
            limit=request.limit,
            context=request.context,
        )
        return _parse_lines(reply)

    async def find_startup_log(self, task_id: str, node: int) -> LogFile:
        await self._locator.get_fresh_record(task_id)
        raise Unsupported("source: there is no startup log here; tasks run on your hosts as these are", field="source")

    async def is_over(self, address: LogId) -> bool:
        record, host = await self._find_rank(address)
        between = host is not None and host.reports[address.task_id].between_attempts
        return record.is_terminal or address.attempt < record.attempt or between

    async def _find_rank(self, address: LogId) -> tuple[TaskRecord, HostState | None]:
        """Returns the rank and its machine.

        Raises NotFound if there is no such log and will not be one in this attempt.
        """
        record = await self._locator.get_fresh_record(address.task_id)
        if not (0 <= address.attempt <= record.attempt and 0 <= address.rank < record.num_instances):
            shown = printable(address.task_id)
            raise NotFound(f"task {shown} has no log of attempt {address.attempt}, rank {address.rank}")
        hosts = self._tasks.find_hosts(address.task_id)
        host = next((host for host in hosts if host.reports[address.task_id].part == address.rank), None)
        return (record, None) if host is None else (host.get_record(address.task_id), host)


def _parse_lines(reply: Any) -> StoredLines:
    """Checks what the agent of another machine sent. Raises ProviderError."""
    try:
        lines = tuple(
            StoredLine(int(number), int(offset), str(raw).encode("latin-1"), bool(has_text))
            for number, offset, raw, has_text in reply["lines"]
        )
        return StoredLines(lines, int(reply["searched"]), bool(reply["is_cut"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ProviderError("the machine sent a malformed result of a search") from error
