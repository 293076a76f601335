"""What the dashboard does with the selected task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from flow_core.client.run_on_nodes import NodeResult, run_on_nodes
from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.screens.bid_deeds import BidDeeds
from flow_tui.screens.confirm import Confirm
from flow_tui.screens.detail import TaskDetail
from flow_tui.screens.everywhere import Everywhere
from flow_tui.screens.pick import Choice, Pick
from flow_tui.screens.pruning_deeds import PruningDeeds
from flow_tui.screens.shell_opening import ShellOpening
from flow_tui.screens.submit_preset import preset_of
from flow_tui.screens.task_spec import spec_yaml

if TYPE_CHECKING:
    from flow_core.models.market import TaskEvent
    from flow_tui.screens.dashboard import DashboardScreen


_HISTORY_S = 30.0
_IN_A_PANE = frozenset({"tasks.logs", "tasks.shell"})
_SSH = "for a terminal of its own"  # what stands beside the choice; the command itself is asked for once it is chosen
_EVERYWHERE_S = 600.0


class TaskDeeds(BidDeeds, PruningDeeds):
    """Carries out the actions of the tasks pane that reach beyond it."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self._dashboard = dashboard

    def action_logs(self) -> None:
        self._dashboard.bring_to_front("logs")

    def action_detail(self) -> None:
        self._open_detail()

    def action_metrics(self) -> None:
        self._open_detail(metrics=True)

    def _open_detail(self, *, metrics: bool = False) -> None:
        if (task := self.task) is not None:
            flow = self._dashboard.fleet.flow(task.context)
            look = partial(flow.task_metrics, task.task_id)
            ask = partial(self._history, task) if self._dashboard.fleet.has_market(task.context) else None
            act, read_only = partial(self._act, task.key), self._dashboard.is_read_only
            detail = TaskDetail(task, look, ask, act, metrics=metrics, read_only=read_only)
            self._dashboard.open_detail(detail)

    def _act(self, key: tuple[str, str], action_id: str) -> None:
        """An action on the task that is read about, wherever the cursor is by now."""
        dashboard = self._dashboard
        if not dashboard.tasks.table.move_to(key):
            dashboard.say("This task is no longer listed, or the filter hides it.", severity="warning")
        elif action_id in _IN_A_PANE and dashboard.why_not(action_id) is None:
            dashboard.close_detail(action_id)
        else:
            dashboard.action_act(action_id)

    async def _history(self, task: TaskRecord) -> list[TaskEvent]:
        fleet = self._dashboard.fleet
        try:
            async with fleet.deadline(task.context, _HISTORY_S):
                return await fleet.flow(task.context).task_history(task.task_id)
        except TimeoutError:
            raise FlowError(f"no answer within {_HISTORY_S:.0f} s") from None

    def action_rerun(self) -> None:
        if self.task is not None:
            self._dashboard.open_submit_form(preset_of(self.task))

    def action_shell(self) -> None:
        if self.task is not None:
            ShellOpening(self._dashboard, self.task, is_kept=False).start()

    def action_kept_shell(self) -> None:
        if self.task is not None:
            ShellOpening(self._dashboard, self.task, is_kept=True).start()

    async def action_everywhere(self) -> None:
        task = self.task
        if task is None:
            return
        flow = self._dashboard.fleet.flow(task.context)
        remote = flow.get_remote_operations()

        async def run(command: str, runs: Sequence[NodeResult], changed: Callable[[NodeResult], None]) -> None:
            do = partial(run_on_nodes, remote, task.task_id, command, runs, changed, timeout_s=_EVERYWHERE_S)
            with self._dashboard.questions.hurried(task.context):
                await flow.change("shell", task.task_id, f"on each of {len(runs)} nodes: {command}", do)

        await self._dashboard.app.push_screen_wait(Everywhere(task.name, task.num_instances, run))

    async def action_cancel(self) -> None:
        task = self.task
        if task is None:
            return
        flow = self._dashboard.fleet.flow(task.context)
        facts = [f"{task.context}  {task.status.value}  {format.ran_for(task)}  {format.gpus(task)}".rstrip(" -")]
        if task.is_still_billed and task.billed_usd_per_hour is not None:
            facts.append(f"Its command has ended; its machines still cost {format.hourly(task.billed_usd_per_hour)}.")
        question = Confirm(
            f"End the machines of {task.name}?" if task.is_still_billed else f"End {task.name}?",
            facts,
            call=flow.provider.describe_cancel(task),
            loses="what is only on its machines, and its open shells"
            if task.is_still_billed
            else "what the task has not yet written to disk, and its open shells",
            keeps="its log, its record and the data on its volumes",
            agree="End the machines" if task.is_still_billed else "End the task",
            refuse="Keep the machines" if task.is_still_billed else "Keep it running",
        )
        if await self._dashboard.app.push_screen_wait(question):
            with self._dashboard.questions.hurried(task.context):
                await flow.cancel(task.task_id)
            self._dashboard.fleet.refresh(task.context)

    async def action_copy(self) -> None:
        task = self.task
        if task is None:
            return
        choices = [Choice("id", task.task_id), Choice("name", task.name), Choice("command", task.command)]
        choices.append(Choice("task as YAML", spec_yaml(task)))
        if files := self._dashboard.task_log.files:
            choices.append(Choice("log file", str(files.log)))
        flow = self._dashboard.fleet.flow(task.context)
        if task.is_running and flow.provider.endpoints is not None:
            choices.append(Choice("ssh command", _SSH))
        if value := await self._dashboard.app.push_screen_wait(Pick("Copy", choices)):
            with self._dashboard.questions.hurried(task.context):
                self._dashboard.copy(await flow.ssh_command(task.task_id) if value is _SSH else value)

    def action_spec(self) -> None:
        if self.task is not None:
            self._dashboard.copy(spec_yaml(self.task))
