"""Tasks that are directories on a host, with what a provider reports about them."""

from __future__ import annotations

from pathlib import Path

from flow_core.errors import ConfigError, Conflict, NotFound
from flow_core.logs.log_id import LogId
from flow_core.logs.search.stored_lines import NO_LINES, LineRequest, StoredLines
from flow_core.providers.over_ssh.line_search import find_lines
from flow_core.providers.over_ssh.task_nodes import LogFile, TaskNode
from flow_core.ssh.host import SshHost
from flow_core.ssh.quoting import quote_word

CONTEXT = "lab"


class Far:
    """Tasks with one node on one host and a directory each: the task locator and the log sources of a provider."""

    context = CONTEXT

    def __init__(self, host: SshHost, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.ended: set[str] = set()
        self.gone: set[str] = set()
        self.machine = ""
        folder.mkdir(exist_ok=True)

    def start(self, task_id: str = "train") -> Path:
        (self.folder / task_id).mkdir()
        return self.folder / task_id

    def log(self, task_id: str = "train") -> Path:
        return self.folder / task_id / "log of it"

    async def locate(self, task_id: str, node: int) -> TaskNode:
        directory = self._find(task_id)
        if node:
            raise ConfigError(f"node: task {task_id} has one node, 0, and no {node}", field="node")
        if task_id in self.ended:
            raise Conflict(f"task {task_id} has ended; you can enter only a running task")
        return TaskNode(self.host, str(directory), lambda command: _enter(directory, command), name=f"the {task_id}")

    async def list_log_ids(self, task_id: str) -> tuple[LogId, ...]:
        self._find(task_id)
        return (LogId(CONTEXT, task_id),)

    async def find_file(self, address: LogId) -> LogFile | None:
        self._find(address.task_id)
        if address.task_id in self.gone:
            return None
        return LogFile(self.host, str(self.log(address.task_id)), self.machine)

    async def find_lines(self, address: LogId, request: LineRequest) -> StoredLines:
        file = await self.find_file(address)
        return NO_LINES if file is None else await find_lines(file, request)

    async def is_over(self, task: str | LogId) -> bool:
        task_id = task if isinstance(task, str) else task.task_id
        self._find(task_id)
        return task_id in self.ended

    def _find(self, task_id: str) -> Path:
        if not (self.folder / task_id).is_dir():
            raise NotFound(f"there is no task {task_id}")
        return self.folder / task_id


def _enter(directory: Path, command: str | None) -> str:
    tail = "" if command is None else f" -c {quote_word(command)}"
    return f"cd {quote_word(str(directory))} && TASK='it'\\''s' exec bash{tail}"
