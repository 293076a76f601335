"""The actions on the bid of a task, and what the dashboard tells of its costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from testbed.tui.cloud_dashboard import Seen, opened
from testbed.tui.press import press
from textual.widgets import Input

from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.dialogs.confirm import Confirm
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.price_limit_form import PriceLimitForm


async def test_costs_and_limits_are_told_and_a_limit_is_changed_once_the_call_was_seen(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as seen:
        await seen.shows("$0.00/h")
        task_id = await seen.submit(num_instances=2, max_price_per_hour=35.2)
        await seen.becomes(task_id, TaskStatus.RUNNING)
        task = seen.task(task_id)
        assert task is not None
        assert task.billed_usd_per_hour
        await seen.shows(f"${task.billed_usd_per_hour:.2f}/h", "$/H", f"{task.billed_usd_per_hour:.2f}")
        await press(seen.pilot, "tasks.detail")
        await seen.until(lambda: isinstance(seen.app.screen, TaskDetail))
        for size in ((80, 24), (120, 36)):
            await seen.pilot.resize_terminal(*size)
            await seen.shows("$35.20/h", "$17.60/h", "100% above", "Allocated", "History")
        await press(seen.pilot, "detail.previous_tab")
        await seen.shows("Placed", "limit $35.20/h", "Running")
        before = len(seen.calls("GET", f"/v2/spot/bids/{task_id}/history"))
        await press(seen.pilot, "detail.next_tab")
        await seen.shows("margin")
        assert before == len(seen.calls("GET", f"/v2/spot/bids/{task_id}/history"))
        await change_the_limit(seen, task_id)


async def change_the_limit(seen: Seen, task_id: str) -> None:
    """From the detail of a task with two instances."""
    await ask_for_a_limit(seen, "nothing")
    await seen.shows("such as 12.50")
    seen.app.screen.query_one(Input).value = "$8.80"
    await press(seen.pilot, "form.send")
    await seen.until(lambda: isinstance(seen.app.screen, Confirm))
    await seen.shows("its machines, after the platform's warning of some minutes", "50% below")
    await press(seen.pilot, "confirm.refuse")
    await seen.until(lambda: isinstance(seen.app.screen, PriceLimitForm | TaskDetail))
    if isinstance(seen.app.screen, PriceLimitForm):
        await seen.pilot.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, TaskDetail))
    await ask_for_a_limit(seen, "50")
    await seen.until(lambda: isinstance(seen.app.screen, Confirm))
    await seen.shows("$50.00/h per instance, $100.00/h total", f"/v2/spot/bids/{task_id}", "PATCH")
    assert not seen.calls("PATCH", f"/v2/spot/bids/{task_id}")
    await press(seen.pilot, "confirm.agree")
    await seen.until(lambda: _limit(seen, task_id) == "$50.00")
    await seen.shows("$50.00/h per instance, $100.00/h total")
    assert seen.app.fleet.gate.log.read_recent()[0].verb == "set limit"


async def ask_for_a_limit(seen: Seen, limit: str) -> None:
    await press(seen.pilot, "tasks.limit")
    await seen.until(lambda: isinstance(seen.app.screen, PriceLimitForm))
    seen.app.screen.query_one(Input).value = limit
    await press(seen.pilot, "form.send")


async def test_a_task_without_machines_loses_nothing_that_it_does_not_have(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        task_id = await seen.submit(max_price_per_hour=10)  # below the market price
        await seen.becomes(task_id, TaskStatus.PENDING)
        await asks_without_a_loss(seen, "tasks.cancel", "Keep the task")
        await asks_without_a_loss(seen, "tasks.pause", "Don't pause")
        await ask_for_a_limit(seen, "9")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("Keep the current limit")
        assert "You lose" not in seen.text
        await press(seen.pilot, "confirm.refuse")
        await press(seen.pilot, "tasks.pause")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await press(seen.pilot, "confirm.agree")
        await seen.becomes(task_id, TaskStatus.PAUSED)
        await asks_without_a_loss(seen, "tasks.cancel", "Keep the task")


async def asks_without_a_loss(seen: Seen, action_id: str, refusal: str) -> None:
    """Triggers an action whose dialog must name no loss, and refuses."""
    await press(seen.pilot, action_id)
    await seen.until(lambda: isinstance(seen.app.screen, Confirm))
    await seen.shows(refusal, "What will be done")
    assert "You lose" not in seen.text
    assert "Keep it running" not in seen.text
    await press(seen.pilot, "confirm.refuse")
    await seen.until(lambda: seen.app.screen is seen.dashboard)


async def test_a_task_is_paused_and_resumed_behind_a_question(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        task_id = await seen.submit()
        await seen.becomes(task_id, TaskStatus.RUNNING)
        await press(seen.pilot, "tasks.resume")
        await seen.until(lambda: "is not paused" in seen.notices())
        await press(seen.pilot, "tasks.pause")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("now $17.60/h", "PATCH")
        await press(seen.pilot, "confirm.agree")
        await seen.becomes(task_id, TaskStatus.PAUSED)
        await press(seen.pilot, "tasks.pause")
        await seen.until(lambda: "is already paused" in seen.notices())
        await press(seen.pilot, "tasks.resume")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("at most $40.00/h", "again for at most $40.00/h")
        await press(seen.pilot, "confirm.agree")
        await seen.becomes(task_id, TaskStatus.RUNNING)


@pytest.mark.needs("user-namespaces", "ssh-keygen")
async def test_a_command_that_has_ended_still_costs_until_its_machines_are_ended(tmp_path: Path) -> None:
    async with opened(tmp_path, contexts=("cloud",), has_machines=True) as seen:
        task_id = await seen.submit(command="echo done")
        await seen.until(lambda: _has(seen, task_id, lambda task: task.is_still_billed))
        await seen.shows("completed", "!17.60", "$17.60/h")
        await press(seen.pilot, "tasks.detail")
        await seen.shows("the command has ended: press ctrl+d to end the machines")
        await press(seen.pilot, "tasks.cancel")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("End the machines of train?", "still cost $17.60/h", "DELETE")
        await press(seen.pilot, "confirm.agree")
        await seen.until(lambda: _has(seen, task_id, lambda task: not task.is_still_billed))
        await seen.pilot.press("escape")
        await seen.shows("completed", "$0.00/h")
        await press(seen.pilot, "tasks.cancel")
        await seen.until(lambda: "has already ended" in seen.notices())


def _has(seen: Seen, task_id: str, holds: Callable[[TaskRecord], bool]) -> bool:
    task = seen.task(task_id)
    return task is not None and holds(task)


def _limit(seen: Seen, task_id: str) -> object:
    task = seen.task(task_id)
    return None if task is None else task.provider_metadata["limit_price"]
