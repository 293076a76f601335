"""Ways into a running task: a shell on a terminal, with the task's folder, environment and mounts."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from flow_core.errors import Unreachable
from flow_core.providers.local.inside.entering import entry
from flow_core.providers.local.tasks import Standing, TaskShelf
from flow_core.providers.offload import offload

_PIECE = 1 << 16
_WRITE_DEADLINE_S = 10.0
_HANG_UP_S = 1.0


class LocalShells:
    """Opens shells inside running tasks."""

    def __init__(self, tasks: TaskShelf) -> None:
        self._tasks = tasks

    async def open(
        self, task_id: str, *, columns: int, rows: int, command: str | None = None, node: int = 0
    ) -> LocalShell:
        standing = await offload(self._tasks.get, task_id)
        return await offload(_open_shell, standing, columns, rows, command, node)

    async def directory(self, task_id: str) -> Path | None:
        standing = await offload(self._tasks.get, task_id)
        folder = standing.spec.get("working_dir")
        return Path(folder) if folder else None


class LocalShell:
    """A process on a pseudo terminal of this machine."""

    def __init__(
        self, title: str, master: int, process: subprocess.Popen[bytes], leave: Callable[[], None] | None = None
    ) -> None:
        self.title = title
        self._leave = leave
        self._master = master
        self._process = process
        self._gone = False

    async def read(self) -> AsyncIterator[bytes]:
        while not self._gone:
            try:
                data = os.read(self._master, _PIECE)
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)
                continue
            except OSError:
                return  # how Linux says that the other side is closed
            if not data:
                return
            yield data

    async def write(self, data: bytes) -> None:
        view, loop = memoryview(data), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_WRITE_DEADLINE_S):
                while view:
                    if self._gone or self._process.poll() is not None:
                        raise Unreachable("the shell has ended")
                    try:
                        view = view[os.write(self._master, view) :]
                    except BlockingIOError:
                        await self._ready(loop.add_writer, loop.remove_writer)
        except TimeoutError:
            raise Unreachable("the shell does not read what is typed") from None
        except OSError as error:
            raise Unreachable("the shell has ended") from error

    async def resize(self, columns: int, rows: int) -> None:
        if not self._gone:
            set_size(self._master, columns, rows)

    async def wait(self) -> int:
        await self._ended_within(None)
        code = self._process.wait()
        return code if code >= 0 else 128 - code

    async def close(self) -> None:
        if self._gone:
            return
        self._gone = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        try:
            if self._leave is not None and self._process.poll() is None:
                await offload(self._leave)
        finally:
            for group in {self._process.pid, foreground(self._master)}:
                _signal_group(group, signal.SIGHUP)
            os.close(self._master)
            await self._end()

    async def _end(self) -> None:
        if not await self._ended_within(_HANG_UP_S):
            _signal_group(self._process.pid, signal.SIGKILL)
            await self.wait()

    async def _ended_within(self, seconds: float | None) -> bool:
        """There is no portable way to be told without owning the loop's child watcher, so it looks."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._process.poll() is None:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def _ready(self, add: object, remove: object) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        is_read = add == loop.add_reader
        (loop.add_reader if is_read else loop.add_writer)(self._master, _resolve, ready)
        try:
            while not self._gone:
                await asyncio.wait((ready,), timeout=0.5)  # a close meanwhile takes the descriptor away
                if ready.done():
                    return
        finally:
            if not self._gone:
                (loop.remove_reader if is_read else loop.remove_writer)(self._master)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _open_shell(standing: Standing, columns: int, rows: int, command: str | None, node: int) -> LocalShell:
    way = entry(standing, command, node, on_terminal=True)
    master, slave = pty.openpty()
    try:
        set_size(master, columns, rows)
        process = subprocess.Popen(
            way.argv, stdin=slave, stdout=slave, stderr=slave, env=way.env, start_new_session=True
        )
    except OSError as error:
        os.close(master)
        raise Unreachable(f"no shell could be started: {error.strerror}") from error
    finally:
        os.close(slave)
    os.set_blocking(master, False)
    where = f"node {node} of {standing.record.name}" if standing.record.num_instances > 1 else standing.record.name
    return LocalShell(f"{way.shell} in {where}", master, process, way.leave)


def set_size(terminal: int, columns: int, rows: int) -> None:
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", max(rows, 1), max(columns, 1), 0, 0))
    except OSError as error:
        if error.errno not in (errno.EIO, errno.ENOTTY, errno.EBADF):
            raise


def foreground(terminal: int) -> int:
    try:
        return os.tcgetpgrp(terminal)
    except OSError:
        return 0


def _signal_group(group: int, number: int) -> None:
    if group <= 1:
        return
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass
