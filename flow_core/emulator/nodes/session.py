"""One session of an SSH connection: a shell, a command or a file server inside a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from flow_core.emulator.nodes.link import Link, Order
from flow_core.emulator.nodes.process import Inside
from flow_core.ssh.server.session import ServerSession, SessionRequest


class Door(Protocol):
    """What a session needs of the machine that its connection leads to."""

    @property
    def link(self) -> Link: ...

    def shell(self, command: str | None, env: Mapping[str, str], more: Mapping[str, Any]) -> Order:
        """Raises NotStarted where such a command may not run."""

    def file_server(self) -> Order: ...


class MachineSession(ServerSession[Inside]):
    """Leads to a process of the machine behind the door."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    async def start_process(self, asked: SessionRequest) -> Inside:
        return await Inside.start(self._door.link, self._order(asked), self)

    def _order(self, asked: SessionRequest) -> Order:
        if asked.is_sftp:
            return self._door.file_server()
        if asked.terminal is None:
            return self._door.shell(asked.command, asked.env, {})
        columns, rows, modes = asked.terminal
        more = {"terminal": (columns, rows), "modes": {str(opcode): value for opcode, value in modes.items()}}
        return self._door.shell(asked.command, asked.env, more)
