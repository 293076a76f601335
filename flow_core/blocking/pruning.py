"""The part of Flow for tasks that are over."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from flow_core._loop import call
from flow_core.blocking.words import same_as
from flow_core.client.flow import AsyncFlow

if TYPE_CHECKING:
    from flow_core.models.pruning import PruningPlan, PruningResult


class FlowPruning:
    """Removes ended tasks."""

    _flow: AsyncFlow

    @same_as(AsyncFlow.plan_pruning)
    def plan_pruning(
        self,
        older_than_days: float | None = None,
        keep_last: int | None = None,
        task_ids: Collection[str] = (),
    ) -> PruningPlan:
        return call(self._flow.plan_pruning(older_than_days, keep_last, task_ids))

    @same_as(AsyncFlow.prune_tasks)
    def prune_tasks(self, plan: PruningPlan) -> PruningResult:
        return call(self._flow.prune_tasks(plan))
