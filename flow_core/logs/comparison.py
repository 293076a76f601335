"""Compares two logs by line in a child process, and keeps the rows in a file without a name."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable
from contextlib import aclosing
from itertools import accumulate
from tempfile import TemporaryFile

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.analysis.diff_rows import DiffRow
from flow_core.logs.child_process import iter_messages

_WORKER = "flow_core.logs.analysis.compare_worker"
_STUCK_S = 30.0
MOST_LINES = 500_000
"""Of each log. They take 5 to 60 s."""
MOST_ROWS = 100_000


class LogComparison:
    """The rows of a comparison, as far as it has come: at most 100,000, with 10 bytes of memory for each.

    The owner must close it.
    """

    def __init__(self, left: SpoolFiles, right: SpoolFiles, most_lines: int = MOST_LINES) -> None:
        self._logs = left, right
        self._most_lines = most_lines
        self._file = TemporaryFile(buffering=0)  # noqa: SIM115 (closed by `close`)
        self._ends = array("q", [0])
        self.signs = bytearray()
        """The sign of each row."""
        self.is_complete = False
        self.is_cut = False
        """Whether the rest of longer logs was not compared."""

    def __len__(self) -> int:
        return len(self.signs)

    def __getitem__(self, number: int) -> DiffRow:
        start, end = self._ends[number], self._ends[number + 1]
        return DiffRow(*json.loads(os.pread(self._file.fileno(), end - start, start)))

    async def run(self, report: Callable[[], None]) -> None:
        """Compares what the logs contain now. Calls `report` when there are new rows, at most ten times a second.

        Raises FlowError. Cancelling it ends the child process.
        """
        fd = self._file.fileno()
        paths = [str(path) for files in self._logs for path in (files.log, files.sidecar)]
        arguments = [str(fd), str(self._most_lines), str(MOST_ROWS), *paths]
        async with aclosing(iter_messages(_WORKER, *arguments, stuck_s=_STUCK_S, pass_fds=[fd])) as messages:
            async for message in messages:
                self._ends.extend(accumulate(message["lengths"], initial=self._ends.pop()))
                self.signs += message["signs"].encode()
                self.is_cut = message["is_cut"]
                report()
        self.is_complete = True
        report()

    def close(self) -> None:
        """Deletes the rows. Calling it again is safe."""
        self._file.close()
