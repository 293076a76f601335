"""A lab: machines with one SSH server each, and clients of the contexts that list these machines."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from testbed.agent_folders import end_tasks_in, keep_agent_copy, state_of
from testbed.command_lines import list_command_lines, read_environment
from testbed.sshd import Sshd
from testbed.waiting import task_until
from testbed.worlds import hosts_context

from flow_core.agent.calls import CONTEXT
from flow_core.agent.task_state import TaskState
from flow_core.config import Context
from flow_core.models.task import TaskRecord
from flow_core.models.task_config import TaskConfig
from flow_core.providers.hosts.bootstrap_payload import build_archive
from flow_core.providers.hosts.provider import HostsProvider


class Lab:
    """Machines named one, two, ...; each `open` returns another client, as another program would have it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.servers: list[Sshd] = []
        self.context = Context("lab", "hosts", {})
        self._clients: list[HostsProvider] = []

    def start(
        self, count: int = 1, *options: str, gpus: str | None = "a100:2", is_new: bool = False, **server: Any
    ) -> HostsProvider:
        """Starts the machines. `server` holds arguments of `Sshd`. With `is_new`, no machine has the agent."""
        self.servers = [Sshd(self._folder / f"far-{number}", *options, **server) for number in range(count)]
        for server in self.servers:
            if not is_new:
                keep_agent_copy(state_of(server.home))
            server.start()
        self.context = hosts_context(*self.servers, gpus=gpus)
        return self.open()

    def open(self, context: Context | None = None) -> HostsProvider:
        self._clients.append(HostsProvider(context or self.context))
        return self._clients[-1]

    def root(self, number: int = 0) -> Path:
        """The folder of a machine's records."""
        (found,) = (state_of(self.servers[number].home) / "local").iterdir()
        return found

    def tasks(self, number: int = 0) -> Path:
        return self.root(number) / "contexts" / CONTEXT / "tasks"

    def agents(self, number: int = 0) -> list[int]:
        """The processes of the agent on a machine."""
        digest, home = build_archive().digest.encode(), f"HOME={self.servers[number].home}".encode()
        found = (pid for pid, line in list_command_lines() if digest in line.split(b"\0"))
        return [pid for pid in found if home in read_environment(pid)]

    def kill_agents(self, number: int = 0) -> None:
        for pid in self.agents(number):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def supervisor(self, task: TaskRecord, number: int = 0) -> int:
        """The process id of the supervisor of a task, or of its part on that machine."""
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
            end_tasks_in(state_of(server.home))


async def submit(provider: HostsProvider, command: str | list[str], **fields: Any) -> TaskRecord:
    return await provider.submit(TaskConfig.parse({"command": command, "upload_code": False, **fields}))


async def until(provider: HostsProvider, task: TaskRecord, holds: Callable[[TaskRecord], bool]) -> TaskRecord:
    return await task_until(provider, task, holds)


async def running(provider: HostsProvider, task: TaskRecord) -> TaskRecord:
    return await until(provider, task, lambda now: now.is_running)


async def ended(provider: HostsProvider, task: TaskRecord) -> TaskRecord:
    return await until(provider, task, lambda now: now.is_terminal)
