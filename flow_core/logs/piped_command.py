"""Runs a shell command of the user on the text of a log. The output goes to a temporary spool."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.errors import FlowError
from flow_core.logs.export import LogBlock, run_blocking

OUTPUT_LIMIT = 64 * 1024 * 1024
"""Most bytes of output. A command that writes more is ended."""
_CHUNK = 64 * 1024
_GRACE_S = 0.5


class PipedCommand:
    """A command with its output. The shell of the user runs it, in a process group of its own.

    The owner must await `close`, which ends all processes of the group and removes the output.
    """

    def __init__(self, command: str, limit: int = OUTPUT_LIMIT) -> None:
        self.command = command
        self.exit_code: int | None = None
        """The exit code, negative for a signal; None until the command has ended."""
        self.is_cut = False
        """True if the command was ended because it wrote too much."""
        self._limit = limit
        self._folder = Path(tempfile.mkdtemp(prefix="flow-log-"))
        self.files = SpoolFiles.at(self._folder / "output")
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, blocks: Iterator[LogBlock]) -> None:
        """Runs the command on these blocks until it ends. Raises FlowError if it can't be started."""
        process = self._process = await self._start()
        writer = SpoolWriter(self.files, lambda: time.time_ns() // 1000, lambda: False)
        feeding = asyncio.create_task(self._feed(process, blocks))
        try:
            assert process.stdout is not None  # both are pipes
            assert process.stderr is not None
            async with asyncio.TaskGroup() as group:
                group.create_task(self._collect(process.stdout, writer, STDOUT))
                group.create_task(self._collect(process.stderr, writer, STDERR))
            self.exit_code = await process.wait()
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
            writer.close()

    async def close(self) -> None:
        """Ends the command, and removes its output. Calling it again is safe."""
        process = self._process
        if process is not None:
            _signal_group(process.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(_GRACE_S):
                    await process.wait()
            except TimeoutError:
                pass
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()
        await run_blocking(lambda: shutil.rmtree(self._folder, ignore_errors=True))

    async def _start(self) -> asyncio.subprocess.Process:
        shell = os.environ.get("SHELL") or "/bin/sh"
        pipe = asyncio.subprocess.PIPE
        try:
            return await asyncio.create_subprocess_exec(
                *(shell, "-c", self.command), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise FlowError(f"{shell} could not be started: {error.strerror or error}") from error

    async def _feed(self, process: asyncio.subprocess.Process, blocks: Iterator[LogBlock]) -> None:
        assert process.stdin is not None  # it is a pipe
        with suppress(OSError):  # a command such as `head` does not read everything
            while (block := await run_blocking(lambda: next(blocks, None))) is not None:
                process.stdin.write(block.data)
                await process.stdin.drain()
        with suppress(OSError):
            process.stdin.close()
            await process.stdin.wait_closed()

    async def _collect(self, pipe: asyncio.StreamReader, writer: SpoolWriter, stream: int) -> None:
        while data := await pipe.read(_CHUNK):
            room = self._limit - writer.offset
            writer.append(stream, data[: max(0, room)])
            if len(data) > room:
                self.is_cut = True
                assert self._process is not None
                _signal_group(self._process.pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
