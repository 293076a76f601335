"""Carries out the actions on the bid of the selected task. Each action shows the cost and the call, and asks first."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from flow_core.filters.task_words import describe_gpus
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.bid_prices import describe_limit, get_bid_prices
from flow_tui.dialogs.confirm import Confirm
from flow_tui.panes.table_pane import TablePane
from flow_tui.panes.tasks.confirmed_change import confirm_and_do
from flow_tui.panes.tasks.price_limit_form import PriceLimitForm
from flow_tui.services import Services

if TYPE_CHECKING:
    from flow_core.providers.contract.market import MarketFacet

TasksTable = TablePane[TaskRecord]


async def change_limit(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    market = _find_market(services, task)
    if task is None or market is None:
        return
    limit = await services.ask(PriceLimitForm(task))
    if limit is None:
        return
    bid = get_bid_prices(task)
    before = "unknown" if bid.limit is None else format.sums(bid.limit, task.num_instances)
    question = Confirm(
        f"Change the price limit of {task.name}?",
        [f"current limit: {before}"],
        call=market.describe_set_limit(task, limit),
        costs=describe_limit(limit, task.num_instances, bid.market),
        loses=_describe_lost_machines(task, limit, bid.market),
        keeps="everything else of the task",
        agree="Change the price limit",
        refuse="Keep the current limit",
    )
    flow = services.fleet.flow(task.context)
    await confirm_and_do(services, task, question, lambda: flow.set_limit_price(task.task_id, limit))


async def pause(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    market = _find_market(services, task)
    if task is None or market is None:
        return
    saves = task.billed_usd_per_hour
    question = Confirm(
        f"Pause {task.name}?",
        [f"{task.context}  {task.status.value}  {describe_gpus(task)}"],
        call=market.describe_pause(task),
        costs="no cost until you resume it" + (f" (now {format.hourly(saves)})" if saves else ""),
        loses="the running command" if task.is_command_running else "",
        keeps="the task, its log, the disks of its machines and its volumes",
        agree="Pause the task",
        refuse="Keep it running" if task.is_command_running else "Don't pause",
    )
    flow = services.fleet.flow(task.context)
    await confirm_and_do(services, task, question, lambda: flow.pause_task(task.task_id))


async def resume(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    market = _find_market(services, task)
    if task is None or market is None:
        return
    bid = get_bid_prices(task)
    cost = "at most its price limit" if bid.limit is None else describe_limit(bid.limit, task.num_instances, bid.market)
    question = Confirm(
        f"Resume {task.name}?",
        [f"{task.context}  {task.status.value}  {describe_gpus(task)}"],
        call=market.describe_resume(task),
        costs=cost,
        keeps="the task's volumes; its command starts again once it has machines",
        agree="Resume the task",
        refuse="Leave it paused",
    )
    flow = services.fleet.flow(task.context)
    await confirm_and_do(services, task, question, lambda: flow.resume_task(task.task_id))


def _describe_lost_machines(task: TaskRecord, limit: Decimal, market: Decimal | None) -> str:
    """Describes the machines that a limit below the market price loses; "" if it loses none."""
    if market is None or limit >= market or not task.billed_usd_per_hour:
        return ""
    return "its machines, after the platform's warning of some minutes"


def _find_market(services: Services, task: TaskRecord | None) -> MarketFacet | None:
    return None if task is None else services.fleet.flow(task.context).provider.market
