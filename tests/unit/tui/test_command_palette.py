"""The command palette, opened and closed faster than it can gather its commands."""

from __future__ import annotations

from testbed.tui.dashboard import opened
from testbed.tui.press import press
from testbed.waiting import until
from textual.command import CommandPalette

from flow_core.config import state_dir
from flow_tui.panes.tasks.pane import TasksPane


async def test_a_palette_that_closes_while_it_gathers_commands_ends_nothing() -> None:
    async with opened() as (app, dashboard, pilot):
        await press(pilot, "app.palette")
        await until(lambda: isinstance(app.screen, CommandPalette) and app.screen.is_mounted)
        palette = app.screen
        assert isinstance(palette, CommandPalette)
        await app.pop_screen()
        with app._context():
            palette._gather_commands("tasks")
        await until(lambda: all(worker.is_finished for worker in app.workers if worker.node is palette))
        await press(pilot, "tasks.filter", "x")
        assert app.crash is None
        assert app.screen is dashboard
        assert dashboard.pane(TasksPane).filter_text == "x"
    assert not list(state_dir().glob("crashes/*"))


async def test_a_page_key_before_the_palette_has_rows_does_nothing() -> None:
    async with opened(size=(1, 1)) as (app, _, pilot):
        await press(pilot, "app.palette")
        await until(lambda: isinstance(app.screen, CommandPalette))
        await pilot.press("pagedown", "a", "pagedown", "pageup", "escape")
        await pilot.pause()
        assert app.crash is None
