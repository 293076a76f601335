"""What all connections of the SSH server share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from flow_core.providers.local.sshd.server_files import SshFolder
from flow_core.providers.local.sshd.task_lookup import TaskLookup
from flow_core.providers.over_agent.in_process_agent import call_agent

_LEAVING_S = 10.0


class TaskConnection(Protocol):
    """A connection that leads to a task."""

    task_id: str

    def part(self, why: str) -> None:
        """Ends the connection, with a reason for the person at the other end."""


class ConnectionRegistry:
    """The open connections, and the clean-up of those that ended."""

    def __init__(self, folder: SshFolder) -> None:
        self.folder = folder
        self.tasks = TaskLookup(folder)
        self.guests: set[TaskConnection] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    def clean_up(self, leave: Callable[[], None]) -> None:
        task = asyncio.get_running_loop().create_task(call_agent(leave))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def part(self, task_ids: set[str], why: str) -> None:
        """Ends the connections to these tasks, with a reason for the people at the other end."""
        for guest in [guest for guest in self.guests if guest.task_id in task_ids]:
            guest.part(why)

    async def close(self, why: str) -> None:
        self.part({guest.task_id for guest in self.guests}, why)
        await asyncio.sleep(0)  # what was just said goes out
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=_LEAVING_S)
