"""After any changes, the table has painted what a full repaint paints, and the rows of a simple model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import RenderableType
from testbed.properties import limit_examples
from testbed.themed_app import ThemedApp
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen

from flow_tui.shown_cells import ShownCells
from flow_tui.widgets.columns import Column, StyledText
from flow_tui.widgets.table import ResourceTable

SIZE = (60, 9)
COUNT = 14
STATES = ("run", "failed", "日本語", "")


@dataclass(frozen=True)
class Entry:
    key: int
    name: str
    state: str = "run"


@dataclass
class Model:
    """The rows of the table, and what the owner of the table does with them."""

    rows: dict[int, Entry] = field(default_factory=lambda: {n: Entry(n, f"name-{n}") for n in range(COUNT)})
    sorted_by: str = ""
    is_filtered: bool = False

    def list_shown(self) -> list[Entry]:
        rows = [row for row in self.rows.values() if not self.is_filtered or row.key % 3]
        return sorted(rows, key=lambda row: (getattr(row, self.sorted_by), row.key)) if self.sorted_by else rows


class PaintedTable(ThemedApp):
    """A table, and a terminal that gets only what the app paints."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0
        self.known = ShownCells()
        self.terminal = pyte.Screen(*SIZE)
        self.stream = pyte.Stream(self.terminal)
        self.table: ResourceTable[Entry] = ResourceTable(
            [
                Column("name", "NAME", lambda row: row.name, min_width=8, priority=9),
                Column("state", "STATE", lambda row: StyledText(row.state, "error"), min_width=3, priority=5),
                Column("age", "AGE", lambda row: f"{self.clock // (row.key + 1)}s", width=5, is_volatile=True),
                Column("key", "KEY", lambda row: str(row.key), width=5, align="right", priority=1),
            ],
            lambda row: row.key,
            empty_text="no rows",
        )

    def compose(self) -> ComposeResult:
        yield self.table

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate | LayoutUpdate):
            self.terminal.resize(self.size.height, self.size.width)
            self.stream.feed(self.known.draw(renderable, self.size, ColorSystem.TRUECOLOR))
        super()._display(screen, renderable)

    def shown(self) -> list[list[pyte.screens.Char]]:
        return [[self.terminal.buffer[y][x] for x in range(self.size.width)] for y in range(self.size.height)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, COUNT - 1), st.sampled_from(STATES)),
        st.tuples(st.sampled_from(["remove", "insert"]), st.integers(0, 2 * COUNT)),
        st.tuples(st.just("sort"), st.sampled_from(["", "name", "state"])),
        st.tuples(st.just("filter"), st.booleans()),
        st.tuples(st.just("move"), st.integers(-COUNT, COUNT)),
        st.tuples(st.just("scroll"), st.integers(0, COUNT)),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("resize"), st.integers(20, 60), st.integers(4, 12)),
        st.tuples(st.just("stale"), st.booleans()),
    ),
    min_size=1,
    max_size=8,
)


@given(STEPS)
@limit_examples(8)
def test_what_is_painted_is_what_a_full_repaint_paints(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(paint(steps))


async def paint(steps: list[tuple[Any, ...]]) -> None:
    app, model = PaintedTable(), Model()
    async with app.run_test(size=SIZE) as pilot:
        app.table.set_rows(model.list_shown())
        app.table.focus()
        for name, *values in steps:
            await take_step(app, model, pilot, name, values)
            await pilot.pause()
            painted = app.shown()
            app.known.forget()
            app.table.notify_style_update()  # forgets all that was drawn
            app.screen.refresh()
            await pilot.pause()
            assert painted == app.shown(), name
            check_rows(app, model)


async def take_step(app: PaintedTable, model: Model, pilot: Pilot[None], name: str, values: list[Any]) -> None:
    table = app.table
    if name == "change":
        key, state = values
        if key in model.rows:
            model.rows[key] = replace(model.rows[key], state=state)
    elif name == "remove":
        model.rows.pop(values[0], None)
    elif name == "insert":
        model.rows = {values[0]: Entry(values[0], f"new-{values[0]}")} | model.rows
    elif name == "sort":
        model.sorted_by = values[0]
        table.set_sort(values[0] or None)
    elif name == "filter":
        model.is_filtered = values[0]
    elif name == "move":
        table.cursor_row += values[0]
    elif name == "scroll":
        table.scroll_to(y=values[0], animate=False, immediate=True)
    elif name == "wait":
        app.clock += values[0]
        table.update_volatile_cells()
    elif name == "resize":
        await pilot.resize_terminal(*values)
    elif name == "stale":
        table.stale = values[0]
    if name in ("change", "remove", "insert", "sort", "filter"):
        table.set_rows(model.list_shown())


def check_rows(app: PaintedTable, model: Model) -> None:
    """The terminal shows the rows of the model, from the one at the top on, and the mark at the cursor."""
    rows, top = model.list_shown(), round(app.table.scroll_y)
    assert list(app.table.rows) == rows
    for y, row in enumerate(rows[top : top + app.size.height - 1], start=1):
        mark = "▸ " if row.key == app.table.cursor_key else "  "
        assert app.terminal.display[y].startswith(f"{mark}{row.name} ")
