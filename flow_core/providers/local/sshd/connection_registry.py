"""The state that all connections of the SSH server share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from flow_core.providers.local.sshd.server_files import SshFolder
from flow_core.providers.local.sshd.task_lookup import TaskLookup
from flow_core.providers.over_agent.in_process_agent import call_agent

_CLEANUP_S = 10.0


class TaskConnection(Protocol):
    """A connection that leads to a task."""

    task_id: str

    def disconnect(self, reason: str) -> None:
        """Ends the connection, and sends the reason to the client."""


class ConnectionRegistry:
    """The open connections, and the clean-up of those that have ended."""

    def __init__(self, folder: SshFolder) -> None:
        self.folder = folder
        self.tasks = TaskLookup(folder)
        self.connections: set[TaskConnection] = set()
        self._cleanups: set[asyncio.Task[None]] = set()

    def clean_up(self, leave: Callable[[], None]) -> None:
        """Runs `leave` in a thread; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(call_agent(leave))
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)

    def disconnect(self, task_ids: set[str], reason: str) -> None:
        """Ends the connections to these tasks, and sends the reason to their clients."""
        for connection in [connection for connection in self.connections if connection.task_id in task_ids]:
            connection.disconnect(reason)

    async def close(self, reason: str) -> None:
        """Ends all connections, and waits up to 10 s for the clean-up."""
        self.disconnect({connection.task_id for connection in self.connections}, reason)
        await asyncio.sleep(0)  # lets the reason be sent
        if self._cleanups:
            await asyncio.wait(self._cleanups, timeout=_CLEANUP_S)
