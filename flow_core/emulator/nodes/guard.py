"""Who is let in over SSH, to which machine, and to what there: one guard a connection."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import asyncssh

from flow_core.emulator.nodes.forward import forward
from flow_core.emulator.nodes.link import Link, Order
from flow_core.emulator.nodes.session import MachineSession

if TYPE_CHECKING:
    from flow_core.emulator.nodes.machine import Machine

_MOST_CONNECTIONS = 256
_LOGIN_S = 30.0
Candidates = Callable[[], Iterable["Machine"]]
Find = Callable[["Machine", str, int], int | None]


def options(
    host_key: asyncssh.SSHKey, lobby: set[Guard], candidates: Candidates, find: Find
) -> asyncssh.SSHServerConnectionOptions:
    """A server that leads to the first of the candidates that takes the client's key. All connected are in `lobby`."""
    asyncssh.set_log_level(logging.WARNING)  # below that, it writes the commands that are run
    return asyncssh.SSHServerConnectionOptions(
        server_factory=lambda: Guard(lobby, candidates, find),
        server_host_keys=[host_key],
        server_version="OpenSSH_8.9p1_flow",  # ssh tells us that nobody reads its output only if it reads "OpenSSH"
        password_auth=False,
        kbdint_auth=False,
        host_based_auth=False,
        gss_kex=False,
        gss_auth=False,
        agent_forwarding=False,
        x11_forwarding=False,
        line_editor=False,
        encoding=None,
        login_timeout=_LOGIN_S,
    )


class Guard(asyncssh.SSHServer):
    """Nothing but a public key opens. Any user name is the machine's `ubuntu`, save root's."""

    def __init__(self, lobby: set[Guard], candidates: Candidates, find: Find) -> None:
        self._lobby = lobby
        self._candidates = candidates
        self._find = find
        self._connection: asyncssh.SSHServerConnection
        self._machine: Machine | None = None
        self._user = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._lobby.add(self)
        if len(self._lobby) > _MOST_CONNECTIONS:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lobby.discard(self)
        if self._machine is not None:
            self._machine.guests.discard(self)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Asked before the client proves that it has the key, and again when it has."""
        found = (machine for machine in self._candidates() if key.public_data in machine.accepted_keys)
        self._machine, self._user = next(found, None), username
        return self._machine is not None

    def auth_completed(self) -> None:
        self._here.guests.add(self)

    def session_requested(self) -> tuple[asyncssh.SSHServerChannel[bytes], MachineSession]:
        channel: asyncssh.SSHServerChannel[bytes] = self._connection.create_server_channel(encoding=None)
        session = MachineSession(self)

        def end_of_writing(_: object) -> bool:
            session.output_unwanted()
            return True

        # OpenSSH's way to pass on that its own output is closed. asyncssh doesn't know it, but looks for a method of
        # this name; without it `ssh ... yes | head -1` would never end.
        vars(channel)["_process_eow_at_openssh_dot_com_request"] = end_of_writing
        return channel, session

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool | Awaitable[Any]:
        port = self._find(self._here, dest_host, dest_port)
        if port is None:
            why = "only ports of this machine and of its fellows are forwarded"
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, why)
        return forward(port)

    @property
    def link(self) -> Link:
        return self._here.link

    def shell(self, command: str | None, env: Mapping[str, str], more: Mapping[str, Any]) -> Order:
        client, server = (self._connection.get_extra_info(name) or ("?", 0) for name in ("peername", "sockname"))
        ways = {
            "SSH_CLIENT": f"{client[0]} {client[1]} {server[1]}",
            "SSH_CONNECTION": f"{client[0]} {client[1]} {server[0]} {server[1]}",
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
