"""The SSH server of the machines: accepts keys, and opens sessions inside the machine of a key."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import asyncssh

from flow_core.emulator.nodes.machine import EmulatedMachine, MachineConnection
from flow_core.emulator.nodes.pid1_client import SpawnRequest
from flow_core.emulator.nodes.process import MachineProcess
from flow_core.emulator.nodes.ssh_listener import LOOPBACK
from flow_core.ssh.server import connection
from flow_core.ssh.server.connection import forwarding_error
from flow_core.ssh.server.session import ServerSession, SessionRequest

Candidates = Callable[[], Iterable[EmulatedMachine]]
FindPort = Callable[[EmulatedMachine, str, int], int | None]


def build_server_options(
    host_key: asyncssh.SSHKey, connections: set[MachineConnection], candidates: Candidates, find_port: FindPort
) -> asyncssh.SSHServerConnectionOptions:
    """Returns options of a server that leads to the first candidate that accepts the client's key.

    The server keeps `connections` up to date.
    """
    asyncssh.set_log_level(logging.WARNING)  # below that level, asyncssh logs the commands
    return connection.build_server_options(
        lambda: MachineSshServer(connections, candidates, find_port), host_key, "OpenSSH_8.9p1_flow"
    )


class MachineSshServer(connection.SshServerConnection):
    """One connection. It accepts public keys only. Every user name but root means the machine's `ubuntu`."""

    def __init__(self, connections: set[MachineConnection], candidates: Candidates, find_port: FindPort) -> None:
        super().__init__(connections)
        self._candidates = candidates
        self._find_port = find_port
        self._machine: EmulatedMachine | None = None
        self._user = ""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._machine is not None:
            self._machine.connections.discard(self)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Returns whether the key opens a candidate.

        asyncssh calls this before and after the client proves that it has the key.
        """
        found = (machine for machine in self._candidates() if key.public_data in machine.accepted_keys)
        self._machine, self._user = next(found, None), username
        return self._machine is not None

    def auth_completed(self) -> None:
        super().auth_completed()
        self.machine.connections.add(self)

    def session(self) -> MachineSession:
        return MachineSession(self)

    def resolve_forward(self, host: str, port: int) -> tuple[str, int]:
        found = self._find_port(self.machine, host, port)
        if found is None:
            raise forwarding_error("only ports of this machine and of the others of its order are forwarded")
        return LOOPBACK, found

    @property
    def machine(self) -> EmulatedMachine:
        """The machine that the client's key opened."""
        assert self._machine is not None
        return self._machine

    def spawn_request(self, request: SessionRequest) -> SpawnRequest:
        """Returns the request for the session's program. Raises NotStarted if such a command may not run."""
        if request.is_sftp:
            return self.machine.requests.build_file_server(self._user)
        more: Mapping[str, Any] = {}
        if request.terminal is not None:
            columns, rows, modes = request.terminal
            more = {"terminal": (columns, rows), "modes": {str(opcode): value for opcode, value in modes.items()}}
        env = {**self._addresses(), **request.env}
        return self.machine.requests.build_shell(self._user, request.command, env, more)

    def disconnect(self) -> None:
        self._connection.abort()

    def _addresses(self) -> dict[str, str]:
        client, connection = (self._connection.get_extra_info(name) or ("?", 0) for name in ("peername", "sockname"))
        return {
            "SSH_CLIENT": f"{client[0]} {client[1]} {connection[1]}",
            "SSH_CONNECTION": f"{client[0]} {client[1]} {connection[0]} {connection[1]}",
        }


class MachineSession(ServerSession[MachineProcess]):
    """A shell, a command or a file server inside the machine of a connection."""

    def __init__(self, connection: MachineSshServer) -> None:
        super().__init__()
        self._connection = connection

    async def start_process(self, request: SessionRequest) -> MachineProcess:
        client = self._connection.machine.pid1
        return await MachineProcess.start(client, self._connection.spawn_request(request), self)
