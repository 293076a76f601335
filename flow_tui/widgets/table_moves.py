"""The actions that move the cursor of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class TableMoves:
    """Part of a table. `cursor_row` is kept within the rows by the table."""

    cursor_row: Any

    @property
    def rows(self) -> Sequence[Any]:
        raise NotImplementedError

    @property
    def page_rows(self) -> int:
        raise NotImplementedError

    def action_cursor_down(self) -> None:
        self.cursor_row += 1

    def action_cursor_up(self) -> None:
        self.cursor_row -= 1

    def action_page_down(self) -> None:
        self.cursor_row += self.page_rows

    def action_page_up(self) -> None:
        self.cursor_row -= self.page_rows

    def action_half_page_down(self) -> None:
        self.cursor_row += self.page_rows // 2

    def action_half_page_up(self) -> None:
        self.cursor_row -= self.page_rows // 2

    def action_first(self) -> None:
        self.cursor_row = 0

    def action_last(self) -> None:
        self.cursor_row = len(self.rows) - 1
