"""Prunes ended tasks: asks which tasks, shows what would be removed, and asks for confirmation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flow_core.errors import ConfigError
from flow_core.models.pruning import PruningPlan, PruningResult
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.dialogs.confirm import Confirm
from flow_tui.panes.table_pane import TablePane
from flow_tui.panes.tasks.pruning_form import PruningForm, list_tasks
from flow_tui.services import Services


async def prune(pane: TablePane[TaskRecord]) -> None:
    services = pane.services
    contexts = services.fleet.prunable
    initial_values = {"context": pane.selected.context} if pane.selected is not None else {}
    while True:
        form = PruningForm(contexts, partial(_plan, services), initial_values)
        plan = await services.ask(form)
        if plan is None:
            return
        if await services.ask(_make_dialog(services, plan)):
            await _prune(services, plan)
            return
        initial_values = dict(form.draft)  # reopens the form with its values, to name a task or to close it


async def _plan(
    services: Services, context: str, days: float | None, keep: int | None, named: Sequence[str]
) -> PruningPlan:
    task_ids = [_find_task_id(services, context, name) for name in named]
    with services.prompts.foreground(context):
        return await services.fleet.flow(context).plan_pruning(days, keep, task_ids)


async def _prune(services: Services, plan: PruningPlan) -> None:
    with services.prompts.foreground(plan.context):
        result = await services.fleet.flow(plan.context).prune_tasks(plan)
    services.fleet.refresh(plan.context)
    services.notify(f"pruned {_format_count(len(result.pruned))}, {format.disk_size(result.size_bytes)}")
    _notify_refused(services, result)


def _notify_refused(services: Services, result: PruningResult) -> None:
    for task_id, why in result.refused.items():
        more = f" ({len(result.refused) - 1} more stay too)" if len(result.refused) > 1 else ""
        services.notify(f"{task_id} stays: {why}{more}", severity="warning")
        return


def _make_dialog(services: Services, plan: PruningPlan) -> Confirm:
    facet = services.fleet.flow(plan.context).provider.pruning
    count = _format_count(len(plan.tasks))
    made = [task for task in plan.tasks if task.made_files]
    return Confirm(
        f"Prune {count} of {plan.context}?",
        _describe_plan(plan),
        call="" if facet is None else facet.describe(plan),
        loses="their logs and records" + (", and the files that the named tasks made" if made else ""),
        keeps="all volumes, all other tasks, and the idempotency keys (so a repeated submit starts no second task)",
        agree=f"Prune {count}",
        refuse="Keep them",
    )


def _find_task_id(services: Services, context: str, id_or_name: str) -> str:
    """Returns the id of a listed task with this id or name. Raises ConfigError."""
    tasks = [task for task in services.fleet.tasks if task.context == context]
    found = [task.task_id for task in tasks if id_or_name in (task.task_id, task.name)]
    if len(found) != 1:
        how_many = (
            f"{len(found)} tasks are called {id_or_name}: enter an id" if found else f"no task is called {id_or_name}"
        )
        raise ConfigError(f"task_ids: {how_many}", field="task_ids")
    return found[0]


def _describe_plan(plan: PruningPlan) -> list[str]:
    facts = [f"{_format_count(len(plan.tasks))}, {format.disk_size(plan.size_bytes)} on disk"]
    if (oldest := plan.oldest) is not None:
        day = oldest.ended_at.strftime("%Y-%m-%d")
        facts.append(f"The oldest is {oldest.name}: it ended {format.age(oldest.ended_at)} ago, on {day} (UTC).")
    if made := [task for task in plan.tasks if task.made_files]:
        facts.append(f"You named {_format_count(len(made))} with files:\n{list_tasks(made)}")
    if plan.kept:
        facts.append(f"Kept, because they made files:\n{list_tasks(plan.kept)}")
        facts.append("To prune them too, go back and enter their names.")
    facts += [f"{task_id} stays: {why}" for task_id, why in list(plan.refused.items())[:3]]
    return facts


def _format_count(count: int) -> str:
    return f"{count:,} task{'' if count == 1 else 's'}"
