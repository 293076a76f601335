"""Local contexts in a state directory of their own, and the questions that tests ask about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed.waiting import task_until, until

from flow_core.agent.records import read_json
from flow_core.agent.supervisor.process_table import find_process, list_processes, read_task_mark
from flow_core.config import Context
from flow_core.models.task import TaskRecord
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.provider import LocalProvider


class Machine:
    """Local contexts, and the questions tests ask about them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.provider = self.open("local")

    def open(self, name: str) -> LocalProvider:
        return LocalProvider(Context(name, "local"))

    async def submit(self, command: str | list[str], **fields: Any) -> TaskRecord:
        return await self.provider.submit(TaskConfig.parse({"command": command, **fields}))

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        await until(condition, explain=lambda: f"never happened: {what}")

    async def until_task(self, task: TaskRecord, wanted: Callable[[TaskRecord], bool]) -> TaskRecord:
        return await task_until(self.provider, task, wanted)

    async def running(self, task: TaskRecord) -> TaskRecord:
        return await self.until_task(task, lambda now: now.is_running or now.is_terminal)

    async def ended(self, task: TaskRecord) -> TaskRecord:
        return await self.until_task(task, lambda now: now.is_terminal)

    async def output(self, task: TaskRecord) -> bytes:
        (address,) = await self.provider.logs.addresses(task.task_id)
        return (await self.provider.logs.open(address)).log.read_bytes()

    def written(self, task: TaskRecord) -> bytes:
        """What there is of the first attempt's log so far."""
        path = Path(task.provider_metadata["folder"], "attempt-0", "rank-0.log")
        return path.read_bytes() if path.exists() else b""

    def record(self, task: TaskRecord, name: str) -> dict[str, Any]:
        return read_json(Path(task.provider_metadata["folder"]) / f"{name}.json") or {}

    def supervisor(self, task: TaskRecord) -> int:
        return int(self.record(task, "state")["supervisor"]["pid"])

    def members(self, task: TaskRecord) -> list[int]:
        """Every live process that carries the task's mark, its supervisor included."""
        mark = self.record(task, "spec")["mark"]
        return [pid for pid, one in list_processes().items() if not one.is_zombie and read_task_mark(pid) == mark]

    def is_alive(self, pid: int) -> bool:
        found = find_process(pid)
        return found is not None and not found.is_zombie
