"""Processes of this machine whose standard streams are pipes."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from flow_core.errors import Unreachable
from flow_core.models.completed_command import BoundedOutput, CompletedCommand
from flow_core.providers.contract.access import OnOutput

PIECE = 1 << 16
_POLL_S = 0.01
_QUIET_S = 0.2


@asynccontextmanager
async def start_process(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    folder: str | None = None,
    on_kill: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Process]:
    """Starts a process as the leader of a new group; on exit, kills the group if the process still runs.

    Awaits `on_kill` after that. What an ended process left in the background continues. Raises Unreachable if the
    process can't be started.
    """
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env, cwd=folder, start_new_session=True
        )
    )
    try:
        # asyncio would kill only the process itself if its start was cancelled.
        yield await asyncio.shield(starting)
    except OSError as error:
        if starting.exception() is not error:
            raise
        raise Unreachable(f"the command could not be started: {error.strerror}") from error
    finally:
        await _end(starting, on_kill)


async def collect_output(
    process: Process, *, timeout_s: float | None, stdin: bytes, on_output: OnOutput | None
) -> CompletedCommand:
    """Waits for the end of a process, and collects its output or passes it to `on_output`.

    Raises Unreachable after `timeout_s` (None: never). Does not wait for background processes that keep the streams
    open.
    """
    output, timer = BoundedOutput(), asyncio.timeout(timeout_s)
    try:
        async with timer:
            await _Pipes(process, on_output or output.take).serve(stdin)
    except TimeoutError:
        if not timer.expired():
            raise
        raise Unreachable(f"the command did not end within {timeout_s:g} s and was stopped") from None
    result = read_result(process)
    if result is None:
        raise Unreachable("the command ended without a result")
    return CompletedCommand(
        result.exit_code, bytes(output.data[1]), bytes(output.data[2]), output.is_cut, result.signal
    )


def read_result(process: Process) -> CompletedCommand | None:
    """Returns the result without the output; None while the process runs."""
    code = process.returncode
    if code is None or code >= 0:
        return None if code is None else CompletedCommand(code)
    try:
        name = signal.Signals(-code).name.removeprefix("SIG")
    except ValueError:
        name = str(-code)  # a real-time signal
    return CompletedCommand(128 - code, signal=name)


def kill_group(process: Process) -> None:
    """Kills a process that still runs, with the processes that it started. Calling it again is safe."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class _Pipes:
    """The streams of a running command."""

    def __init__(self, process: Process, take: OnOutput) -> None:
        self._process = process
        self._takers = ((process.stdout, 1, take), (process.stderr, 2, take))
        self._pieces = 0

    async def serve(self, stdin: bytes) -> None:
        """Passes the output on until the command has ended and its output pauses."""
        readers = [asyncio.create_task(self._forward(*taker)) for taker in self._takers]
        writer = asyncio.create_task(self._write_stdin(stdin))
        try:
            while await self._is_open(readers):
                pass
            await asyncio.gather(*(reader for reader in readers if reader.done()))
            await _wait_for_exit(self._process)
        finally:
            for subtask in (*readers, writer):
                subtask.cancel()
            await asyncio.gather(*readers, writer, return_exceptions=True)

    async def _is_open(self, readers: list[asyncio.Task[None]]) -> bool:
        before = self._pieces
        _, pending = await asyncio.wait(readers, timeout=_QUIET_S, return_when=asyncio.FIRST_EXCEPTION)
        failed = any(reader.done() and reader.exception() for reader in readers)
        is_silent = self._process.returncode is not None and self._pieces == before
        return bool(pending) and not failed and not is_silent

    async def _forward(self, stream: asyncio.StreamReader | None, number: int, take: OnOutput) -> None:
        while stream is not None and (piece := await stream.read(PIECE)):
            await take(number, piece)
            self._pieces += 1

    async def _write_stdin(self, stdin: bytes) -> None:
        if self._process.stdin is None:
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # the command closed its stdin
            self._process.stdin.write(stdin)
            await self._process.stdin.drain()
            self._process.stdin.close()


async def _end(starting: asyncio.Task[Process], on_kill: Callable[[], Awaitable[None]] | None) -> None:
    try:
        process = await starting
    except OSError:
        return  # it did not start
    was_running = process.returncode is None
    kill_group(process)
    await _wait_for_exit(process)
    if was_running and on_kill is not None:
        await on_kill()


async def _wait_for_exit(process: Process) -> None:
    while process.returncode is None:  # noqa: ASYNC110 - wait() waits for the streams too in some Pythons
        await asyncio.sleep(_POLL_S)
