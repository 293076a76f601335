"""Our own table over the rows of data_table_program.py, changed in the same way: `resource_table_program.py ROWS`."""

from __future__ import annotations

import os
import sys
from typing import ClassVar

os.environ.setdefault("TEXTUAL_FPS", "240")  # as the dashboard does

from bench.data_table_program import COLUMNS, EVERY, PREPARE_S, make_live, make_rows
from testbed.themed_app import ThemedApp
from textual.app import ComposeResult
from textual.binding import BindingType

from flow_tui.widgets.columns import Column
from flow_tui.widgets.table import ResourceTable

Cells = tuple[str, ...]


class ResourceTableProgram(ThemedApp):
    BINDINGS: ClassVar[list[BindingType]] = [
        ("r", "renew", "renew"),
        ("q", "quit", "quit"),
        ("down", "down", "down"),
        ("up", "up", "up"),
    ]
    lists = 0
    generation = 0

    def compose(self) -> ComposeResult:
        columns = [
            Column[Cells](name, name, lambda row, at=at: row[1][at])  # type: ignore[misc]
            for at, name in enumerate(COLUMNS)
        ]
        yield ResourceTable[tuple[int, Cells]](columns, lambda row: row[0])

    def on_mount(self) -> None:
        self._prepare()
        self.action_renew()
        self.query_one(ResourceTable).focus()
        self.set_interval(1.0, self._change)

    def _prepare(self) -> None:
        self.next_rows = list(enumerate(make_rows(int(sys.argv[1]), self.generation)))

    def _change(self) -> None:
        self.lists += 1
        rows, live = list(self.rows), make_live(self.lists)
        for number in range(self.lists % EVERY, len(rows), EVERY):
            cells = rows[number][1]
            rows[number] = (number, (*cells[:4], *live, *cells[7:]))
        self.rows = rows
        self.query_one(ResourceTable).set_rows(rows)

    def action_renew(self) -> None:
        self.rows = self.next_rows
        self.query_one(ResourceTable).set_rows(self.rows)
        self.generation += 1
        self.set_timer(PREPARE_S, self._prepare)

    def action_down(self) -> None:
        self.query_one(ResourceTable).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(ResourceTable).action_cursor_up()


if __name__ == "__main__":
    ResourceTableProgram().run()
