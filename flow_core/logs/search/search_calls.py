"""The calls of a search in one log, to a child process of its own or to one that searches many logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.search.search_process import STUCK_S, OnProgress, SearchProcess


class SearchCalls(Protocol):
    """The calls to a child process of a search."""

    async def call(
        self, call: str, *arguments: Any, stuck_s: float = STUCK_S, on_progress: OnProgress | None = None
    ) -> Any:
        """Runs a request. Raises SearchTimeout after `stuck_s` without progress."""

    def kill(self) -> None:
        """Kills what belongs to these calls alone. Await `close` later."""

    async def close(self) -> None:
        """Ends what belongs to these calls alone. Calling it again is safe."""


class SearchCallSet(NamedTuple):
    """The calls for the steps, the marks and the counts of a search."""

    finder: SearchCalls
    marker: SearchCalls
    counters: Sequence[SearchCalls]


class SharedCalls:
    """The calls for one log to a process that searches several. Closing them leaves the process to its owner."""

    def __init__(self, process: SearchProcess, files: SpoolFiles) -> None:
        self._process = process
        self._files = [str(files.log), str(files.sidecar)]

    async def call(
        self, call: str, *arguments: Any, stuck_s: float = STUCK_S, on_progress: OnProgress | None = None
    ) -> Any:
        """Runs a request after those that wait for the process. Raises SearchTimeout."""
        return await self._process.call("in", self._files, call, *arguments, stuck_s=stuck_s, on_progress=on_progress)

    def kill(self) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""
