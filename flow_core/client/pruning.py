"""Pruning: removes ended tasks with their logs and records, on request or by the context's settings."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from flow_core.argument_checks import check_text, format_value
from flow_core.errors import ConfigError, FlowError
from flow_core.providers.contract.pruning import DAYS_MAX

if TYPE_CHECKING:
    from flow_core.client.context_client import ContextClient
    from flow_core.models.pruning import PruningPlan, PruningResult

_TASKS_PER_LINE = 200  # of the audit log, which shortens longer lines


async def prune(client: ContextClient, plan: PruningPlan) -> PruningResult:
    """Carries out a plan through the gate, in parts that each fit into a line of the audit log."""
    from flow_core.models.pruning import PruningResult  # lazy import: few scripts prune

    facet = client.get_facet(client.provider.pruning, "tasks to prune")
    result = PruningResult(plan.context, ())
    for first in range(0, len(plan.tasks), _TASKS_PER_LINE):
        part = replace(plan, tasks=plan.tasks[first : first + _TASKS_PER_LINE])
        target = " ".join(task.task_id for task in part.tasks)
        done = await client.run_change("prune", target, facet.describe(part), partial(facet.prune, part))
        result = replace(result, pruned=result.pruned + done.pruned, refused={**result.refused, **done.refused})
    return result


async def prune_when_due(client: ContextClient) -> bool:
    """Prunes by the context's settings, once a day; returns whether it removed a task.

    Returns immediately if nothing is due. An error is only recorded in the audit log: it doesn't concern the call that
    lists tasks.
    """
    if client.provider.prune_after_days is None or client.gate.read_only:
        return False  # before the facet is loaded: nearly all contexts return here
    facet = client.provider.pruning
    if facet is None:
        return False
    with suppress(FlowError):
        plan = await facet.plan_due()
        return plan is not None and bool(plan.tasks) and bool((await prune(client, plan)).pruned)
    return False


def parse_days(value: Any) -> float | None:
    """Returns the age in days. Raises ConfigError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= DAYS_MAX:
        message = f"older_than_days: must be a number of days from 0 to {DAYS_MAX}, not {format_value(value)}"
        raise ConfigError(message, field="older_than_days")
    return float(value)


def parse_ids(value: Any) -> tuple[str, ...]:
    """Returns the ids of tasks. Raises ConfigError."""
    if isinstance(value, str) or not isinstance(value, Collection):
        raise ConfigError(f"task_ids: must be a list of ids, not {format_value(value)}", field="task_ids")
    return tuple(check_text("task_ids", one) for one in value)


def check_plan(value: Any, context: str) -> PruningPlan:
    """Returns the plan. Raises ConfigError for another object, and for the plan of another context."""
    from flow_core.models.pruning import PruningPlan  # lazy import: few scripts prune

    if not isinstance(value, PruningPlan):
        raise ConfigError(f"plan: must be what plan_pruning returned, not {format_value(value)}", field="plan")
    if value.context != context:
        raise ConfigError(f"plan: is for context {value.context!r}, and this is {context!r}", field="plan")
    return value
