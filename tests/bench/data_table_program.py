"""Textual's DataTable over many rows, for a Python that has just Textual: `data_table_program.py ROWS`.

Each second it changes three cells of 5 % of the rows. `r` clears it and adds all rows anew; `q` quits.
"""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.widgets import DataTable

EVERY = 20
PREPARE_S = 0.3
"""The next rows are made so long after the last ones were shown: making them isn't measured."""
COLUMNS = ("NAME", "STATE", "GPUS", "INST", "TIME", "AGE", "REASON", "COMMAND")
LIVE = ("TIME", "AGE", "REASON")
"""The columns of a running task that change."""


def make_live(lists: int) -> tuple[str, str, str]:
    """Their cells after so many seconds."""
    return f"{lists}m", f"{lists}m", f"step {lists}"


def make_rows(count: int, generation: int) -> list[tuple[str, ...]]:
    """Rows as the tasks pane has them. The name holds the generation."""
    return [
        (f"g{generation}-{n:06}", "running", "8xh100", "1", f"{n % 60}m", "1h", "step 0", f"python train.py --seed {n}")
        for n in range(count)
    ]


class DataTableProgram(App[None]):
    BINDINGS = [("r", "renew", "renew"), ("q", "quit", "quit")]
    lists = 0
    generation = 0

    def compose(self) -> ComposeResult:
        yield DataTable(cursor_type="row")

    def on_mount(self) -> None:
        self._prepare()
        table = self.query_one(DataTable)
        for column in COLUMNS:
            table.add_column(column, key=column)
        self._add_rows()
        self.set_interval(1.0, self._change)

    def _prepare(self) -> None:
        self.next_rows = make_rows(int(sys.argv[1]), self.generation)

    def _add_rows(self) -> None:
        table = self.query_one(DataTable)
        for number, row in enumerate(self.next_rows):
            table.add_row(*row, key=str(number))
        self.generation += 1
        self.set_timer(PREPARE_S, self._prepare)

    def _change(self) -> None:
        self.lists += 1
        table = self.query_one(DataTable)
        for number in range(self.lists % EVERY, int(sys.argv[1]), EVERY):
            for column, value in zip(LIVE, make_live(self.lists), strict=True):
                table.update_cell(str(number), column, value)

    def action_renew(self) -> None:
        self.query_one(DataTable).clear()
        self._add_rows()


if __name__ == "__main__":
    DataTableProgram().run()
