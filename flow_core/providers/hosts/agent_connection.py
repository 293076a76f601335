"""The connection to the agent of one host: a process that stays while calls arrive now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flow_core.errors import FlowError, Unreachable
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.hosts.agent_process import AgentProcess, Lost, Stalled, start_agent_process
from flow_core.providers.hosts.bootstrap_payload import build_archive
from flow_core.providers.hosts.start_failures import PythonUnusable

if TYPE_CHECKING:
    from flow_core.providers.hosts.found_python import FoundPython
    from flow_core.ssh.host import SshHost

_IDLE_S = 90.0
_SHORT_S = 10.0
_SHORT_LIVES_MAX = 2
_SINGLE_CALL_S = 300.0  # after this, a process may stay again: the server may keep it now
_TRIES = 2


class AgentConnection:
    """The connection to the agent of one host: starts a process at the first call, and again after it was lost.

    If the server kills such processes soon after their start, each call starts its own.
    """

    def __init__(self, name: str, connect: Callable[[], Awaitable[SshHost]], python: FoundPython) -> None:
        self.greeting: Mapping[str, Any] = {}
        """The agent's description of its machine; empty before its first response."""
        self._name = name
        self._connect = connect
        self._python = python
        self._process: AgentProcess | None = None
        self._runners: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[AgentProcess] | None = None
        self._short_lives = 0
        self._single_call_until = 0.0
        self._is_closed = False

    async def call(self, call: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        """Calls the agent; restarts a lost process once. Raises as `AgentProcess.call` and `SshHost` do."""
        for tried in range(1, _TRIES + 1):
            process: AgentProcess | None = None
            try:
                process = await self._get_process()
                return await process.call(call, arguments, timeout_s)
            except Lost:
                if tried == _TRIES:
                    raise
            finally:
                if process is not None and self._is_single_call and process.is_idle:
                    process.leave()
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Ends the agent processes of this connection. Calling it again is safe."""
        self._is_closed = True
        tasks = [*self._runners, *([] if self._starting is None else [self._starting])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _is_single_call(self) -> bool:
        return time.monotonic() < self._single_call_until

    async def _get_process(self) -> AgentProcess:
        """Returns the running process, or waits for a new one. Raises Unreachable once the connection is closed."""
        process = self._process
        if process is not None and not process.is_lost and not process.is_left:
            return process
        if self._is_closed:
            raise self._closed_error()
        starting = self._starting
        if starting is None or starting.done():
            starting = self._starting = asyncio.create_task(self._start())
            starting.add_done_callback(_mark_retrieved)
        try:
            return await asyncio.shield(starting)  # a cancelled caller doesn't end it for the others
        except asyncio.CancelledError:
            if starting.cancelled() and not _is_cancelled():
                raise self._closed_error() from None
            raise

    async def _start(self) -> AgentProcess:
        """Starts a process with the Python that was found before; without one, searches the host for it."""
        python = await self._python.load()
        await run_blocking(build_archive)  # reads and packs a hundred files, once
        try:
            process = await self._start_with(python)
        except PythonUnusable:
            if python is None:
                raise
            await self._python.forget()
            process = await self._start_with(None)
        except Stalled:
            await self._python.forget()
            raise
        self._process, self.greeting = process, process.greeting
        await self._python.store(str(process.greeting.get("python", "")))
        return process

    async def _start_with(self, python: str | None) -> AgentProcess:
        ready: asyncio.Future[AgentProcess] = asyncio.get_running_loop().create_future()
        ready.add_done_callback(_mark_retrieved)
        runner = asyncio.create_task(self._run_process(await self._connect(), python, ready))
        self._runners.add(runner)
        runner.add_done_callback(self._runners.discard)
        try:
            return await asyncio.shield(ready)
        except asyncio.CancelledError:
            runner.cancel()
            raise

    async def _run_process(self, host: SshHost, python: str | None, ready: asyncio.Future[AgentProcess]) -> None:
        """Runs one process, from its start until it is lost, left, or idle for `_IDLE_S`."""
        try:
            async with start_agent_process(self._name, host, self._python.setting, python) as process:
                started_at = time.monotonic()
                ready.set_result(process)
                await self._wait_for_end(process)
                self._record_lifetime(process, time.monotonic() - started_at)
        except asyncio.CancelledError:
            ready.cancel()
            raise
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
            elif not isinstance(error, FlowError):
                raise

    def _record_lifetime(self, process: AgentProcess, lived_s: float) -> None:
        """Counts processes that were lost soon after their start.

        After two of them, each call starts its own process for a while.
        """
        if lived_s >= _SHORT_S:
            self._short_lives = 0
        elif not process.is_left:
            self._short_lives += 1
            if self._short_lives >= _SHORT_LIVES_MAX:
                self._single_call_until = time.monotonic() + _SINGLE_CALL_S

    def _closed_error(self) -> Unreachable:
        return Unreachable(f"the connections to {self._name!r} are closed")

    async def _wait_for_end(self, process: AgentProcess) -> None:
        """Waits until the process is lost or idle for `_IDLE_S`."""
        while not process.is_lost:
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):
                    await process.wait_until_ended()
            if process.is_idle and time.monotonic() - process.last_call_at >= _IDLE_S:
                return


def _is_cancelled() -> bool:
    """Returns whether the current asyncio task is being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _mark_retrieved(future: asyncio.Future[AgentProcess]) -> None:
    """Marks the exception as retrieved, since no caller may await the future."""
    if not future.cancelled():
        future.exception()
