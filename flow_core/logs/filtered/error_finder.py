"""Finds the next and the previous error of a log."""

from __future__ import annotations

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.filtered.filter_process import FilterProcess
from flow_core.logs.filtered.line_filter import ERRORS_ONLY, LineFilter, LogFilters


class ErrorFinder:
    """A finder of the lines of one log whose level is error or critical, and of those that begin a traceback.

    They are found in a child process, which starts with the first call. Cancelling a call ends it within some ms. The
    owner must close the finder.
    """

    def __init__(
        self,
        files: SpoolFiles,
        stream: int | None = None,
        *,
        expands_redraws: bool = False,
        finds: LineFilter = ERRORS_ONLY,
    ) -> None:
        self._process = FilterProcess(files, LogFilters((finds,)), stream, expands_redraws=expands_redraws)

    async def next(self, offset: int) -> int | None:
        """Returns the offset of the first error that begins after `offset`. Raises SearchTimeout."""
        found = await self._process.call("next", offset)
        return None if found is None else int(found)

    async def previous(self, offset: int) -> int | None:
        """Returns the offset of the last error that begins before `offset`. Raises SearchTimeout."""
        found = await self._process.call("previous", offset)
        return None if found is None else int(found)

    async def close(self) -> None:
        """Ends the child process; a waiting call raises SearchTimeout. Calling it again is safe."""
        await self._process.close()
