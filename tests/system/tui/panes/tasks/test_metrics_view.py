"""The metrics of a task in the dashboard, over a real local context and a driver with recorded output of real ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from testbed.bare_services import KEYS
from testbed.fake_smi import FakeSmi
from testbed.screen_text import screen_text
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import AsyncFlow
from flow_core.config_file import load_config
from flow_core.errors import Conflict, Unreachable, Unsupported
from flow_core.models.metrics import MachineSample
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.app import FlowApp
from flow_tui.panes.tasks import metrics_view
from flow_tui.panes.tasks.detail import TaskDetail

SIZES = [(120, 36), (80, 24), (60, 15)]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSmi:
    smi = FakeSmi(tmp_path / "driver")
    monkeypatch.setenv("PATH", f"{smi.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:2")
    smi.set_output("titan-x.csv", "titan-x-apps.csv")
    return smi


def is_measured(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def dashboard(size: tuple[int, int], **fields: Any) -> AsyncIterator[tuple[FlowApp, Pilot[None]]]:
    """With the cursor on a task that runs."""
    async with AsyncFlow("local") as flow:
        task = await flow.run("sleep 300", name="trains", unique_name=False, wait=True, **fields)
        app = FlowApp(load_config())
        try:
            async with app.run_test(size=size) as pilot:
                await until(lambda: "trains" in screen_text(app))
                yield app, pilot
        finally:
            await task.cancel(force=True)
            await task.wait()


@pytest.mark.parametrize("size", SIZES)
async def test_the_gpus_of_a_task_are_shown_while_they_are_looked_at(smi: FakeSmi, size: tuple[int, int]) -> None:
    async with dashboard(size, instance_type="a100") as (app, pilot):
        assert smi.calls == []
        await press(pilot, "tasks.metrics")
        await until(lambda: "76%" in screen_text(app))
        assert isinstance(app.screen, TaskDetail)
        for words in ("1 x GeForce GTX TITAN X", "7.8/12.0G", "80C", "48448"):
            assert words in screen_text(app)
        assert "192453" not in screen_text(app)
        await press(pilot, "reader.bottom")
        await until(lambda: "RAM     " in screen_text(app))
        (group,) = smi.callers
        await pilot.press("escape")
        await until(lambda: not is_measured(group))


async def test_nothing_is_measured_while_the_facts_are_shown_or_something_lies_on_top(smi: FakeSmi) -> None:
    async with dashboard((120, 36), instance_type="a100") as (app, pilot):
        await press(pilot, "tasks.detail")
        await until(lambda: "submitted" in screen_text(app))
        assert smi.callers == set()
        seen: set[int] = set()
        for away, back in (
            ("tasks.metrics", "tasks.metrics"),
            ("detail.previous_tab", "detail.next_tab"),
            ("tasks.cancel", "escape"),
        ):
            if not seen:
                await press(pilot, "detail.next_tab")
            await until(lambda: smi.callers - seen)
            (group,) = smi.callers - seen
            seen.add(group)
            await press(pilot, away)
            await until(lambda group=group: not is_measured(group))  # type: ignore[misc]
            await press(pilot, back)
        await until(lambda: smi.callers - seen)


async def test_another_node_is_chosen_with_the_keys_of_ranks(smi: FakeSmi) -> None:
    async with dashboard((80, 24), instance_type="a100", num_instances=2) as (app, pilot):
        await press(pilot, "tasks.metrics")
        await until(lambda: "node 0 of 2" in screen_text(app) and "76%" in screen_text(app))
        await press(pilot, "logs.next_log")
        await until(lambda: "node 1 of 2" in screen_text(app) and "192453" in screen_text(app))
        assert "48448" not in screen_text(app)
        await press(pilot, "logs.next_log")
        await until(lambda: "node 0 of 2" in screen_text(app) and "48448" in screen_text(app))


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is one here")
async def test_a_machine_without_a_driver_is_told_so_and_the_rest_is_shown() -> None:
    async with dashboard((60, 15)) as (app, pilot):
        await press(pilot, "tasks.metrics")
        await until(lambda: "no NVIDIA driver on this machine" in screen_text(app))
        assert "load    " in screen_text(app)


async def test_it_is_said_when_the_task_has_ended(smi: FakeSmi) -> None:
    async with dashboard((80, 24), instance_type="a100") as (app, pilot):
        await press(pilot, "tasks.metrics")
        await until(lambda: "76%" in screen_text(app))
        async with AsyncFlow("local") as flow:
            (task,) = await flow.list_tasks()
            await task.cancel(force=True)
        await until(lambda: "the task has ended" in screen_text(app))
        assert "76%" in screen_text(app)


RUNNING = TaskRecord("lab", "task_1", "trains", TaskStatus.RUNNING, created_at=datetime.now(UTC))


async def test_a_context_without_metrics_says_so(ask: Any) -> None:
    def look(node: int) -> AsyncGenerator[MachineSample, None]:
        raise Unsupported("context 'lab' (provider nothing) has no metrics")

    async with ask(TaskDetail(RUNNING, KEYS, look, metrics=True)) as question:
        await question.shows("context 'lab' (provider nothing) has no metrics")


async def test_a_task_that_waits_is_told_and_one_that_has_ended_too(ask: Any) -> None:
    async def look(node: int) -> AsyncGenerator[MachineSample, None]:
        raise Conflict("task task_1 is pending; it has no machine yet")
        yield

    async with ask(TaskDetail(replace(RUNNING, status=TaskStatus.PENDING), KEYS, look, metrics=True)) as question:
        await question.shows("task task_1 is pending; it has no machine yet")
    async with ask(TaskDetail(replace(RUNNING, status=TaskStatus.COMPLETED), KEYS, look, metrics=True)) as question:
        await question.shows("the task has ended")
        assert "asking" not in question.text


async def test_a_link_that_is_lost_is_told_and_what_was_seen_stays(ask: Any) -> None:
    async def look(node: int) -> AsyncGenerator[MachineSample, None]:
        yield MachineSample(datetime.now(UTC), load=1.25)
        raise Unreachable("the link to [red]'far'[/ was lost")

    async with ask(TaskDetail(RUNNING, KEYS, look, metrics=True)) as question:
        await question.shows("the link to [red]'far'[/ was lost")
        assert "1.2" in question.text
        assert question.app.screen.query_one("MetricsView").is_sampling
        await question.press("tasks.metrics")
        assert not question.app.screen.query_one("MetricsView").is_sampling


async def test_a_task_that_is_tried_again_is_looked_at_again(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_view, "_AGAIN_S", 0.05)
    looks: list[float] = []

    async def look(node: int) -> AsyncGenerator[MachineSample, None]:
        looks.append(len(looks) + 1)
        yield MachineSample(datetime.now(UTC), load=looks[-1])

    detail = TaskDetail(RUNNING, KEYS, look, metrics=True)
    async with ask(detail) as question:
        await question.shows("no process of the task runs on this machine now")
        await question.until(lambda: len(looks) > 3)
        detail.update(replace(RUNNING, status=TaskStatus.FAILED))
        await question.shows("the task has ended; these are its last metrics")
        assert f"{len(looks)}.0" in question.text
