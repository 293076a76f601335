"""The part of Flow for tasks that are over."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from flow_core.client.flow import AsyncFlow
from flow_core.sync.copy_docstring import copy_docstring
from flow_core.sync.loop_thread import run_sync

if TYPE_CHECKING:
    from flow_core.models.pruning import PruningPlan, PruningResult


class FlowPruning:
    """Removes ended tasks."""

    _flow: AsyncFlow

    @copy_docstring(AsyncFlow.plan_pruning)
    def plan_pruning(
        self,
        older_than_days: float | None = None,
        keep_last: int | None = None,
        task_ids: Collection[str] = (),
    ) -> PruningPlan:
        return run_sync(self._flow.plan_pruning(older_than_days, keep_last, task_ids))

    @copy_docstring(AsyncFlow.prune_tasks)
    def prune_tasks(self, plan: PruningPlan) -> PruningResult:
        return run_sync(self._flow.prune_tasks(plan))
