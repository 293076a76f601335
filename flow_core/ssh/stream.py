"""The bytes of one channel, both ways: who writes waits for who reads."""

from __future__ import annotations

import asyncio
from collections import deque

import asyncssh

from flow_core.ssh.flow_control import FlowControl

PIECE = 1 << 16
STDERR = asyncssh.EXTENDED_DATA_STDERR
_Channel = asyncssh.SSHClientChannel[bytes] | asyncssh.SSHTCPChannel[bytes]


class ChannelStream(asyncssh.SSHClientSession[bytes], asyncssh.SSHTCPSession[bytes]):
    """A command's standard streams, or a forwarded connection. Two windows and a quarter may lie here unread."""

    def __init__(self) -> None:
        self._unread: dict[int | None, deque[bytes]] = {None: deque(), STDERR: deque()}
        self._news = {None: asyncio.Event(), STDERR: asyncio.Event()}
        self._unread_bytes = self._enough = 0
        self._is_open = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_over = self._is_gone = False
        self._lost: Exception | None = None
        self._channel: _Channel
        self._valve: FlowControl

    def connection_made(self, chan: _Channel) -> None:
        self._channel = chan
        self._valve = FlowControl(chan)
        self._enough = chan.get_recv_window() // 4
        self._is_open.set()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._unread[datatype].append(data)
        self._news[datatype].set()
        self._unread_bytes += len(data)
        if self._unread_bytes >= self._enough:
            self._valve.shut()

    def eof_received(self) -> bool:
        self._is_over = True
        for news in self._news.values():
            news.set()
        return True  # we may still have something to say

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_gone = True
        if not self._is_over:
            self._lost = exc
            self.eof_received()
        self._has_room.set()

    def pause_writing(self) -> None:
        self._has_room.clear()

    def resume_writing(self) -> None:
        self._has_room.set()

    async def opened(self) -> None:
        """Once there is a channel, which is at once where we asked for it. Before, only reading makes sense."""
        await self._is_open.wait()

    async def read(self, source: int | None = None) -> bytes:
        """What comes next, by default not of stderr; as a rule at most 64 KiB, and empty at the end.

        Raises what the connection was lost by, after all that came before.
        """
        unread = self._unread[source]
        while not unread:
            if self._lost is not None:
                raise self._lost
            if self._is_over:
                return b""
            self._news[source].clear()
            await self._news[source].wait()
        data = _taken(unread)
        self._unread_bytes -= len(data)
        if self._valve.is_shut and self._unread_bytes < self._enough:
            self._valve.open()
        return data

    async def write(self, data: bytes) -> None:
        """Returns once there is room for more. Raises OSError, or what the connection was lost by."""
        self._channel.write(data)
        await self._has_room.wait()
        if self._is_gone:
            raise self._lost or BrokenPipeError()

    def write_eof(self) -> None:
        """Raises OSError."""
        self._channel.write_eof()

    def close(self) -> None:
        """Twice is safe."""
        self._channel.close()


def _taken(unread: deque[bytes]) -> bytes:
    """The first pieces, as many as make one of a usual size."""
    data = unread.popleft()
    if not unread or len(data) + len(unread[0]) > PIECE:
        return data
    pieces, size = [data], len(data)
    while unread and size + len(unread[0]) <= PIECE:
        size += len(unread[0])
        pieces.append(unread.popleft())
    return b"".join(pieces)
