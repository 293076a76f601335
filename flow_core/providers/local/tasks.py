"""The tasks of one context of this machine, as records."""

from __future__ import annotations

from flow_core.agent.layout import Layout
from flow_core.agent.task_report import TaskReport
from flow_core.agent.tasks import StoredTask, TaskStore
from flow_core.models.task import TaskRecord
from flow_core.providers.contract.blocking_io import report_progress
from flow_core.providers.over_agent.task_conversion import record_of


class LocalTasks(TaskStore):
    """Nothing unchanged is made into a record twice."""

    def __init__(self, layout: Layout, region: str) -> None:
        super().__init__(layout, report_progress)
        self._region = region
        self._records: dict[str, tuple[TaskReport, TaskRecord]] = {}

    def records(self) -> list[TaskRecord]:
        """Every task, last submitted first."""
        self._records = {standing.task_id: self._made(standing) for standing in self.all()}
        return [record for _, record in self._records.values()]

    def record(self, task_id: str) -> TaskRecord:
        """Refuses with NO_TASK."""
        standing = self.get(task_id)
        made = self._records[standing.task_id] = self._made(standing)
        return made[1]

    def _made(self, standing: StoredTask) -> tuple[TaskReport, TaskRecord]:
        known = self._records.get(standing.task_id)
        if known is not None and known[0] is standing.report:
            return known
        return standing.report, record_of(standing.report, self._layout.context, self._region)
