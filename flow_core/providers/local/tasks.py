"""The tasks of one context of this machine, as records."""

from __future__ import annotations

from flow_core.agent.layout import Layout
from flow_core.agent.task_report import TaskReport
from flow_core.agent.tasks import StoredTask, TaskStore
from flow_core.models.task import TaskRecord
from flow_core.providers.contract.blocking_io import report_progress
from flow_core.providers.over_agent.task_conversion import to_record


class LocalTasks(TaskStore):
    """The stored tasks as records. Converts each report once; unchanged reports keep their record."""

    def __init__(self, layout: Layout, region: str) -> None:
        super().__init__(layout, report_progress)
        self._region = region
        self._records: dict[str, tuple[TaskReport, TaskRecord]] = {}

    def records(self) -> list[TaskRecord]:
        """Returns every task, last submitted first."""
        self._records = {task.task_id: self._to_record(task) for task in self.list_all()}
        return [record for _, record in self._records.values()]

    def record(self, task_id: str) -> TaskRecord:
        """Returns the record of a task. Refuses with NO_TASK."""
        task = self.get(task_id)
        entry = self._records[task.task_id] = self._to_record(task)
        return entry[1]

    def _to_record(self, task: StoredTask) -> tuple[TaskReport, TaskRecord]:
        cached = self._records.get(task.task_id)
        if cached is not None and cached[0] is task.report:
            return cached
        return task.report, to_record(task.report, self._layout.context, self._region)
