"""The instances pane: a machine that is down stays in view, grey, and says so."""

from __future__ import annotations

from dataclasses import replace

from rich.color import Color
from textual.app import App, ComposeResult

from flow_core.models.instance import AvailableInstance
from flow_tui.panes.instances import InstancesPane
from flow_tui.themes import load_themes, variable_defaults

FIRST = AvailableInstance("lab", "gpu1", "2xa100", "gpu1", 0.0, "a100", 2, 40, 64, 256, 1, 2, description="idle")
UP = replace(FIRST, allocation_id="gpu2", region="gpu2")
DOWN = replace(FIRST, allocation_id="gpu3", region="gpu3", status="unreachable", description="gpu3 refused [/b]")


class Host(App[None]):
    def compose(self) -> ComposeResult:
        yield InstancesPane(id="instances")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variable_defaults()

    def on_mount(self) -> None:
        for theme in load_themes()[0]:
            self.register_theme(theme)
        self.theme = "flow-dark"
        self.query_one(InstancesPane).show([FIRST, UP, DOWN])  # the cursor is on the first


def colours(app: Host, row: int) -> list[Color | None]:
    """Of the words in a row, from the left."""
    line = app.query_one(InstancesPane).table.render_line(row)
    return [segment.style.color for segment in line if segment.text.strip() and segment.style]


async def test_a_machine_that_is_down_is_a_grey_row_with_its_reason() -> None:
    app = Host()
    async with app.run_test(size=(140, 20)) as pilot:
        await pilot.pause()
        row = app.query_one(InstancesPane).table.render_line(3).text
        assert "down" in row
        assert "gpu3 refused [/b]" in row
        grey = colours(app, 2)[-1]  # of what is told about a machine
        assert colours(app, 2)[0] != grey
        assert set(colours(app, 3)) == {grey}


async def test_a_machine_that_is_down_is_found_by_that() -> None:
    app = Host()
    async with app.run_test(size=(140, 20)) as pilot:
        pane = app.query_one(InstancesPane)
        pane.set_filter("status:unreachable")
        await pilot.pause()
        assert pane.table.rows == [DOWN]
