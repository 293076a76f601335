"""A real shell on a real terminal of this machine, as a provider would hand it out."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from flow_core.errors import Unreachable

OpenPty = Callable[..., Awaitable["PtyShell"]]


class PtyShell:
    """bash under a pseudo-terminal, as a provider would hand it out; counts what it read and wrote.

    With `lost_after`, the connection is lost once that was read, for the reason `loss`.
    """

    title = "bash"
    lost_after = b""
    loss = "the link to lab was lost"

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master = master
        self._process = process
        self.bytes_read = 0
        self.written = b""
        self.is_closed = False

    @classmethod
    async def open(cls, columns: int = 80, rows: int = 24, command: str | None = None) -> PtyShell:
        master, slave = pty.openpty()
        os.set_blocking(master, False)
        arguments = ["-c", command] if command else ["--norc", "--noprofile", "-i"]
        process = await asyncio.create_subprocess_exec(
            "bash",
            *arguments,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", "PS1": "ready> ", "LANG": "C.UTF-8"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        shell = cls(master, process)
        await shell.resize(columns, rows)
        return shell

    async def read(self) -> AsyncIterator[bytes]:
        while True:
            try:
                piece = os.read(self._master, 65536)
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)
                continue
            except OSError:
                return
            if not piece:
                return
            self.bytes_read += len(piece)
            yield piece
            if self.lost_after and self.lost_after in piece:
                raise Unreachable(self.loss)

    async def write(self, data: bytes) -> None:
        if self.is_closed:
            raise Unreachable("The shell is gone.")
        self.written += data
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_writer, asyncio.get_running_loop().remove_writer)
            except OSError as error:
                raise Unreachable("The shell is gone.") from error

    async def _ready(self, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
        ready = asyncio.Event()
        add(self._master, ready.set)
        try:
            await ready.wait()
        finally:
            remove(self._master)

    async def resize(self, columns: int, rows: int) -> None:
        if not self.is_closed:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def wait(self) -> int:
        return await self._process.wait()

    async def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        os.close(self._master)


@pytest.fixture
async def open_pty() -> AsyncIterator[OpenPty]:
    """Opens shells that the test need not close."""
    opened: list[PtyShell] = []

    async def open_one(columns: int = 80, rows: int = 24, command: str | None = None) -> PtyShell:
        opened.append(await PtyShell.open(columns, rows, command))
        return opened[-1]

    yield open_one
    for shell in opened:
        await shell.close()
