"""The dashboard without a task: its panes, its keys, and what it says of a config."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testbed.screen_text import screen_text
from testbed.tui.dashboard import config as config
from testbed.tui.dashboard import notices, opened
from testbed.tui.press import press
from testbed.waiting import until

from flow_core.config import Config
from flow_core.config_file import load_config
from flow_core.gpu_shorthand import parse_gpu
from flow_core.models.instance import AvailableInstance
from flow_tui.app import FlowApp
from flow_tui.dialogs.submit.submit_form import SubmitForm
from flow_tui.panes.instances.pane import InstancesPane
from flow_tui.panes.registry import PANES
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.panes.volumes.pane import VolumesPane


async def test_the_first_run_says_what_to_press() -> None:
    async with opened() as (app, _, _pilot):
        await until(lambda: "ctrl+n" in screen_text(app))


async def test_a_broken_config_is_told_and_the_sound_part_is_used(config: Callable[[str], Config]) -> None:
    settings = config("contexts:\n  lab: {provider: local}\n  bad: {provider: nowhere}\n")
    async with opened(settings) as (app, _, _pilot):
        assert app.fleet.names == ("local", "lab")
        await until(lambda: any("nowhere" in notice and ":3:" in notice for notice in notices(app)))


async def test_a_pane_is_brought_to_the_front_and_then_to_full_size_at_every_size() -> None:
    async with opened() as (_app, dashboard, pilot):
        for size in ((160, 48), (120, 36), (80, 24), (60, 15)):
            await pilot.resize_terminal(*size)
            await press(pilot, "app.show_volumes")
            assert dashboard.pane(VolumesPane).display
            assert dashboard.pane(VolumesPane).table.has_focus
            await press(pilot, "app.show_volumes")
            panes = [dashboard.query_one(f"#{pane.noun}") for pane in PANES]
            assert [pane for pane in panes if pane.display] == [dashboard.pane(VolumesPane)]
            await pilot.press("escape", "escape")
            assert dashboard.pane(TasksPane).table.has_focus


async def test_enter_on_an_instance_type_opens_the_form_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:2")
    async with opened() as (app, dashboard, pilot):
        await press(pilot, "app.show_instances")
        await until(lambda: len(dashboard.pane(InstancesPane).table.rows) == 3)
        await press(pilot, "instances.last", "instances.submit_here")
        await until(lambda: isinstance(app.screen, SubmitForm))
        assert app.screen.entered["gpu"] == "2xa100"


async def test_what_was_typed_and_not_submitted_is_there_again() -> None:
    async with opened() as (app, _dashboard, pilot):
        await press(pilot, "app.new_task")
        await until(lambda: isinstance(app.screen, SubmitForm) and app.screen.focused)
        await pilot.press(*"half", "escape")
        await until(lambda: not isinstance(app.screen, SubmitForm))
        await press(pilot, "app.new_task")
        await until(lambda: isinstance(app.screen, SubmitForm) and app.screen.focused)
        assert app.screen.entered["name"] == "half"


async def test_ctrl_c_leaves_only_when_pressed_twice() -> None:
    app = FlowApp(load_config())
    async with app.run_test() as pilot:
        await pilot.press("ctrl+c")
        await until(lambda: any("again" in notice for notice in notices(app)))
        assert app.is_running
        await pilot.press("ctrl+c")
        await until(lambda: not app.is_running)


async def test_an_instance_type_is_asked_for_in_the_form_as_it_is_called(config: Callable[[str], Config]) -> None:
    settings = config("contexts: {lab: {provider: local, gpus: 2xa100}}")
    async with opened(settings, contexts=("lab",)) as (app, dashboard, pilot):
        await press(pilot, "app.show_instances")
        await until(lambda: dashboard.pane(InstancesPane).selected)
        await press(pilot, "instances.submit_here")
        await until(lambda: isinstance(app.screen, SubmitForm))
        assert app.screen.entered["gpu"] == dashboard.pane(InstancesPane).selected.instance_type
        assert app.screen.entered["context"] == "lab"
        assert parse_gpu(app.screen.entered["gpu"])


async def test_enter_on_a_machine_that_is_down_says_why() -> None:
    down = AvailableInstance(
        "local", "gpu2", "2xa100", "gpu2", 0.0, status="unreachable", description="gpu2 refused the connection [/]"
    )
    async with opened() as (app, dashboard, _pilot):
        dashboard.pane(InstancesPane).show([down])
        dashboard.action_act("instances.submit_here")
        await until(lambda: "gpu2 refused the connection [/]" in notices(app))
        assert app.screen is dashboard
