"""Who is let in, to which task, and to what there: one guard a connection."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Coroutine
from weakref import WeakSet

import asyncssh

from flow_core.errors import FlowError, NotFound
from flow_core.providers.local.inside.entering import Entry
from flow_core.providers.local.sshd.address import task_and_node
from flow_core.providers.local.sshd.keys import accepted_keys
from flow_core.providers.local.sshd.lobby import Lobby
from flow_core.providers.local.sshd.process import STDERR
from flow_core.providers.local.sshd.session import TaskSession
from flow_core.providers.offload import offload
from flow_core.ssh.relay import Relays
from flow_core.ssh.stream import Stream

_log = logging.getLogger("flow.sshd")
_MOST_CONNECTIONS = 256


class Guard(asyncssh.SSHServer):
    """Nothing but a public key opens, and only the task that the user name says, while it runs."""

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._connection: asyncssh.SSHServerConnection
        self._has_said_why = False
        self._sessions: WeakSet[TaskSession] = WeakSet()
        self._relays = Relays()
        self.task_id = ""
        self.node = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._lobby.guests.add(self)
        if len(self._lobby.guests) > _MOST_CONNECTIONS:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lobby.guests.discard(self)
        self._relays.hang_up()
        if self.task_id:
            _log.info("%s left", self.task_id)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Only who holds a key of ours is told why a task can't be entered."""
        if key.public_data not in await offload(accepted_keys, self._lobby.folder):
            _log.warning("refused the key %s", key.get_fingerprint())
            return False
        try:
            self.task_id, self.node = await self._wanted(username)
        except FlowError as error:
            self._say(str(error))
            return False
        return True

    def auth_completed(self) -> None:
        _log.info("%s entered, node %d", self.task_id, self.node)

    def session_requested(self) -> tuple[asyncssh.SSHServerChannel[bytes], TaskSession]:
        channel: asyncssh.SSHServerChannel[bytes] = self._connection.create_server_channel(encoding=None)
        session = TaskSession(self)
        self._sessions.add(session)

        def end_of_writing(_: object) -> bool:
            session.output_unwanted()
            return True

        # OpenSSH's way to pass on that its own output is closed. asyncssh doesn't know it, but looks for a method of
        # this name; without it `ssh ... yes | head -1` would never end.
        vars(channel)["_process_eow_at_openssh_dot_com_request"] = end_of_writing
        return channel, session

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Coroutine[None, None, Stream]:
        if not _is_loopback(dest_host):
            why = "only ports of this machine's loopback are forwarded"
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, why)
        return self._relays.lead_to(dest_host, dest_port)

    def part(self, why: str) -> None:
        """Ends the connection, with a reason for the person at the other end.

        Said in each session too: a client may leave when its session is closed, before it reads the reason.
        """
        for session in tuple(self._sessions):
            session.said(f"flow: {why}\r\n".encode(), STDERR)
        self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, why)

    async def way_in(self, command: str | None, on_terminal: bool) -> Entry:
        return await offload(self._lobby.tasks.way_in, self.task_id, self.node, command, on_terminal)

    async def way_to_files(self) -> Entry:
        return await offload(self._lobby.tasks.way_to_files, self.task_id, self.node)

    def afterwards(self, leave: Callable[[], None]) -> None:
        self._lobby.afterwards(leave)

    async def _wanted(self, username: str) -> tuple[str, int]:
        """Raises FlowError."""
        wanted = task_and_node(username)
        if wanted is None:
            raise NotFound(f"the user name must be the id of a task, such as task_abcdefghij, not {username[:40]!r}")
        await offload(self._lobby.tasks.check, *wanted)
        return wanted

    def _say(self, why: str) -> None:
        if not self._has_said_why:
            self._has_said_why = True
            self._connection.send_auth_banner(f"flow: {why}\r\n")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
