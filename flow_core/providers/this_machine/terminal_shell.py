"""A shell on a pseudo terminal of this machine."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress

from flow_core.errors import ProviderError, Unreachable
from flow_core.providers.this_machine.piped_process import PIECE, read_result
from flow_core.providers.this_machine.terminal_control import get_foreground_group, set_terminal_size

_WRITE_S = 10.0
_END_S = 2.0
_REST_BYTES_MAX = 1 << 20
# The first terminal that the leader of a session opens becomes the one that controls it. tmux writes to its input, so
# that must be open for writing too.
_TAKE_TERMINAL = 'exec <>"$0" >&0 2>&0 && exec "$@"'


class TerminalShell:
    """A login shell, or one command, on a terminal of this machine."""

    def __init__(self, title: str, process: Process, master: int) -> None:
        self.title = title
        self._process = process
        self._master = master
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()
        self._is_closed = False
        self._exit = asyncio.create_task(process.wait())
        self._exit.add_done_callback(lambda _: self._wake_all())

    @property
    def is_over(self) -> bool:
        return self._is_closed or self._exit.done()

    async def read(self) -> AsyncIterator[bytes]:
        """Yields the output until the shell ends; processes that it left in the background may keep the terminal."""
        left = _REST_BYTES_MAX  # a background process may write for ever
        while not self._is_closed and left > 0:
            has_ended = self._exit.done()
            piece = self._read_available()
            if piece is None or (not piece and has_ended):
                return
            if piece:
                left -= len(piece) if has_ended else 0
                yield piece
            else:
                await self._wait(self._loop.add_reader, self._loop.remove_reader)

    async def write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(_WRITE_S), self._writing:
                while data:
                    data = data[await self._write_some(data) :]
        except TimeoutError:
            raise Unreachable("the shell does not read what is typed") from None

    async def resize(self, columns: int, rows: int) -> None:
        if not self._is_closed:
            set_terminal_size(self._master, columns, rows)

    async def wait(self) -> int:
        await asyncio.shield(self._exit)
        result = read_result(self._process)
        return 0 if result is None else result.exit_code

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._wake_all()
        for group in {get_foreground_group(self._master), self._process.pid}:
            self._hang_up(group)
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await asyncio.shield(self._exit)

    def _hang_up(self, group: int) -> None:
        if group > 1 and not self._exit.done():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGHUP)

    async def _write_some(self, data: bytes) -> int:
        while not self.is_over:
            try:
                return os.write(self._master, data)
            except BlockingIOError:
                await self._wait(self._loop.add_writer, self._loop.remove_writer)
            except OSError:
                break
        raise Unreachable("the shell has ended")

    def _read_available(self) -> bytes | None:
        """Returns the output so far, up to a piece; b"" if there is none, None once all programs closed the terminal.

        A read returns at most 4 kB, which is little for each turn of the event loop.
        """
        pieces: list[bytes] = []
        left = PIECE
        while left > 0:
            try:
                data = os.read(self._master, left)
            except BlockingIOError:
                break
            except OSError:  # on Linux, every program has closed the terminal
                data = b""
            if not data:
                return b"".join(pieces) or None
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    async def _wait(self, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
        """Waits until the terminal is ready, the process has ended, or the shell is closed."""
        ready = self._loop.create_future()
        self._waiting.add(ready)
        add(self._master, _wake, ready)
        try:
            await ready
        finally:
            self._waiting.discard(ready)
            if not self._is_closed:  # otherwise it is closed, and may be another file's
                remove(self._master)

    def _wake_all(self) -> None:
        for waiting in self._waiting:
            _wake(waiting)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


async def open_terminal_shell(
    title: str, argv: Sequence[str], *, columns: int, rows: int, env: Mapping[str, str], folder: str
) -> TerminalShell:
    """Starts a program as the leader of a session with its own terminal. Raises ProviderError."""
    try:
        master, slave = os.openpty()
    except OSError as error:
        raise ProviderError(f"{title} has no free terminal: {error.strerror}") from error
    try:
        set_terminal_size(master, columns, rows)
        os.set_blocking(master, False)
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _TAKE_TERMINAL, os.ttyname(slave), *argv),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        os.close(master)
        raise ProviderError(f"the shell could not be started: {error.strerror}") from error
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    return TerminalShell(title, process, master)
