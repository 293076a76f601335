"""The SSH server of one connection: which keys it accepts, and which task it leads to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

import asyncssh

from flow_core.agent.task_exec import ExecSpec
from flow_core.errors import FlowError, NotFound
from flow_core.providers.local.sshd.address import parse_user_name
from flow_core.providers.local.sshd.connection_registry import ConnectionRegistry
from flow_core.providers.local.sshd.keys import read_accepted_keys
from flow_core.providers.local.sshd.process import PipedProcess, TaskProcess
from flow_core.providers.local.sshd.terminal_process import TerminalProcess
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.ssh.server import connection
from flow_core.ssh.server.connection import forwarding_error, is_loopback
from flow_core.ssh.server.process import STDERR
from flow_core.ssh.server.session import ServerSession, SessionRequest

_log = logging.getLogger("flow.sshd")


class TaskSshServer(connection.SshServerConnection):
    """One connection. Accepts public keys only, and leads only to the task in the user name, while it runs."""

    def __init__(self, connections: ConnectionRegistry) -> None:
        super().__init__(connections.connections)
        self._registry = connections
        self._has_sent_reason = False
        self._sessions: WeakSet[TaskSession] = WeakSet()
        self.task_id = ""
        self.node = 0

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.task_id:
            _log.info("%s left", self.task_id)

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Returns whether the key is accepted and the task can be entered.

        Sends the reason only to clients with an accepted key.
        """
        if key.public_data not in await call_agent(read_accepted_keys, self._registry.folder):
            _log.warning("refused the key %s", key.get_fingerprint())
            return False
        try:
            self.task_id, self.node = await self._find_node(username)
        except FlowError as error:
            self._send_reason(str(error))
            return False
        return True

    def auth_completed(self) -> None:
        super().auth_completed()
        _log.info("%s entered, node %d", self.task_id, self.node)

    def session(self) -> TaskSession:
        session = TaskSession(self)
        self._sessions.add(session)
        return session

    def resolve_forward(self, host: str, port: int) -> tuple[str, int]:
        if not is_loopback(host):
            raise forwarding_error("only ports of this machine's loopback are forwarded")
        return host, port

    def disconnect(self, reason: str) -> None:
        """Ends the connection, and sends the reason to the client.

        Sends it to each session too: a client may leave when its session is closed, before it reads the reason.
        """
        for session in tuple(self._sessions):
            session.write_output(f"flow: {reason}\r\n".encode(), STDERR)
        self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, reason)

    async def make_shell_spec(self, command: str | None, on_terminal: bool) -> ExecSpec:
        return await call_agent(self._registry.tasks.make_shell_spec, self.task_id, self.node, command, on_terminal)

    async def make_file_server_spec(self) -> ExecSpec:
        return await call_agent(self._registry.tasks.make_file_server_spec, self.task_id, self.node)

    def clean_up(self, leave: Callable[[], None]) -> None:
        self._registry.clean_up(leave)

    async def _find_node(self, username: str) -> tuple[str, int]:
        """Returns the task and node of the user name. Raises FlowError."""
        found = parse_user_name(username)
        if found is None:
            raise NotFound(f"the user name must be the id of a task, such as task_abcdefghij, not {username[:40]!r}")
        await call_agent(self._registry.tasks.check, *found)
        return found

    def _send_reason(self, reason: str) -> None:
        if not self._has_sent_reason:
            self._has_sent_reason = True
            self._connection.send_auth_banner(f"flow: {reason}\r\n")


class SessionBackend(Protocol):
    """The task that the connection leads to."""

    async def make_shell_spec(self, command: str | None, on_terminal: bool) -> ExecSpec:
        """Returns how to run the command inside the task. Raises FlowError."""

    async def make_file_server_spec(self) -> ExecSpec:
        """Returns how to run a file server inside the task. Raises FlowError."""

    def clean_up(self, leave: Callable[[], None]) -> None:
        """Runs the clean-up of a session after it has ended."""


class TaskSession(ServerSession[TaskProcess]):
    """A session that runs its command inside the task of the backend."""

    message_prefix = "flow: "

    def __init__(self, backend: SessionBackend) -> None:
        super().__init__()
        self._backend = backend
        self._clean_up: Callable[[], None] | None = None

    async def start_process(self, request: SessionRequest) -> TaskProcess:
        spec = await self._make_exec_spec(request)
        self._clean_up = spec.cleanup
        spec = spec._replace(env={**spec.env, **request.env})
        if request.terminal is None:
            return await PipedProcess.start(spec, self)
        return await TerminalProcess.start(spec, self, *request.terminal)

    def release_process(self, process: TaskProcess) -> None:
        if self._clean_up is not None and not process.ended_by_itself:
            self._backend.clean_up(self._clean_up)
        super().release_process(process)

    async def _make_exec_spec(self, request: SessionRequest) -> ExecSpec:
        if request.is_sftp:
            return await self._backend.make_file_server_spec()
        return await self._backend.make_shell_spec(request.command, request.terminal is not None)
