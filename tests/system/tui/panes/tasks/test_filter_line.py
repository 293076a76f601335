"""The filter line of the tasks pane."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testbed.obedient import Obedient, task
from testbed.obedient import far as far
from testbed.tui.dashboard import config as config
from testbed.tui.dashboard import opened
from testbed.tui.press import press
from testbed.waiting import until

from flow_core.config import Config
from flow_core.models.task import TaskStatus
from flow_tui.panes.tasks.pane import TasksPane

MakeConfig = Callable[[str], Config]
FAR = "contexts: {far: {provider: obedient}}\n"


@pytest.fixture
def tasks(far: type[Obedient]) -> None:
    far.answers = (task("t-1", TaskStatus.FAILED), task("t-2"), task("t-3", TaskStatus.COMPLETED))


@pytest.mark.usefixtures("tasks")
async def test_tab_completes_the_word_and_an_invalid_word_is_explained(config: MakeConfig) -> None:
    async with opened(config(FAR), size=(160, 36)) as (_, dashboard, pilot):
        pane = dashboard.pane(TasksPane)
        await until(lambda: len(pane.table.rows) == 3)
        await press(pilot, "tasks.filter", *"sta")
        await until(lambda: pane._filter is not None and pane._filter._suggestion == "state:")
        await pilot.press("tab", *"f")
        await until(lambda: pane.filter_text == "state:f" and len(pane.table.rows) == 1)
        await until(lambda: pane._filter is not None and pane._filter._suggestion == "state:failed")
        await pilot.press("right", *" colour:red")
        await until(lambda: "no field is called colour" in str(pane.border_subtitle))
        assert [row.task_id for row in pane.table.rows] == ["t-1"]
        await pilot.press("escape")
        await until(lambda: len(pane.table.rows) == 3 and "colour" not in str(pane.border_subtitle))
