"""Pruning of ended tasks on this machine."""

from __future__ import annotations

import shlex
import time
from collections.abc import Collection

from flow_core.agent.ids import is_task_id
from flow_core.agent.layout import Layout
from flow_core.agent.pruning import selection
from flow_core.agent.pruning.removal import remove_tasks
from flow_core.agent.pruning.schedule import claim_daily_pruning
from flow_core.agent.pruning.selection import PruningRule, select
from flow_core.errors import Conflict, NotFound, printable
from flow_core.models.pruning import PruningPlan, PruningResult
from flow_core.providers.contract.blocking_io import report_progress
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.providers.over_agent.pruning_conversion import explain_refusal, explain_refusals, to_prunable_tasks

_DAY_S = 24 * 3600.0
_POLL_S = 600.0
_SHOWN_MAX = 10


class LocalPruning:
    """The pruning of one context."""

    def __init__(self, layout: Layout, after_days: float | None) -> None:
        self._after_days = after_days
        self._layout = layout
        self._next_poll_at = 0.0

    async def plan(
        self, older_than_days: float | None, keep_last: int | None, task_ids: Collection[str] = ()
    ) -> PruningPlan:
        return await call_agent(self._make_plan, older_than_days, keep_last, frozenset(task_ids))

    async def prune(self, plan: PruningPlan) -> PruningResult:
        return await call_agent(self._prune, plan)

    async def plan_due(self) -> PruningPlan | None:
        if self._after_days is None or time.monotonic() < self._next_poll_at:
            return None
        self._next_poll_at = time.monotonic() + _POLL_S
        return await call_agent(self._make_due_plan, self._after_days)

    def describe(self, plan: PruningPlan) -> str:
        names = [task.task_id for task in plan.tasks]
        shown = ",".join(names[:_SHOWN_MAX])
        more = f"  (and {len(names) - _SHOWN_MAX} more)" if len(names) > _SHOWN_MAX else ""
        return f"rm -r {shlex.quote(str(self._layout.tasks))}/{f'{{{shown}}}' if len(names) > 1 else shown}{more}"

    def _make_plan(self, older_than_days: float | None, keep_last: int | None, task_ids: frozenset[str]) -> PruningPlan:
        for task_id in task_ids:
            if not is_task_id(task_id):
                raise self._not_found(task_id)
        before = None if older_than_days is None else time.time() - older_than_days * _DAY_S
        selected = select(self._layout, PruningRule(before, keep_last, task_ids), report_progress)
        for refusal in selected.refused:
            if refusal.task_id in task_ids and refusal.code == selection.GONE:
                raise self._not_found(refusal.task_id)
            if refusal.task_id in task_ids:
                raise Conflict(f"task {refusal.task_id} can't be pruned: {explain_refusal(refusal)}")
        name = self._layout.context
        return PruningPlan(
            name,
            to_prunable_tasks(selected.tasks),
            to_prunable_tasks(selected.kept),
            explain_refusals(selected.refused),
        )

    def _make_due_plan(self, after_days: float) -> PruningPlan | None:
        return self._make_plan(after_days, None, frozenset()) if claim_daily_pruning(self._layout) else None

    def _prune(self, plan: PruningPlan) -> PruningResult:
        with_made_files = {task.task_id for task in plan.tasks if task.made_files}
        task_ids = [task.task_id for task in plan.tasks if is_task_id(task.task_id)]
        removal = remove_tasks(self._layout, task_ids, with_made_files, report_progress)
        return PruningResult(
            self._layout.context, to_prunable_tasks(removal.removed), explain_refusals(removal.refused)
        )

    def _not_found(self, task_id: str) -> NotFound:
        return NotFound(f"no task {printable(repr(task_id[:40]))} in context {self._layout.context!r}")
