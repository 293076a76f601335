"""The pane of what can be had."""

from __future__ import annotations

from pathlib import Path

from testbed.bare_services import bare_services
from testbed.tui.dashboard import opened
from testbed.tui.press import press
from testbed.waiting import until

from flow_core import AsyncFlow
from flow_core.config import Config, Context
from flow_core.models.instance import AvailableInstance
from flow_tui.format import free_of
from flow_tui.panes.instances.pane import InstancesPane
from flow_tui.widgets.columns import StyledText


def test_all_of_a_row_is_grey_while_its_machine_does_not_answer() -> None:
    columns = InstancesPane(bare_services()).make_columns()
    up = AvailableInstance("lab", "gpu1", "2xa100", "gpu1", 0.0, gpu_count=2, free_gpus=1, total_gpus=2)
    down = AvailableInstance(
        "lab", "gpu2", "2xa100", "gpu2", 0.0, gpu_count=2, free_gpus=0, total_gpus=2, status="unreachable"
    )
    cells = [column.render(down) for column in columns]
    assert all(isinstance(cell, StyledText) and cell.style == "muted" for cell in cells)
    assert "down" in [cell.text for cell in cells if isinstance(cell, StyledText)]
    assert "1 of 2" in [cell.text for column in columns if isinstance(cell := column.render(up), StyledText)]


async def test_free_counts_gpus_whatever_the_type_takes_of_them() -> None:
    async with AsyncFlow(Context("here", "local", {"gpus": "a100:4"})) as flow:
        offers = await flow.find_instances({})
    assert {one.instance_type: free_of(one) for one in offers} == {
        "cpu": "-",
        "1xa100": "4 of 4",
        "2xa100": "4 of 4",
        "4xa100": "4 of 4",
    }
    pair = next(one for one in offers if one.instance_type == "2xa100")
    assert (pair.available_quantity, pair.total_quantity) == (2, 2)


async def test_the_title_counts_the_rows_and_says_so() -> None:
    config = Config(Path("none"), (Context("here", "local", {"gpus": ","}),), "here")
    async with opened(config) as (_, dashboard, _pilot):
        pane = dashboard.pane(InstancesPane)
        await until(lambda: pane.table.rows)
        assert str(pane.border_title) == "GPUs 1 row"  # the row "cpu"
    config = Config(Path("none"), (Context("here", "local", {"gpus": "a100:2"}),), "here")
    async with opened(config) as (_, dashboard, pilot):
        pane = dashboard.pane(InstancesPane)
        await until(lambda: pane.table.rows)
        assert str(pane.border_title) == "GPUs 3 rows"
        await press(pilot, "app.show_instances", "instances.filter", *"type:cpu", "enter")
        await until(lambda: str(pane.border_title) == "GPUs 1 of 3 rows")


async def test_gpus_of_this_machine_are_listed_once_for_two_contexts() -> None:
    contexts = (Context("here", "local", {"gpus": "a100:2"}), Context("there", "local", {"gpus": "a100:2"}))
    async with opened(Config(Path("none"), contexts, "here")) as (_, dashboard, _pilot):
        await until(
            lambda: len({state.context.name for state in dashboard.services.fleet.states if state.instances}) == 2
        )
        table = dashboard.pane(InstancesPane).table
        expected = [("here", "cpu"), ("here", "1xa100"), ("here", "2xa100")]
        await until(lambda: [(row.context, row.instance_type) for row in table.rows] == expected)
