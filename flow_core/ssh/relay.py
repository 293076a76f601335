"""Relays bytes between channels and TCP connections."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncssh

from flow_core.ssh.stream import PIECE, ChannelStream

_CONNECT_S = 20.0


async def relay(stream: ChannelStream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Relays both directions until both have ended, then closes both sides. Passes on an end of one direction."""
    try:
        await stream.wait_open()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy_to_channel(reader, stream))
                tasks.create_task(_copy_to_connection(stream, writer))
        finally:
            stream.close()
    finally:
        writer.close()


class Relays:
    """The TCP connections that the channels of one SSH connection lead to."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def connect_to(self, host: str, port: int) -> ChannelStream:
        """Returns the session for a channel that the other side opens. Raises ChannelOpenError."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError) as error:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(error)) from error
        if self._is_closed:
            writer.close()
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "the connection is closed")
        stream = ChannelStream()
        task = asyncio.create_task(relay(stream, reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return stream

    def close(self) -> None:
        """Ends all relays and refuses new ones. Calling it again is safe."""
        self._is_closed = True
        for task in self._open:
            task.cancel()


async def _copy_to_channel(reader: asyncio.StreamReader, stream: ChannelStream) -> None:
    with suppress(OSError, asyncssh.Error):
        while piece := await reader.read(PIECE):
            await stream.write(piece)
        stream.write_eof()


async def _copy_to_connection(stream: ChannelStream, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncssh.Error):
        while piece := await stream.read():
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
