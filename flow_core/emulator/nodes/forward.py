"""A port of loopback, as seen through an SSH connection."""

from __future__ import annotations

import asyncio

import asyncssh

from flow_core.emulator.nodes.listening import LOOPBACK


async def forward(port: int) -> asyncssh.SSHForwarder:
    """The channel's side of a connection to the port. Raises ChannelOpenError."""
    try:
        _, there = await asyncio.get_running_loop().create_connection(Half, LOOPBACK, port)
    except OSError as error:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(error)) from error
    return Half(there)


class Half(asyncssh.SSHForwarder):
    """Either side. asyncssh's own stays open for ever when the port's side is the first to say that it has finished."""

    def eof_received(self) -> bool:
        goes_on = super().eof_received()
        if not goes_on:
            asyncio.get_running_loop().call_soon(self.close)
        return goes_on
