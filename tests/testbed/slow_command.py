"""A command over SSH that reads slowly what its client would like to send."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from testbed.waiting import DEADLINE_S

MOST_SENT = 20 << 20  # 3 MiB are read, and some lie in the buffers on the way; more than 50 would pile up
_PREPARE = "[ ! -t 0 ] || stty raw -echo; echo ready"
_READ = "for i in $(seq 50); do head -c 65536 >/dev/null; sleep 0.02; done; echo read; exec sleep 1000"


async def bytes_sent(client: Sequence[str]) -> int:
    """How many the client got rid of until the command, which the client is given to run, had read its 3 MiB."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    running = await asyncio.create_subprocess_exec(
        *client, f"{_PREPARE}; {_READ}", stdin=pipe, stdout=pipe, stderr=null
    )
    assert running.stdin is not None
    typing, sent = running.stdin, 0

    async def send() -> None:
        nonlocal sent
        while True:
            typing.write(bytes(1 << 16))
            await typing.drain()
            sent += 1 << 16

    async def until_it_says(word: bytes) -> None:
        assert running.stdout is not None
        assert (await asyncio.wait_for(running.stdout.readline(), DEADLINE_S)).strip() == word

    try:
        await until_it_says(b"ready")
        sending = asyncio.create_task(send())
        try:
            await until_it_says(b"read")
            return sent
        finally:
            sending.cancel()
    finally:
        running.kill()
        await running.wait()
