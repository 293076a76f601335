"""What is kept of the dashboard for the next start: what it shows first, and nothing that may be secret."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from testbed.tui.dashboard import opened
from testbed.tui.press import press
from testbed.waiting import until

from flow_core import AsyncFlow
from flow_tui.colour_depth import ColourDepth
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.screens.kept_rows import KeptRows

PRIVATE = "in-the-command"
LOGGED = "in-the-log"


async def run_task() -> None:
    async with AsyncFlow("local") as flow:
        await flow.run(f"echo {PRIVATE}; echo {LOGGED[:6]}''{LOGGED[6:]}", wait=True, name="trains")


async def draw(dashboard: DashboardScreen) -> KeptRows:
    """Waits until all panes are loaded: before, there is no whole screen to keep."""
    return await until(dashboard.draw_kept_rows)


def text_of(rows: Sequence[Sequence[tuple[str, str]]]) -> str:
    return "\n".join("".join(text for _, text in row) for row in rows)


@pytest.mark.parametrize("size", [(160, 50), (120, 36), (80, 24), (60, 15)])
async def test_the_tables_are_kept_without_commands_logs_and_the_state_of_the_contexts(size: tuple[int, int]) -> None:
    await run_task()
    async with opened(size=size) as (_, dashboard, _):
        await until(lambda: dashboard.pane(TasksPane).table.rows)
        kept = await draw(dashboard)
        text = text_of(kept.rows)
        assert [len(line) for line in text.split("\n")] == [size[0]] * size[1]
        assert kept.columns == size[0]
        assert kept.age_s >= 0
        assert "trains" in text
        assert "Tasks 1" in text or size[0] < 70  # without a frame
        assert PRIVATE not in text
        assert LOGGED not in text
        assert "local●" not in text


@pytest.mark.parametrize("colours", list(ColourDepth))
async def test_the_colours_are_those_of_the_terminal(colours: ColourDepth) -> None:
    async with opened(colours=colours) as (_, dashboard, _):
        kept = await draw(dashboard)
        styles = {style for row in kept.rows for style, _ in row}
        assert any(styles)
        is_reduced = colours is not ColourDepth.TRUE_COLOUR
        assert not (is_reduced and any("38;2;" in style or "48;2;" in style for style in styles))
        assert "7" in kept.mark_style.split(";")


@pytest.mark.parametrize("action", ["app.show_instances", "app.new_task", "app.help", "app.show_tasks"])
async def test_nothing_is_kept_while_something_else_is_shown_than_at_a_start(action: str) -> None:
    async with opened() as (app, _, pilot):
        assert app._draw_kept_rows() is None  # nobody keeps screens in this app
        app.screen_keeper = object()  # type: ignore[assignment]
        await until(lambda: app._draw_kept_rows() is not None)
        await press(pilot, action)
        await until(lambda: app._draw_kept_rows() is None)


async def test_nothing_is_kept_while_a_filter_is_set_or_another_theme() -> None:
    async with opened() as (app, dashboard, _):
        app.screen_keeper = object()  # type: ignore[assignment]
        await until(lambda: app._draw_kept_rows() is not None)
        dashboard.pane(TasksPane).set_filter("secret")
        assert app._draw_kept_rows() is None
        dashboard.pane(TasksPane).set_filter("")
        assert app._draw_kept_rows() is not None
        app.theme = "flow-light"
        assert app._draw_kept_rows() is None
        app.screen_keeper = None
