"""One session of an SSH connection: a shell, a command or a file server inside the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from flow_core.agent.task_entry import ExecSpec
from flow_core.providers.local.sshd.process import Inside, PipedProcess
from flow_core.providers.local.sshd.terminal import TerminalProcess
from flow_core.ssh.server.session import ServerSession, SessionRequest


class Door(Protocol):
    """The task that the connection leads to."""

    async def way_in(self, command: str | None, on_terminal: bool) -> ExecSpec:
        """Raises FlowError."""

    async def way_to_files(self) -> ExecSpec:
        """Raises FlowError."""

    def afterwards(self, leave: Callable[[], None]) -> None:
        """Does what a session leaves to be done, when it is gone."""


class TaskSession(ServerSession[Inside]):
    """Leads into the task behind the door."""

    message_prefix = "flow: "

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door
        self._afterwards: Callable[[], None] | None = None

    async def start_process(self, asked: SessionRequest) -> Inside:
        way = await self._way(asked)
        self._afterwards = way.cleanup
        way = way._replace(env={**way.env, **asked.env})
        if asked.terminal is None:
            return await PipedProcess.start(way, self)
        return await TerminalProcess.start(way, self, *asked.terminal)

    def release_process(self, inside: Inside) -> None:
        if self._afterwards is not None and not inside.ended_by_itself:
            self._door.afterwards(self._afterwards)
        super().release_process(inside)

    async def _way(self, asked: SessionRequest) -> ExecSpec:
        if asked.is_sftp:
            return await self._door.way_to_files()
        return await self._door.way_in(asked.command, asked.terminal is not None)
