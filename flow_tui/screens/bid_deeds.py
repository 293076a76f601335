"""What the dashboard does with the bid of a task: its limit, a pause and its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.screens.bid import bid_line, bid_of
from flow_tui.screens.confirm import Confirm
from flow_tui.screens.limit_form import LimitForm

if TYPE_CHECKING:
    from flow_core.providers.contract.market import MarketFacet
    from flow_tui.screens.dashboard import DashboardScreen


class BidDeeds:
    """Part of the task's deeds. Each asks first, with the sums and the call."""

    _dashboard: DashboardScreen

    @property
    def task(self) -> TaskRecord | None:
        return self._dashboard.tasks.selected

    async def action_limit(self) -> None:
        task = self.task
        market = self._market_of(task)
        if task is None or market is None:
            return
        limit = await self._dashboard.app.push_screen_wait(LimitForm(task))
        if limit is None:
            return
        bid = bid_of(task)
        before = "unknown" if bid.limit is None else format.sums(bid.limit, task.num_instances)
        question = Confirm(
            f"Change the price limit of {task.name}?",
            [f"now: {before}"],
            call=market.describe_set_limit(task, limit),
            costs=bid_line(limit, task.num_instances, bid.market),
            loses="its machines, at once" if bid.market is not None and limit < bid.market else "",
            keeps="everything else of the task",
            agree="Change the price limit",
            refuse="Keep the old limit",
        )
        flow = self._dashboard.fleet.flow(task.context)
        await self._ask(task, question, lambda: flow.set_limit_price(task.task_id, limit))

    async def action_pause(self) -> None:
        task = self.task
        market = self._market_of(task)
        if task is None or market is None:
            return
        saves = task.billed_usd_per_hour
        question = Confirm(
            f"Pause {task.name}?",
            [f"{task.context}  {task.status.value}  {format.gpus(task)}"],
            call=market.describe_pause(task),
            costs="nothing until it is resumed" + (f"; {format.hourly(saves)} now" if saves else ""),
            loses="what runs on its machines, and what is only on their own disks",
            keeps="the task, its log and the data on its volumes",
            agree="Pause the task",
            refuse="Keep it running",
        )
        flow = self._dashboard.fleet.flow(task.context)
        await self._ask(task, question, lambda: flow.pause_task(task.task_id))

    async def action_resume(self) -> None:
        task = self.task
        market = self._market_of(task)
        if task is None or market is None:
            return
        bid = bid_of(task)
        cost = "at most its price limit" if bid.limit is None else bid_line(bid.limit, task.num_instances, bid.market)
        question = Confirm(
            f"Resume {task.name}?",
            [f"{task.context}  {task.status.value}  {format.gpus(task)}"],
            call=market.describe_resume(task),
            costs=cost,
            keeps="the task's volumes; its command starts again once it has machines",
            agree="Resume the task",
            refuse="Leave it paused",
        )
        flow = self._dashboard.fleet.flow(task.context)
        await self._ask(task, question, lambda: flow.resume_task(task.task_id))

    def _market_of(self, task: TaskRecord | None) -> MarketFacet | None:
        return None if task is None else self._dashboard.fleet.flow(task.context).provider.market

    async def _ask(self, task: TaskRecord, question: Confirm, do: Callable[[], Awaitable[object]]) -> None:
        if await self._dashboard.app.push_screen_wait(question):
            with self._dashboard.questions.hurried(task.context):
                await do()
            self._dashboard.fleet.refresh(task.context)
