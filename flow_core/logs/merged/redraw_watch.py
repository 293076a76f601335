"""Finds out whether new output can have changed more than the last line of a log."""

from __future__ import annotations

from flow_core.logs.filtered.gapless_log import GaplessLog
from flow_core.logs.shown.controls import find_last_move
from flow_core.logs.shown.row_stack import SCREEN_ROWS
from flow_core.logs.shown.shown_log import ShownLog
from flow_core.logs.shown.stream_bytes import PIECE

_SEQUENCE_BYTES = 64


class RedrawWatch:
    """A watch on the cursor movements in a log. After one, output may change any of the last rows."""

    def __init__(self, log: ShownLog | GaplessLog) -> None:
        self._log = log
        self._rows_since_move = 0
        self._checked = -PIECE

    @property
    def is_quiet(self) -> bool:
        """Whether the last output can have changed only the last line that was there before."""
        return self._rows_since_move > SCREEN_ROWS

    def check(self, size: int) -> None:
        """Reads the output since the last check, or its last 64 KiB."""
        start = max(0, self._checked - _SEQUENCE_BYTES, size - PIECE)
        data = self._log.source.reader.read(start, size - start)
        move = find_last_move(data)
        if move >= 0 or start > self._checked:
            self._rows_since_move = 0
        self._rows_since_move += data.count(b"\n", max(0, move))
        if move < 0 and start == 0:
            self._rows_since_move = SCREEN_ROWS + 1
        self._checked = size

    def clear(self) -> None:
        self._rows_since_move, self._checked = 0, -PIECE
