"""One child process of a search: it runs one request after another, and is killed if a request is cancelled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError
from flow_core.logs.child_process import collect_child, start_child
from flow_core.logs.search.query import SearchQuery

STUCK_S = 15.0
"""A pattern that takes this long for one block of a few MB is ended."""
OnProgress = Callable[[int, int], None]
_WORKER = "flow_core.logs.search.worker"


class SearchTimeout(FlowError):
    """The pattern took too long for a piece of text, and the search was ended."""


class SearchProcess:
    """A child process that searches one log. Starts on demand, and again after a kill. The owner must close it."""

    def __init__(self, files: SpoolFiles, query: SearchQuery, stream: int | None = None) -> None:
        self._files = files
        self._options = json.dumps({"source": query.source, "ignores_case": query.ignores_case, "stream": stream})
        self._child: asyncio.subprocess.Process | None = None
        self._killed: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._closing = 0

    async def call(
        self, call: str, *arguments: Any, stuck_s: float = STUCK_S, on_progress: OnProgress | None = None
    ) -> Any:
        """Runs a request. Cancelling it kills the child. Raises SearchTimeout after `stuck_s` without progress.

        `on_progress` is called with the offset that was reached and the matches so far, at most ten times a second.
        """
        request = json.dumps({"call": call, "arguments": arguments}).encode() + b"\n"
        async with self._lock:
            has_answered = False
            try:
                reply = await self._exchange(request, stuck_s, on_progress)
                has_answered = reply is not None
            except TimeoutError:
                raise SearchTimeout(
                    f"the pattern takes over {stuck_s:g} s for one piece of the log; the search was ended"
                ) from None
            finally:
                if not has_answered:
                    await self._kill()
        if reply is None:
            raise SearchTimeout("the search was ended")
        return reply[0]

    async def close(self) -> None:
        """Kills the child; a waiting request raises SearchTimeout. Calling it again is safe."""
        if self._child is not None:
            self._send_kill(self._child)
        self._closing += 1
        try:
            async with self._lock:
                await self._kill()
        finally:
            self._closing -= 1

    async def _exchange(self, request: bytes, stuck_s: float, on_progress: OnProgress | None) -> list[Any] | None:
        """Returns the response; None if the child ended without one."""
        child = self._child = self._child or await self._start()
        if self._closing:  # it was closed while the child started
            return None
        assert child.stdin is not None  # both are pipes
        assert child.stdout is not None
        try:
            child.stdin.write(request)
            await child.stdin.drain()
        except ConnectionError:
            return None
        while True:
            async with asyncio.timeout(stuck_s):
                line = await child.stdout.readline()
            message = json.loads(line) if line else None
            if message is None or isinstance(message, list):
                return message
            if on_progress is not None:
                on_progress(message["offset"], message["matches"])

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
        return await start_child(_WORKER, str(self._files.log), str(self._files.sidecar), self._options)
