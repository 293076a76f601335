"""Goes from error to error in the log of the pane, or in the merged logs."""

from __future__ import annotations

from typing import Protocol

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.filtered.error_finder import ErrorFinder
from flow_core.logs.merged.merged_errors import MergedErrors
from flow_core.logs.merged.merged_lines import MergedLines
from flow_core.logs.shown.line import ShownLine
from flow_tui.widgets.log.merged_view import MergedLogView

_MOST_ADJACENT = 500


class ErrorLines(Protocol):
    """Finds lines of one kind by their offsets, as `ErrorFinder` does."""

    async def next(self, offset: int) -> int | None:
        """Returns the offset of the first one that begins after `offset`."""

    async def previous(self, offset: int) -> int | None:
        """Returns the offset of the last one that begins before `offset`."""

    async def close(self) -> None:
        """Ends the search."""


class ErrorSteps:
    """The errors of what is shown. Its child processes start with the first step; `close` ends them."""

    def __init__(self) -> None:
        self._log: tuple[SpoolFiles | MergedLines, int | None, bool] | None = None
        self._finder: ErrorLines | None = None

    async def close(self) -> None:
        """Ends the child processes. Calling it again is safe."""
        finder, self._finder, self._log = self._finder, None, None
        if finder is not None:
            await finder.close()

    async def find(self, view: MergedLogView, log: SpoolFiles | MergedLines, by: int) -> int | None:
        """Returns the offset of the next error after the current line (the previous one if `by` is -1).

        Error lines that follow each other, as a traceback whose lines all have a level, are one step.
        """
        current = view.current_line
        line = None if current is None else view.original_at(current.offset)
        if line is None:
            return None
        finder = await self._open(view, log)
        find = finder.next if by > 0 else finder.previous
        found, near = await find(line.offset), line
        if await finder.next(line.offset - 1) != line.offset:
            return found  # the current line is no error
        for _ in range(_MOST_ADJACENT):
            if found is None or (following := view.original_at(found)) is None or not _are_adjacent(near, following):
                break
            near, found = following, await find(found)
        return found

    async def _open(self, view: MergedLogView, log: SpoolFiles | MergedLines) -> ErrorLines:
        shown = (log, view.stream, view.expands_redraws)
        if self._finder is None or shown != self._log:
            await self.close()
            self._log = shown
            if isinstance(log, MergedLines):
                self._finder = MergedErrors(log, view.stream, expands_redraws=view.expands_redraws)
            else:
                self._finder = ErrorFinder(log, view.stream, expands_redraws=view.expands_redraws)
        return self._finder


def _are_adjacent(one: ShownLine, other: ShownLine) -> bool:
    return other.offset == one.end or one.offset == other.end
