"""A child process that reads a log: it runs one request after another, and is killed if a request is cancelled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError
from flow_core.logs.child_process import collect_child, start_child
from flow_core.logs.search.query import SearchQuery

if TYPE_CHECKING:
    from flow_core.logs.filtered.line_filter import LogFilters

STUCK_S = 15.0
"""A pattern that takes this long for one block of a few MB is ended."""
OnProgress = Callable[[dict[str, Any]], None]
_WORKER = "flow_core.logs.search.worker"
_FILTERED_WORKER = "flow_core.logs.filtered.search_worker"


class SearchTimeout(FlowError):
    """The pattern took too long for a piece of text, and the search was ended."""


class ScanProcess:
    """A child process of `start_child`. Starts on demand, and again after a kill. The owner must close it.

    The child writes an empty response when it is ready for requests.
    """

    def __init__(self, module: str, *arguments: str, pass_fds: Sequence[int] = ()) -> None:
        self._command = (module, *arguments)
        self._pass_fds = pass_fds
        self._child: asyncio.subprocess.Process | None = None
        self._killed: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._closing = 0

    async def call(
        self, call: str, *arguments: Any, stuck_s: float = STUCK_S, on_progress: OnProgress | None = None
    ) -> Any:
        """Runs a request. Cancelling it kills the child. Raises SearchTimeout after `stuck_s` without progress.

        `on_progress` is called with each message of the child before its response.
        """
        request = json.dumps({"call": call, "arguments": arguments}).encode() + b"\n"
        async with self._lock:
            has_answered = False
            try:
                reply = await self._exchange(request, stuck_s, on_progress)
                has_answered = reply is not None
            except TimeoutError:
                raise SearchTimeout(
                    f"the pattern is too slow: it takes over {stuck_s:g} s for one part of the log"
                ) from None
            finally:
                if not has_answered:
                    await self._kill()
        if reply is None:
            raise SearchTimeout("the search was ended")
        return reply[0]

    def kill(self) -> None:
        """Kills the child; a waiting request raises SearchTimeout. Await `close` later."""
        if self._child is not None:
            self._send_kill(self._child)

    async def close(self) -> None:
        """Kills the child as `kill` does, and waits for its end. Calling it again is safe."""
        self.kill()
        self._closing += 1
        try:
            async with self._lock:
                await self._kill()
        finally:
            self._closing -= 1

    async def _exchange(self, request: bytes, stuck_s: float, on_progress: OnProgress | None) -> list[Any] | None:
        """Returns the response; None if the child ended without one. The time that the child takes to start is free."""
        child = self._child
        if child is None:
            child = self._child = await self._start()
            if self._closing or await self._read_response(child, STUCK_S, None) is None:
                return None
        if self._closing:
            return None
        assert child.stdin is not None  # it is a pipe
        try:
            child.stdin.write(request)
            await child.stdin.drain()
        except ConnectionError:
            return None
        return await self._read_response(child, stuck_s, on_progress)

    async def _read_response(
        self, child: asyncio.subprocess.Process, stuck_s: float, on_progress: OnProgress | None
    ) -> list[Any] | None:
        assert child.stdout is not None  # it is a pipe
        while True:
            async with asyncio.timeout(stuck_s):
                line = await child.stdout.readline()
            message = json.loads(line) if line else None
            if message is None or isinstance(message, list):
                return message
            if on_progress is not None:
                on_progress(message)

    async def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        self._send_kill(child)
        await collect_child(child)

    def _send_kill(self, child: asyncio.subprocess.Process) -> None:
        """Kills a child once only: a second signal could collect its exit status before asyncio does."""
        if child.returncode is None and child is not self._killed:
            self._killed = child
            child.kill()

    async def _start(self) -> asyncio.subprocess.Process:
        return await start_child(*self._command, pass_fds=self._pass_fds)


class SearchProcess(ScanProcess):
    """A child process that searches one log for a query, with `filters` only in the lines that pass them."""

    def __init__(
        self, files: SpoolFiles, query: SearchQuery, stream: int | None = None, filters: LogFilters | None = None
    ) -> None:
        options: dict[str, Any] = {"source": query.source, "ignores_case": query.ignores_case, "stream": stream}
        if filters:
            options["filters"] = filters.to_json()
        super().__init__(
            _FILTERED_WORKER if filters else _WORKER, str(files.log), str(files.sidecar), json.dumps(options)
        )
