"""The virtual table, in a running app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from testbed.tables import each
from testbed.themed_app import ThemedApp
from textual.app import ComposeResult
from textual.pilot import Pilot

from flow_tui.widgets.columns import CellContent, Column, StyledText, fit_content, place_columns
from flow_tui.widgets.table import ResourceTable


@dataclass(frozen=True)
class Row:
    key: int
    name: str
    state: str = "run"


class Board(ThemedApp):
    def __init__(self, columns: list[Column[Row]] | None = None, rows: list[Row] | None = None) -> None:
        super().__init__()
        self.rendered = 0
        self.seen: list[Row | None] = []
        self.activated: list[Row] = []
        self.columns = columns or [
            Column("name", "NAME", self.counted(lambda row: row.name), min_width=12, priority=9),
            Column("state", "STATE", lambda row: StyledText(row.state, "error"), width=8, priority=5),
        ]
        self.first_rows = rows or []

    def counted(self, render: Callable[[Row], CellContent]) -> Callable[[Row], CellContent]:
        def count(row: Row) -> CellContent:
            self.rendered += 1
            return render(row)

        return count

    def compose(self) -> ComposeResult:
        yield ResourceTable(self.columns, lambda row: row.key, empty_text="nothing here\npress n")

    def on_mount(self) -> None:
        self.table.set_rows(self.first_rows)
        self.table.focus()

    @property
    def table(self) -> ResourceTable[Row]:
        return self.query_one(ResourceTable)

    def on_resource_table_highlighted(self, message: ResourceTable.Highlighted) -> None:
        self.seen.append(message.row)

    def on_resource_table_activated(self, message: ResourceTable.Activated) -> None:
        self.activated.append(message.row)


def picture(table: ResourceTable[Row]) -> list[str]:
    return [table.render_line(y).text for y in range(table.size.height)]


def numbered(count: int) -> list[Row]:
    return [Row(n, f"row-{n}") for n in range(count)]


async def test_the_cursor_stays_on_its_key_when_rows_change_places() -> None:
    app = Board(rows=numbered(50))
    async with app.run_test(size=(80, 20)) as pilot:
        assert app.table.move_to(7)
        app.table.set_rows(numbered(50)[::-1])
        await pilot.pause()
        assert app.table.cursor_key == 7
        assert app.table.selected == Row(7, "row-7")
        assert any(line.startswith("▸ row-7 ") for line in picture(app.table))


async def test_the_cursor_goes_to_the_nearest_row_left_when_its_key_vanishes() -> None:
    app = Board(rows=numbered(20))
    async with app.run_test(size=(80, 20)) as pilot:
        app.table.move_to(7)
        app.table.set_rows([row for row in numbered(20)[::-1] if row.key not in (7, 8)])
        assert app.table.cursor_key == 9
        app.table.set_rows(numbered(5))
        assert app.table.cursor_key == 4
        app.table.set_rows([])
        await pilot.pause()
        assert app.table.selected is None
        assert app.seen[-1] is None


async def test_ten_thousand_new_rows_render_only_those_in_view() -> None:
    app = Board(rows=numbered(10_000))
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.pause()
        app.rendered = 0
        app.table.set_rows([replace(row, name=f"new-{row.key}") for row in numbered(10_000)])
        await pilot.pause()
        assert 0 < app.rendered <= 30


async def test_equal_rows_are_not_rendered_again_and_one_changed_row_is_rendered_once() -> None:
    app = Board(rows=numbered(1000))
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.pause()
        app.rendered = 0
        app.table.set_rows(numbered(1000))
        await pilot.pause()
        assert app.rendered == 0
        app.table.set_rows([replace(row, name="changed") if row.key == 3 else row for row in numbered(1000)])
        await pilot.pause()
        assert app.rendered == 1
        assert "changed" in picture(app.table)[4]


async def test_markup_and_escapes_in_names_are_shown_literally() -> None:
    app = Board(rows=[Row(1, "[bold]x[/]"), Row(2, "a\x1b[31mb\nc"), Row(3, "日本語の長い名前です")])
    async with app.run_test(size=(26, 10)) as pilot:
        await pilot.pause()
        lines = picture(app.table)
        assert "[bold]x[/]" in lines[1]
        assert "a␛[31mb␊c" in lines[2]
        assert "日本語の長い…" in lines[3]
        assert not any("\x1b" in line or "\n" in line for line in lines)


def columns_of_many() -> list[Column[Row]]:
    wanted = [("name", 16, 9), ("prov", 8, 6), ("state", 8, 8), ("gpus", 8, 7), ("price", 8, 5), ("age", 8, 4)]
    wanted += [("region", 16, 1), ("mem", 8, 2)]
    return [Column(key, key.upper(), lambda row: row.name, width=size, priority=rank) for key, size, rank in wanted]


@pytest.mark.parametrize(
    ("width", "left"),
    [
        (120, ("name", "prov", "state", "gpus", "price", "age", "region", "mem")),
        (80, ("name", "prov", "state", "gpus", "price", "age", "mem")),
        (58, ("name", "prov", "state", "gpus", "price")),
        (40, ("name", "state", "gpus")),
    ],
)
async def test_columns_fold_by_priority_when_the_table_is_narrow(width: int, left: tuple[str, ...]) -> None:
    app = Board(columns=columns_of_many(), rows=numbered(3))
    async with app.run_test(size=(width, 10)) as pilot:
        await pilot.pause()
        assert app.table.shown_columns == left
        assert all(app.table.render_line(y).cell_length == width for y in range(4))


def test_flexible_columns_share_the_room_up_to_their_limit() -> None:
    columns = [
        Column[Row]("a", "A", lambda row: row.name, min_width=4, max_width=10),
        Column[Row]("b", "B", lambda row: row.name, min_width=4),
        Column[Row]("c", "C", lambda row: row.name, width=6),
    ]
    widths = [placed.width for placed in place_columns(columns, 60)]
    assert widths == [10, 40, 6]
    assert sum(placed.width for placed in place_columns(columns, 18)) == 14


@each("text", ["", "short", "longer than the room", "漢字漢字漢字漢字漢字漢字", "e\u0301" * 30])
@each("width", [1, 2, 7, 12])
def test_a_cell_fills_exactly_its_width(text: str, width: int) -> None:
    from rich.cells import cell_len

    assert cell_len("".join(cell.text for cell in fit_content(text, width, "right"))) == width


async def test_a_table_without_rows_says_why() -> None:
    app = Board()
    async with app.run_test(size=(60, 11)) as pilot:
        await pilot.pause()
        lines = [line.strip() for line in picture(app.table)]
        assert lines.index("press n") == lines.index("nothing here") + 1
        assert lines[0].startswith("NAME")


async def test_moving_past_the_edge_scrolls_and_keeps_the_header() -> None:
    app = Board(rows=numbered(100))
    async with app.run_test(size=(60, 11)) as pilot:
        app.table.action_last()
        await pilot.pause()
        assert app.table.cursor_key == 99
        assert "NAME" in picture(app.table)[0]
        assert picture(app.table)[-1].startswith("▸ row-99")
        app.table.action_page_up()
        assert app.table.cursor_key == 89
        app.table.action_first()
        app.table.action_cursor_up()
        await pilot.pause()
        assert app.table.cursor_key == 0
        assert picture(app.table)[1].startswith("▸ row-0")


async def test_the_scroll_position_stays_when_rows_are_set_again() -> None:
    app = Board(rows=numbered(100))
    async with app.run_test(size=(60, 11)) as pilot:
        app.table.scroll_to(y=40, animate=False, immediate=True)
        app.table.set_rows([replace(row, state="done") for row in numbered(100)])
        await pilot.pause()
        assert "row-40" in picture(app.table)[1]
        assert app.table.cursor_key == 0


async def test_a_click_moves_the_cursor_and_a_double_click_activates() -> None:
    app = Board(rows=numbered(20))
    async with app.run_test(size=(60, 11)) as pilot:
        await pilot.click(ResourceTable, offset=(5, 4))
        assert app.table.cursor_key == 3
        assert app.activated == []
        await pilot.click(ResourceTable, offset=(5, 6), times=2)
        assert app.activated == [Row(5, "row-5")]
        assert app.seen[-1] == Row(5, "row-5")


async def test_the_sorted_column_is_marked_in_the_header() -> None:
    app = Board(rows=numbered(3))
    async with app.run_test(size=(60, 11)) as pilot:
        app.table.set_sort("state", reverse=True)
        await pilot.pause()
        assert "▾STATE" in picture(app.table)[0]


async def test_another_theme_and_staleness_draw_the_rows_in_other_colours() -> None:
    app = Board(rows=numbered(3))

    async def colour(pilot: Pilot[None]) -> object:
        await pilot.pause()
        return next(part.style.color for part in app.table.render_line(2) if part.style and "run" in part.text)

    async with app.run_test(size=(60, 11)) as pilot:
        app.theme = "textual-dark"
        dark = await colour(pilot)
        app.theme = "gruvbox"
        other = await colour(pilot)
        app.table.stale = True
        stale = await colour(pilot)
        assert len({str(dark), str(other), str(stale)}) == 3
