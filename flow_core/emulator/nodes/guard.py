"""Who is let in over SSH, to which machine, and to what there: one guard a connection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import asyncssh

from flow_core.emulator.nodes.link import Link, Order
from flow_core.emulator.nodes.listening import LOOPBACK
from flow_core.emulator.nodes.session import MachineSession
from flow_core.ssh.server import connection
from flow_core.ssh.server.connection import forwarding_error

if TYPE_CHECKING:
    from flow_core.emulator.nodes.machine import Machine

Candidates = Callable[[], Iterable["Machine"]]
Find = Callable[["Machine", str, int], int | None]


def options(
    host_key: asyncssh.SSHKey, lobby: set[Guard], candidates: Candidates, find: Find
) -> asyncssh.SSHServerConnectionOptions:
    """A server that leads to the first of the candidates that takes the client's key. All connected are in `lobby`."""
    asyncssh.set_log_level(logging.WARNING)  # below that, it writes the commands that are run
    return connection.server_options(lambda: Guard(lobby, candidates, find), host_key, "OpenSSH_8.9p1_flow")


class Guard(connection.SshServerConnection):
    """Nothing but a public key opens. Any user name is the machine's `ubuntu`, save root's."""

    def __init__(self, lobby: set[Guard], candidates: Candidates, find: Find) -> None:
        super().__init__(lobby)
        self._candidates = candidates
        self._find = find
        self._machine: Machine | None = None
        self._user = ""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._machine is not None:
            self._machine.guests.discard(self)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Asked before the client proves that it has the key, and again when it has."""
        found = (machine for machine in self._candidates() if key.public_data in machine.accepted_keys)
        self._machine, self._user = next(found, None), username
        return self._machine is not None

    def auth_completed(self) -> None:
        super().auth_completed()
        self._here.guests.add(self)

    def session(self) -> MachineSession:
        return MachineSession(self)

    def resolve_forward(self, host: str, port: int) -> tuple[str, int]:
        found = self._find(self._here, host, port)
        if found is None:
            raise forwarding_error("only ports of this machine and of its fellows are forwarded")
        return LOOPBACK, found

    @property
    def link(self) -> Link:
        return self._here.link

    def shell(self, command: str | None, env: Mapping[str, str], more: Mapping[str, Any]) -> Order:
        client, connection = (self._connection.get_extra_info(name) or ("?", 0) for name in ("peername", "sockname"))
        ways = {
            "SSH_CLIENT": f"{client[0]} {client[1]} {connection[1]}",
            "SSH_CONNECTION": f"{client[0]} {client[1]} {connection[0]} {connection[1]}",
        }
        return self._here.shell(self._user, command, {**ways, **env}, more)

    def file_server(self) -> Order:
        return self._here.file_server(self._user)

    def part(self) -> None:
        """Ends the connection: the machine is gone."""
        self._connection.abort()

    @property
    def _here(self) -> Machine:
        assert self._machine is not None
        return self._machine
