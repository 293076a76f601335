"""Single commands inside running tasks, without a terminal."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

from flow_core.agent.task_exec import make_exec_spec
from flow_core.agent.tasks import TaskStore
from flow_core.errors import Unreachable
from flow_core.models.completed_command import BoundedOutput, CompletedCommand
from flow_core.providers.contract.access import OnOutput
from flow_core.providers.over_agent.in_process_agent import call_agent

_PIECE = 1 << 16
_POLL_S = 0.01
_QUIET_S = 0.2


class LocalTaskCommands:
    """Commands that run as the task does: in its folder, its environment, its mounts."""

    def __init__(self, tasks: TaskStore) -> None:
        self._tasks = tasks

    async def run(
        self,
        task_id: str,
        command: str,
        *,
        node: int = 0,
        timeout_s: float | None = 600,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> CompletedCommand:
        output = BoundedOutput()
        task = await call_agent(self._tasks.get, task_id)
        spec = await call_agent(make_exec_spec, task, command, node, on_terminal=False)
        try:
            process = await asyncio.create_subprocess_exec(
                *spec.argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=spec.env, start_new_session=True
            )
        except OSError as error:
            raise Unreachable(f"the command could not be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(timeout_s):
                code = await _Pipes(process, on_output or output.take).serve(stdin)
        except TimeoutError:
            raise Unreachable(f"the command did not end within {timeout_s:g} s and was stopped") from None
        finally:
            was_running = process.returncode is None
            await _kill(process)
            if was_running and spec.cleanup is not None:
                await call_agent(spec.cleanup)  # only now: a client that is alive may still be starting the command
        code = code if code >= 0 else 128 - code
        return CompletedCommand(code, bytes(output.data[1]), bytes(output.data[2]), output.is_cut)


class _Pipes:
    """The streams of a running command."""

    def __init__(self, process: Process, take: OnOutput) -> None:
        self._process = process
        self._takers = ((process.stdout, 1, take), (process.stderr, 2, take))
        self._pieces = 0

    async def serve(self, stdin: bytes) -> int:
        """Passes the output on until the command has ended and its output pauses. Returns the exit code.

        A background process of the command may keep the streams open; this doesn't wait for it.
        """
        readers = [asyncio.create_task(self._forward(*taker)) for taker in self._takers]
        writer = asyncio.create_task(self._write_stdin(stdin))
        try:
            while await self._is_open(readers):
                pass
            await asyncio.gather(*(reader for reader in readers if reader.done()))
            return await _wait_for_exit(self._process)
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
        while stream is not None and (piece := await stream.read(_PIECE)):
            await take(number, piece)
            self._pieces += 1

    async def _write_stdin(self, stdin: bytes) -> None:
        if self._process.stdin is None:
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # the command closed its stdin
            self._process.stdin.write(stdin)
            await self._process.stdin.drain()
            self._process.stdin.close()


async def _kill(process: Process) -> None:
    """Kills the rest of a command that was interrupted.

    Processes that an ended command left in the background belong to the task and continue.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await _wait_for_exit(process)


async def _wait_for_exit(process: Process) -> int:
    while (code := process.returncode) is None:  # noqa: ASYNC110 - wait() waits for the streams too in some Pythons
        await asyncio.sleep(_POLL_S)
    return code
