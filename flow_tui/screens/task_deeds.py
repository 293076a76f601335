"""What the dashboard does with the selected task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.screens.confirm import Confirm
from flow_tui.screens.detail import TaskDetail
from flow_tui.screens.pick import Choice, Pick
from flow_tui.screens.submit_preset import preset_of
from flow_tui.screens.task_spec import spec_yaml

if TYPE_CHECKING:
    from flow_tui.screens.dashboard import DashboardScreen


class TaskDeeds:
    """Carries out the actions of the tasks pane that reach beyond it."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self._dashboard = dashboard

    @property
    def task(self) -> TaskRecord | None:
        return self._dashboard.tasks.selected

    def action_logs(self) -> None:
        self._dashboard.bring_to_front("logs")

    def action_detail(self) -> None:
        if self.task is not None:
            self._dashboard.open_detail(TaskDetail(self.task))

    def action_rerun(self) -> None:
        if self.task is not None:
            self._dashboard.open_submit_form(preset_of(self.task))

    async def action_shell(self) -> None:
        task = self.task
        if task is None:
            return
        flow = self._dashboard.fleet.flow(task.context)
        await self._dashboard.all_panes()
        self._dashboard.bring_to_front("shell")
        await self._dashboard.shell.enter(
            task, lambda columns, rows: flow.open_shell(task.task_id, columns=columns, rows=rows)
        )

    async def action_cancel(self) -> None:
        task = self.task
        if task is None:
            return
        flow = self._dashboard.fleet.flow(task.context)
        question = Confirm(
            f"Cancel {task.name}?",
            [f"{task.context}  {task.status.value}  {format.ran_for(task)}  {format.gpus(task)}".rstrip(" -")],
            call=flow.provider.describe_cancel(task),
            loses="what the task has not yet written to disk, and its open shells",
            keeps="its log, its record and the data on its volumes",
        )
        if await self._dashboard.app.push_screen_wait(question):
            await flow.cancel(task.task_id)
            self._dashboard.fleet.refresh(task.context)

    async def action_copy(self) -> None:
        task = self.task
        if task is None:
            return
        choices = [Choice("id", task.task_id), Choice("name", task.name), Choice("command", task.command)]
        choices.append(Choice("spec YAML", spec_yaml(task)))
        if files := self._dashboard.task_log.files:
            choices.append(Choice("log file", str(files.log)))
        if value := await self._dashboard.app.push_screen_wait(Pick("Copy", choices)):
            self._dashboard.copy(value)

    def action_spec(self) -> None:
        if self.task is not None:
            self._dashboard.copy(spec_yaml(self.task))
