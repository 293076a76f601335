"""The rows that the log engine shows for some bytes, in the form of `terminal_truth`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.terminal_truth import Cells, trim_cells, trim_rows

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.shown.line import Runs
from flow_core.logs.shown.row import Row
from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.shown.shown_log import ShownLog
from flow_core.logs.text_style import PLAIN

_MOST_LINES = 100_000


def rows_of_screen(data: bytes | list[bytes]) -> list[str]:
    """Returns every row of the live screen and above it. A list is fed piece by piece."""
    return trim_rows(["".join(text for text, _ in runs) for runs in _feed(data)])


def cells_of_screen(data: bytes | list[bytes]) -> list[Cells]:
    """Returns the rows with their styles, as `terminal_truth.cells_of_core` does."""
    rows = [trim_cells(iter(runs)) for runs in _feed(data)]
    while rows and not rows[-1]:
        rows.pop()
    return rows


def rows_of_log(data: bytes, folder: Path) -> list[str]:
    """Returns every line of a log file with these bytes, as the log pane reads it."""
    with open_shown_log(data, folder) as log:
        return trim_rows([line.text for line in log.lines_from(0, _MOST_LINES)])


@contextmanager
def open_shown_log(data: bytes, folder: Path) -> Iterator[ShownLog]:
    files = SpoolFiles.at(folder / "rows")
    files.log.write_bytes(data)
    log = ShownLog(files)
    log.refresh()
    try:
        yield log
    finally:
        log.close()


def _feed(data: bytes | list[bytes]) -> list[Runs]:
    screen = LiveScreen(0)
    for piece in [data] if isinstance(data, bytes) else data:
        screen.feed(piece)
    rows = screen.stack.rows[: screen.count_shown_rows()]
    return [row.to_runs() if isinstance(row, Row) else ((row, PLAIN),) for row in rows]
