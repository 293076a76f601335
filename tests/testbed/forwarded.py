"""A port that an ssh client is led to by `-W`."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import Sequence

from testbed.waiting import DEADLINE_S


async def farewell(client: Sequence[str]) -> bytes:
    """What the client hears from a port that finishes before the client does; returns once the client has ended."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as there:
        address = f"127.0.0.1:{there.sockets[0].getsockname()[1]}"
        running = await asyncio.create_subprocess_exec(*client, "-W", address, stdin=PIPE, stdout=PIPE)
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            async with asyncio.timeout(DEADLINE_S):
                heard = await running.stdout.read()
                running.stdin.close()
                await running.wait()
                return heard
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()
