"""The tab with the history of a bid: what it shows while the context does not report it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from testbed.bare_services import KEYS

from flow_core.models.market import TaskEvent
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.task_actions import make_history_timeout

TASK = TaskRecord("cloud", "bid_1", "train", TaskStatus.RUNNING)


async def test_the_keys_that_a_late_history_names_ask_for_it_again(ask: Any) -> None:
    asked: list[int] = []

    async def read() -> Sequence[TaskEvent]:
        asked.append(1)
        if len(asked) == 1:
            raise make_history_timeout("cloud")
        return [TaskEvent(datetime(2026, 3, 1, tzinfo=UTC), "Placed")]

    async with ask(TaskDetail(TASK, KEYS, ask=read), size=(120, 36)) as question:
        await question.press("detail.next_tab")
        await question.shows("cloud did not report the history within 30 s; press [ and ] to try again")
        await question.press("[", "]")
        await question.shows("Placed")
