"""Pruning: ended tasks go, with their logs and records, when the user says so or the context's settings do."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from flow_core import validation
from flow_core.client.context_client import ContextClient
from flow_core.errors import ConfigError, FlowError
from flow_core.providers.pruning import DAYS_MAX, PRUNE_AFTER_DAYS

if TYPE_CHECKING:
    from flow_core.models.pruning import PruningPlan, PruningResult
    from flow_core.providers.pruning import PruningFacet

_TASKS_A_LINE = 200  # of the audit log, which cuts what is longer


class PruningCalls(ContextClient):
    """What a client does with tasks that are over."""

    async def plan_pruning(
        self,
        older_than_days: float | None = None,
        keep_last: int | None = None,
        task_ids: Collection[str] = (),
    ) -> PruningPlan:
        """The ended tasks that `prune_tasks` would remove: how many, how large, and which is the oldest.

        Those that ended more than `older_than_days` ago and are not among the last `keep_last` to end; and those that
        `task_ids` names. A task whose own folder holds files that it made goes only when it is named. Changes nothing.
        Raises ConfigError, NotFound, Conflict for a named task that is not over, Unsupported.
        """
        facet, days = self._pruning, _days(older_than_days)
        keep, named = validation.optional_whole("keep_last", keep_last), _ids(task_ids)
        if days is None and keep is None and not named:
            raise ConfigError("older_than_days: give this, keep_last or task_ids", field="older_than_days")
        return await facet.plan(days, keep, named)

    async def prune_tasks(self, plan: PruningPlan) -> PruningResult:
        """Removes the tasks of a plan with their logs and records; volumes stay, and so do idempotency keys.

        Twice is safe. A task that can't go any more stays, and the result says why. Raises ReadOnly, ConfigError,
        Unreachable, Unsupported.
        """
        return await prune(self, _plan_of(plan, self.context.name))

    @property
    def _pruning(self) -> PruningFacet:
        return self.facet(self.provider.pruning, "tasks to prune")


async def prune(connection: ContextClient, plan: PruningPlan) -> PruningResult:
    """Carries out a plan through the gate, in parts that each fit a line of the audit log."""
    from flow_core.models.pruning import PruningResult  # deferred: hardly any script prunes

    facet = connection.facet(connection.provider.pruning, "tasks to prune")
    result = PruningResult(plan.context, ())
    for first in range(0, len(plan.tasks), _TASKS_A_LINE):
        part = replace(plan, tasks=plan.tasks[first : first + _TASKS_A_LINE])
        target = " ".join(task.task_id for task in part.tasks)
        done = await connection.change("prune", target, facet.describe(part), partial(facet.prune, part))
        result = replace(result, pruned=result.pruned + done.pruned, refused={**result.refused, **done.refused})
    return result


async def prune_when_due(connection: ContextClient) -> bool:
    """Prunes what the context's settings say, once a day; True when something went. At once where nothing is due.

    What goes wrong is in the audit log and nowhere else: whoever came to look at tasks has nothing to do with it.
    """
    if connection.context.settings.get(PRUNE_AFTER_DAYS) is None or connection.gate.read_only:
        return False  # before the facet is loaded: nearly every context is one of these
    facet = connection.provider.pruning
    if facet is None:
        return False
    with suppress(FlowError):
        plan = await facet.plan_due()
        return plan is not None and bool(plan.tasks) and bool((await prune(connection, plan)).pruned)
    return False


def _days(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= DAYS_MAX:
        message = f"older_than_days: must be a number of days from 0 to {DAYS_MAX}, not {validation.shown(value)}"
        raise ConfigError(message, field="older_than_days")
    return float(value)


def _ids(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Collection):
        raise ConfigError(f"task_ids: must be a list of ids, not {validation.shown(value)}", field="task_ids")
    return tuple(validation.text("task_ids", one) for one in value)


def _plan_of(value: Any, context: str) -> PruningPlan:
    from flow_core.models.pruning import PruningPlan  # deferred: as above

    if not isinstance(value, PruningPlan):
        raise ConfigError(f"plan: must be what plan_pruning returned, not {validation.shown(value)}", field="plan")
    if value.context != context:
        raise ConfigError(f"plan: is for context {value.context!r}, and this is {context!r}", field="plan")
    return value
