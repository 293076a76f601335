"""The listening sockets of an SSH server, on a loopback port."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import asyncssh

LOOPBACK = "127.0.0.1"


class SshListener:
    """The listening sockets of an SSH server. They reserve the port at creation, on IPv6 too if possible.

    Clients wait until `open`.
    """

    def __init__(self, preferred: int = 0) -> None:
        """Reserves the preferred port if it is free, otherwise any. Raises OSError."""
        try:
            first = _open_listener(LOOPBACK, preferred)
        except OSError:
            first = _open_listener(LOOPBACK, 0)
        self._sockets = [first]
        self._acceptors: list[asyncssh.SSHAcceptor] = []
        with suppress(OSError):  # a name such as localhost may mean either; the first is enough
            self._sockets.append(_open_listener("::1", self.number))

    @property
    def number(self) -> int:
        return int(self._sockets[0].getsockname()[1])

    @property
    def is_open(self) -> bool:
        return bool(self._acceptors)

    async def open(self, options: asyncssh.SSHServerConnectionOptions) -> None:
        """Serves clients until it is closed."""
        for listener in self._sockets:
            self._acceptors.append(await asyncssh.listen(sock=listener, options=options))

    async def close(self) -> None:
        """Stops accepting connections; open ones continue. Calling it again is safe."""
        acceptors, self._acceptors = self._acceptors, []
        for listener in self._sockets if acceptors else ():
            asyncio.get_running_loop().remove_reader(listener)
        # When its server is closed, asyncio forgets a client that it has accepted but not served yet.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for acceptor in acceptors:
            acceptor.close()
        for listener in self._sockets:
            listener.close()


def _open_listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(100)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
