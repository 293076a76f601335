"""A loopback port of an SSH server."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import asyncssh

LOOPBACK = "127.0.0.1"


class SshPort:
    """Reserved at creation, on IPv4 and IPv6 loopback if possible; clients wait until `open`."""

    def __init__(self, preferred: int = 0) -> None:
        """Reserves the preferred port if it is free, otherwise any. Raises OSError."""
        try:
            first = _open_listener(LOOPBACK, preferred)
        except OSError:
            first = _open_listener(LOOPBACK, 0)
        self._ends = [first]
        self._acceptors: list[asyncssh.SSHAcceptor] = []
        with suppress(OSError):  # a name such as localhost may mean either; the first is enough
            self._ends.append(_open_listener("::1", self.number))

    @property
    def number(self) -> int:
        return int(self._ends[0].getsockname()[1])

    @property
    def is_open(self) -> bool:
        return bool(self._acceptors)

    async def open(self, options: asyncssh.SSHServerConnectionOptions) -> None:
        """Serves clients until it is closed."""
        for end in self._ends:
            self._acceptors.append(await asyncssh.listen(sock=end, options=options))

    async def close(self) -> None:
        """Stops accepting connections; open ones continue. Calling it again is safe."""
        acceptors, self._acceptors = self._acceptors, []
        for end in self._ends if acceptors else ():
            asyncio.get_running_loop().remove_reader(end)
        # When its server is closed, asyncio forgets a client that it has accepted but not served yet.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for acceptor in acceptors:
            acceptor.close()
        for end in self._ends:
            end.close()


def _open_listener(host: str, port: int) -> socket.socket:
    end = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.bind((host, port))
        end.listen(100)
        end.setblocking(False)
    except OSError:
        end.close()
        raise
    return end
