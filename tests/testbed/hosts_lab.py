"""A lab: machines behind SSH servers of their own, and clients of the contexts that list them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed.sshd import Sshd
from testbed.waiting import task_until
from testbed.worlds import hosts_context

from flow_core.agent.calls import CONTEXT
from flow_core.agent.state import TaskState
from flow_core.config import Context
from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_core.models.task_config import TaskConfig
from flow_core.providers.hosts.provider import HostsProvider


class Lab:
    """Machines called one, two, ...; `open` gives another client, as if it were another program."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.servers: list[Sshd] = []
        self.context = Context("lab", "hosts", {})
        self._clients: list[HostsProvider] = []

    def start(self, count: int = 1, *options: str, gpus: str | None = "a100:2", **server: Any) -> HostsProvider:
        """`server` is for each of them what `Sshd` takes."""
        self.servers = [Sshd(self._folder / f"far-{number}", *options, **server) for number in range(count)]
        for server in self.servers:
            server.start()
        self.context = hosts_context(*self.servers, gpus=gpus)
        return self.open()

    def open(self, context: Context | None = None) -> HostsProvider:
        self._clients.append(HostsProvider(context or self.context))
        return self._clients[-1]

    def root(self, number: int = 0) -> Path:
        """Where a machine keeps its records."""
        (found,) = (self.servers[number].home / ".local/state/flow/local").iterdir()
        return found

    def tasks(self, number: int = 0) -> Path:
        return self.root(number) / "contexts" / CONTEXT / "tasks"

    def supervisor(self, task: TaskRecord, number: int = 0) -> int:
        """The process that keeps a task, or its part on that machine."""
        supervisor = self.state(task, number).supervisor
        assert supervisor is not None
        return supervisor.pid

    def state(self, task: TaskRecord, number: int = 0) -> TaskState:
        state = TaskState.read(self.tasks(number) / task.task_id / "state.json")
        assert state is not None
        return state

    def log(self, task: TaskRecord) -> bytes:
        number = ("one", "two", "three").index(task.provider_metadata["host"])
        return (self.tasks(number) / task.task_id / "attempt-0" / "rank-0.log").read_bytes()

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        for server in self.servers:
            server.stop()
            server.start()
        last = HostsProvider(self.context)
        try:
            for task in await last.list_tasks():
                if not task.is_terminal:
                    await last.cancel_task(task.task_id, force=True)
            for task in await last.list_tasks():
                await until(last, task, lambda now: now.is_terminal)
        except FlowError:
            pass  # a test may have spoilt a machine
        await last.close()
        for server in self.servers:
            server.stop()


async def submit(provider: HostsProvider, command: str | list[str], **fields: Any) -> TaskRecord:
    return await provider.submit(TaskConfig.parse({"command": command, "upload_code": False, **fields}))


async def until(provider: HostsProvider, task: TaskRecord, holds: Callable[[TaskRecord], bool]) -> TaskRecord:
    return await task_until(provider, task, holds)


async def running(provider: HostsProvider, task: TaskRecord) -> TaskRecord:
    return await until(provider, task, lambda now: now.is_running)


async def ended(provider: HostsProvider, task: TaskRecord) -> TaskRecord:
    return await until(provider, task, lambda now: now.is_terminal)
