"""The changes to queued tasks in the dashboard, and the tasks of other users."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.fixed_cluster import FixedCluster
from testbed.tui.cluster_dashboard import ClusterDashboard, opened
from textual.widgets import Input

from flow_core.errors import AuthError
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.help import HelpScreen
from flow_tui.dialogs.pick import Pick
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.panes.tasks.time_limit_form import TimeLimitForm

ARRAY, PENDING, HELD, OTHER = "4711", "4712", "4713", "4700"


async def select(seen: ClusterDashboard, task_id: str) -> None:
    assert seen.dashboard.pane(TasksPane).table.move_to(("cluster", task_id))
    await seen.pilot.pause()


async def agree(seen: ClusterDashboard, *texts: str) -> None:
    """Checks the texts of the confirmation, refuses the first one, and agrees to the second."""
    before = list(seen.changes)
    await seen.until(lambda: isinstance(seen.app.screen, Confirm))
    await seen.shows(*texts)
    assert seen.changes == before
    await seen.press("confirm.agree")
    await seen.until(lambda: len(seen.changes) == len(before) + 1)
    await seen.closes()


async def test_each_change_shows_its_command_and_is_made_once_the_user_agrees(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(80, 24)) as seen:
        await select(seen, PENDING)
        await seen.press("tasks.hold")
        await seen.shows("scontrol hold 4712", "Leave it in the queue")
        await seen.press("confirm.refuse")
        await seen.closes()
        assert seen.changes == []
        await seen.press("tasks.hold")
        await agree(seen, "Hold pretrain?", "scontrol hold 4712")
        await select(seen, HELD)
        await seen.press("tasks.hold")
        await agree(seen, "Release held-back?", "scontrol release 4713")
        await select(seen, ARRAY)
        await seen.press("tasks.requeue")
        await agree(seen, "Requeue sweep-lr?", "scontrol requeue 4711", "its running command")
        await seen.press("tasks.signal")
        await seen.until(lambda: isinstance(seen.app.screen, Pick))
        await seen.shows("SIGUSR1", "write a checkpoint")
        await seen.press("enter")
        await agree(seen, "Send SIGUSR1 to sweep-lr?", "scancel --signal=USR1 4711")
        await change_time_limit(seen)
        assert seen.changes == [
            ("hold", PENDING),
            ("release", HELD),
            ("requeue", ARRAY),
            ("signal", ARRAY, "SIGUSR1"),
            ("set time limit", ARRAY, 2.0),
        ]


async def change_time_limit(seen: ClusterDashboard) -> None:
    """Of a task that has run for a day."""
    await seen.press("tasks.time_limit")
    await seen.until(lambda: isinstance(seen.app.screen, TimeLimitForm))
    for wrong, said in (("soon", "enter hours, such as 12"), ("0", "enter a time above 0")):
        seen.app.screen.query_one(Input).value = wrong
        await seen.press("form.send")
        await seen.shows(said)
    seen.app.screen.query_one(Input).value = "2h"
    await seen.press("form.send")
    await agree(seen, "new limit: 2h00m", "the running command, immediately", "TimeLimit=120")


async def test_a_refusal_of_the_scheduler_is_shown_in_its_words(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        FixedCluster.refusal = AuthError("only an operator may raise the time limit of a running task")
        await select(seen, ARRAY)
        await seen.press("tasks.time_limit")
        await seen.until(lambda: isinstance(seen.app.screen, TimeLimitForm))
        seen.app.screen.query_one(Input).value = "2d"
        await seen.press("form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        assert "You lose" not in seen.text
        await seen.press("confirm.agree")
        await seen.until(lambda: "only an operator may raise" in seen.notices)


@pytest.mark.parametrize(
    ("task_id", "action", "reason"),
    [
        (OTHER, "tasks.hold", "only a pending task can be held; protein-folding is running"),
        (PENDING, "tasks.requeue", "pretrain waits in the queue already"),
        (PENDING, "tasks.signal", "a signal needs a running task; pretrain is pending"),
    ],
)
async def test_a_change_that_makes_no_sense_now_says_why(
    tmp_path: Path, task_id: str, action: str, reason: str
) -> None:
    async with opened(tmp_path) as seen:
        if task_id == OTHER:
            await seen.press("tasks.all_users")
            await seen.shows("protein-folding")
        await select(seen, task_id)
        await seen.press(action)
        await seen.until(lambda: reason in seen.notices)


async def test_a_context_without_a_scheduler_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path, "lab") as seen:
        assert seen.dashboard.pane(TasksPane).table.move_to(("lab", "task_04"))
        await seen.pilot.pause()
        await seen.press("tasks.hold")
        await seen.until(lambda: "lab has no scheduler" in seen.notices)
        await seen.press("app.help", *"tasks.requeue")
        await seen.until(lambda: isinstance(seen.app.screen, HelpScreen))
        await seen.shows("Not now: lab has no scheduler")


async def test_the_detail_of_a_task_offers_the_changes_of_its_context(tmp_path: Path) -> None:
    async with opened(tmp_path, "cloud") as seen:
        await select(seen, PENDING)
        await seen.press("tasks.detail")
        await seen.until(lambda: isinstance(seen.app.screen, TaskDetail))
        await seen.shows("H hold/release", "T time limit")
        assert "price limit" not in seen.text.partition("sweep")[0]
        await seen.press("tasks.hold")
        await agree_over_detail(seen)
        await seen.press("reader.close")
        await seen.closes()
        assert seen.dashboard.pane(TasksPane).table.move_to(("cloud", "bid_01"))
        await seen.pilot.pause()
        await seen.press("tasks.detail")
        await seen.until(lambda: isinstance(seen.app.screen, TaskDetail))
        await seen.shows("e price limit")
        assert "T time limit" not in seen.text


async def agree_over_detail(seen: ClusterDashboard) -> None:
    await seen.until(lambda: isinstance(seen.app.screen, Confirm))
    await seen.press("confirm.agree")
    await seen.until(lambda: seen.changes == [("hold", PENDING)] and isinstance(seen.app.screen, TaskDetail))


async def test_read_only_hides_the_changes_and_still_shows_the_tasks_of_others(tmp_path: Path) -> None:
    async with opened(tmp_path, read_only=True) as seen:
        await select(seen, PENDING)
        await seen.press("tasks.hold", "tasks.all_users")
        await seen.shows("protein-folding")
        assert seen.app.screen is seen.dashboard
        assert seen.changes == []


async def test_the_tasks_of_all_users_are_shown_with_their_owners_and_hidden_again(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(80, 24)) as seen:
        assert "OWNER" not in seen.text
        await seen.press("tasks.all_users")
        await seen.shows("Tasks 4, all users", "OWNER", "protein-folding", "ben")
        await seen.press("tasks.filter", *"owner:ben", "enter")
        await seen.shows("Tasks 1 of 4, all users")
        await seen.press("app.back", "tasks.all_users")
        await seen.shows("Tasks 3 ")
        assert "OWNER" not in seen.text
        assert "protein-folding" not in seen.text


async def test_without_a_scheduler_there_are_no_tasks_of_others(tmp_path: Path) -> None:
    async with opened(tmp_path, "lab", contexts=("lab",)) as seen:
        await seen.press("tasks.all_users")
        await seen.until(lambda: "No context can list the tasks of other users." in seen.notices)


async def test_an_array_is_one_row_with_its_states(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(80, 24)) as seen:
        await seen.shows("● 9/30 ✔✔✖●●◌◌◌◌◌", "1 failed, 6 running, 15 pending, 8 completed")
        await seen.press("tasks.filter", *"failed", "enter")
        await seen.shows("Tasks 1 of 3")
        await select(seen, ARRAY)
        await seen.press("tasks.detail")
        await seen.shows("8: exit 3", "✔✔✔✔✔✔✔✔✖●")
