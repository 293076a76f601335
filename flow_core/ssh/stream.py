"""The bytes of one channel in both directions, with backpressure."""

from __future__ import annotations

import asyncio
from collections import deque

import asyncssh

from flow_core.ssh.flow_control import FlowControl

PIECE = 1 << 16
STDERR = asyncssh.EXTENDED_DATA_STDERR
_Channel = asyncssh.SSHClientChannel[bytes] | asyncssh.SSHTCPChannel[bytes]


class ChannelStream(asyncssh.SSHClientSession[bytes], asyncssh.SSHTCPSession[bytes]):
    """A command's standard streams, or a forwarded connection. Buffers at most 2.25 receive windows."""

    def __init__(self) -> None:
        self._unread: dict[int | None, deque[bytes]] = {None: deque(), STDERR: deque()}
        self._arrived = {None: asyncio.Event(), STDERR: asyncio.Event()}
        self._unread_bytes = self._pause_at_bytes = 0
        self._is_open = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._has_eof = self._is_closed = False
        self._error: Exception | None = None
        self._channel: _Channel
        self._flow_control: FlowControl

    def connection_made(self, chan: _Channel) -> None:
        self._channel = chan
        self._flow_control = FlowControl(chan)
        self._pause_at_bytes = chan.get_recv_window() // 4
        self._is_open.set()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._unread[datatype].append(data)
        self._arrived[datatype].set()
        self._unread_bytes += len(data)
        if self._unread_bytes >= self._pause_at_bytes:
            self._flow_control.pause()

    def eof_received(self) -> bool:
        self._has_eof = True
        for arrived in self._arrived.values():
            arrived.set()
        return True  # keep this direction open

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True
        if not self._has_eof:
            self._error = exc
            self.eof_received()
        self._has_room.set()

    def pause_writing(self) -> None:
        self._has_room.clear()

    def resume_writing(self) -> None:
        self._has_room.set()

    async def wait_open(self) -> None:
        """Waits until the channel is open; returns immediately for a channel that this side opened.

        Until then, only reading is allowed.
        """
        await self._is_open.wait()

    async def read(self, source: int | None = None) -> bytes:
        """Returns the next bytes of stdout, or of stderr; usually at most 64 KiB. Returns b"" at the end.

        After all received bytes, raises the error by which the connection was lost.
        """
        unread = self._unread[source]
        while not unread:
            if self._error is not None:
                raise self._error
            if self._has_eof:
                return b""
            self._arrived[source].clear()
            await self._arrived[source].wait()
        data = _take_pieces(unread)
        self._unread_bytes -= len(data)
        if self._flow_control.is_paused and self._unread_bytes < self._pause_at_bytes:
            self._flow_control.resume()
        return data

    async def write(self, data: bytes) -> None:
        """Writes, then waits until there is room for more. Raises OSError, or the error that ended the connection."""
        self._channel.write(data)
        await self._has_room.wait()
        if self._is_closed:
            raise self._error or BrokenPipeError()

    def write_eof(self) -> None:
        """Ends the output. Raises OSError."""
        self._channel.write_eof()

    def close(self) -> None:
        """Closes the channel. Calling it again is safe."""
        self._channel.close()


def _take_pieces(unread: deque[bytes]) -> bytes:
    """Removes and joins the first pieces, up to the usual size."""
    data = unread.popleft()
    if not unread or len(data) + len(unread[0]) > PIECE:
        return data
    pieces, size = [data], len(data)
    while unread and size + len(unread[0]) <= PIECE:
        size += len(unread[0])
        pieces.append(unread.popleft())
    return b"".join(pieces)
