"""The facet for providers that keep ended tasks until they are pruned."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.models.pruning import PruningPlan, PruningResult

DAYS_MAX = 36500
"""A hundred years."""


class PruningFacet(Protocol):
    """The removal of ended tasks with their logs and records. Volumes are never removed."""

    async def plan(
        self, older_than_days: float | None, keep_last: int | None, task_ids: Collection[str] = ()
    ) -> PruningPlan:
        """Selects tasks to prune: those that the rule selects, and `task_ids`.

        The rule selects the tasks that ended more than `older_than_days` ago and are not among the last `keep_last`.
        Without a rule, only `task_ids` are selected. It reads the folder of every ended task. Calling it again is safe.
        Raises NotFound, and Conflict for a task of `task_ids` that can't be pruned.
        """

    async def prune(self, plan: PruningPlan) -> PruningResult:
        """Removes the tasks of a plan. Checks each task again; the result has the reason for each task that it keeps.

        Calling it again is safe. The space on disk is free soon after. Raises Unreachable.
        """

    async def plan_due(self) -> PruningPlan | None:
        """Returns the plan for the context's prune setting.

        None without a setting, or if today's plan was already made. Calling it again is safe. Makes no request if
        nothing is due.
        """

    def describe(self, plan: PruningPlan) -> str:
        """Returns the exact call or command. Makes no request."""
