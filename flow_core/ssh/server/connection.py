"""One connection to an SSH server of flow: its limits, login and forwards."""

from __future__ import annotations

import ipaddress
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import asyncssh

from flow_core.ssh.relay import Relays
from flow_core.ssh.server.session import ServerSession
from flow_core.ssh.stream import ChannelStream

_LOGGED_IN_MAX = 256
_LOGGING_IN_MAX = 100
_LOGIN_S = 30.0


def build_server_options(
    create_connection: Callable[[], SshServerConnection], host_key: asyncssh.SSHKey, version: str
) -> asyncssh.SSHServerConnectionOptions:
    """Returns the options of a server.

    The version must begin with "OpenSSH": otherwise ssh does not report that its output was closed.
    """
    return asyncssh.SSHServerConnectionOptions(
        server_factory=create_connection,
        server_host_keys=[host_key],
        server_version=version,
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


class SshServerConnection(asyncssh.SSHServer):
    """A connection that accepts public keys only.

    `connections` holds all connections of the server, including this one. Connections before the login have a separate
    limit; a new one closes the oldest of them. Otherwise anyone who can reach the port could lock its owner out.
    """

    _numbers = count()

    def __init__(self, connections: set[Any]) -> None:
        self._connections = connections
        self._number = next(self._numbers)
        self._has_logged_in = False
        self._relays = Relays()
        self._connection: asyncssh.SSHServerConnection

    @abstractmethod
    def session(self) -> ServerSession[Any]: ...

    @abstractmethod
    def resolve_forward(self, host: str, port: int) -> tuple[str, int]:
        """Returns the address that a forwarded connection leads to. Raises ChannelOpenError by `forwarding_error`."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(self)
        logging_in = [other for other in self._connections if not other._has_logged_in]
        if len(logging_in) > _LOGGING_IN_MAX:
            min(logging_in, key=lambda other: other._number)._drop()

    def auth_completed(self) -> None:
        self._has_logged_in = True
        if sum(other._has_logged_in for other in self._connections) > _LOGGED_IN_MAX:
            reason = f"there are {_LOGGED_IN_MAX} connections already; close one of them"
            self._connection.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, reason)

    def _drop(self) -> None:
        self._connections.discard(self)
        self._connection.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._relays.close()

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def session_requested(self) -> tuple[asyncssh.SSHServerChannel[bytes], ServerSession[Any]]:
        channel: asyncssh.SSHServerChannel[bytes] = self._connection.create_server_channel(encoding=None)
        session = self.session()

        def process_eow(_: object) -> bool:
            session.close_output()
            return True

        # OpenSSH reports with this request that its output is closed. asyncssh does not implement it and looks for a
        # method of this name. Without it, `ssh ... yes | head -1` would never end.
        vars(channel)["_process_eow_at_openssh_dot_com_request"] = process_eow
        return channel, session

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Coroutine[None, None, ChannelStream]:
        return self._relays.connect_to(*self.resolve_forward(dest_host, dest_port))


def forwarding_error(reason: str) -> asyncssh.ChannelOpenError:
    return asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, reason)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
