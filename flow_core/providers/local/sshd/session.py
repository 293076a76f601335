"""One session of an SSH connection: a shell, a command or a file server inside the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from flow_core.agent.entering import Entry
from flow_core.providers.local.sshd.process import PipedProcess, TaskProcess
from flow_core.providers.local.sshd.terminal import TerminalProcess
from flow_core.ssh.served.session import Asked, ServedSession


class SessionBackend(Protocol):
    """The task that the connection leads to."""

    async def shell_entry(self, command: str | None, on_terminal: bool) -> Entry:
        """Raises FlowError."""

    async def file_entry(self) -> Entry:
        """Raises FlowError."""

    def clean_up(self, leave: Callable[[], None]) -> None:
        """Runs the clean-up of a session once it is gone."""


class TaskSession(ServedSession[TaskProcess]):
    """Runs its command inside the task of the backend."""

    speaker = "flow: "

    def __init__(self, backend: SessionBackend) -> None:
        super().__init__()
        self._backend = backend
        self._clean_up: Callable[[], None] | None = None

    async def enter(self, asked: Asked) -> TaskProcess:
        way = await self._way(asked)
        self._clean_up = way.leave
        way = way._replace(env={**way.env, **asked.env})
        if asked.terminal is None:
            return await PipedProcess.start(way, self)
        return await TerminalProcess.start(way, self, *asked.terminal)

    def leave(self, process: TaskProcess) -> None:
        if self._clean_up is not None and not process.ended_by_itself:
            self._backend.clean_up(self._clean_up)
        super().leave(process)

    async def _way(self, asked: Asked) -> Entry:
        if asked.for_files:
            return await self._backend.file_entry()
        return await self._backend.shell_entry(asked.command, asked.terminal is not None)
