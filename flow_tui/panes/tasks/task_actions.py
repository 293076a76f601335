"""Carries out the actions on the selected task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from flow_core.client.run_on_nodes import NodeResult, run_on_nodes
from flow_core.errors import FlowError
from flow_core.filters.task_words import describe_gpus
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui import format
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.dialogs.submit.config_to_form import make_preset
from flow_tui.dialogs.submit.open_form import open_submit_form
from flow_tui.failure_causes import describe_cause
from flow_tui.panes.shell.opening import ShellOpening
from flow_tui.panes.table_pane import TablePane
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.run_on_nodes import RunOnNodes
from flow_tui.panes.tasks.task_yaml import format_task_yaml
from flow_tui.services import Services

if TYPE_CHECKING:
    from flow_core.models.market import TaskEvent

_HISTORY_S = 30.0
_RUN_ON_NODES_S = 600.0
_IN_A_PANE = frozenset({"tasks.logs", "tasks.shell"})
_SSH = "command to run in another terminal"  # the note of the choice; the command is requested once it is chosen
TasksTable = TablePane[TaskRecord]


def open_detail(pane: TasksTable, *, metrics: bool = False) -> None:
    """Opens the detail of the selected task, and passes new records of the task to it until it closes."""
    task, services = pane.selected, pane.services
    if task is None:
        return
    flow = services.fleet.flow(task.context)
    detail = TaskDetail(
        task,
        services.keys,
        open_samples=partial(flow.task_metrics, task.task_id),
        ask=partial(_fetch_history, services, task) if services.fleet.has_market(task.context) else None,
        find_cause=partial(_find_cause, services, task) if task.status is TaskStatus.FAILED else None,
        act=lambda action_id: _act_from_detail(pane, detail, action_id),
        metrics=metrics,
        read_only=services.is_read_only,
        has_scheduler=services.fleet.has_scheduler(task.context),
    )

    def show_changes(_: frozenset[str]) -> None:
        if (record := services.fleet.task(detail.task_key)) is not None:
            detail.update(record)

    def on_closed(action_id: str | None) -> None:
        unsubscribe()
        if action_id is not None:
            services.workspace.act(action_id)

    unsubscribe = services.fleet.subscribe(show_changes)
    services.open(detail, on_closed)


def _act_from_detail(pane: TasksTable, detail: TaskDetail, action_id: str) -> None:
    """Carries out an action on the task of the detail, even if the cursor is on another task now."""
    workspace = pane.services.workspace
    if not pane.table.move_to(detail.task_key):
        pane.services.notify("This task is no longer listed, or the filter hides it.", severity="warning")
    elif action_id in _IN_A_PANE and workspace.disabled_reason(action_id) is None:
        detail.finish(action_id)
    else:
        workspace.act(action_id)


async def _find_cause(services: Services, task: TaskRecord) -> str:
    """Returns the cause of the failure as its logs tell it; "" without one, or if the logs can't be read."""
    with suppress(FlowError):
        report = await services.causes.find((task.context, task.task_id, task.attempt))
        return describe_cause(report, "element" if task.elements else "rank")
    return ""


async def _fetch_history(services: Services, task: TaskRecord) -> list[TaskEvent]:
    try:
        async with services.fleet.deadline(task.context, _HISTORY_S):
            return await services.fleet.flow(task.context).task_history(task.task_id)
    except TimeoutError:
        raise make_history_timeout(task.context) from None


def make_history_timeout(context: str) -> FlowError:
    """Creates the error of a history that is late. The keys that it names leave the tab and open it again."""
    return FlowError(f"{context} did not report the history within {_HISTORY_S:.0f} s; press [ and ] to try again")


def open_shell(pane: TasksTable, *, is_persistent: bool) -> None:
    if pane.selected is not None:
        ShellOpening(pane.services, pane.selected, is_persistent=is_persistent).start()


def rerun(pane: TasksTable) -> None:
    if pane.selected is not None:
        open_submit_form(pane.services, make_preset(pane.selected))


async def run_on_all_nodes(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    if task is None:
        return
    flow = services.fleet.flow(task.context)
    remote = flow.get_remote_operations()

    async def run(command: str, runs: Sequence[NodeResult], changed: Callable[[NodeResult], None]) -> None:
        do = partial(run_on_nodes, remote, task.task_id, command, runs, changed, timeout_s=_RUN_ON_NODES_S)
        with services.prompts.foreground(task.context):
            await flow.run_change("shell", task.task_id, f"on each of {len(runs)} nodes: {command}", do)

    await services.ask(RunOnNodes(task.name, task.num_instances, run))


async def cancel(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    if task is None:
        return
    flow = services.fleet.flow(task.context)
    facts = [f"{task.context}  {task.status.value}  {format.ran_for(task)}  {describe_gpus(task)}".rstrip(" -")]
    if task.is_still_billed and task.billed_usd_per_hour is not None:
        facts.append(f"Its command has ended; its machines still cost {format.hourly(task.billed_usd_per_hour)}.")
    question = Confirm(
        f"End the machines of {task.name}?" if task.is_still_billed else f"End {task.name}?",
        facts,
        call=flow.provider.describe_cancel(task),
        loses=_describe_loss(task),
        keeps="its log, its record and the data on its volumes",
        agree="End the machines" if task.is_still_billed else "End the task",
        refuse=_label_refusal(task),
    )
    if await services.ask(question):
        with services.prompts.foreground(task.context):
            await flow.cancel(task.task_id)
        services.fleet.refresh(task.context)


def _describe_loss(task: TaskRecord) -> str:
    """Describes what is lost if the task ends now; "" if nothing is."""
    has_shells = task.is_still_billed or task.is_command_running
    if task.bid is not None or task.is_still_billed:  # the cloud takes the disks of the machines, too
        lost = "data that is only on its machines" if has_shells or task.instances else ""
    else:
        lost = "data that the task has not written to disk" if has_shells else ""
    return f"{lost}, and its open shells" if has_shells else lost


def _label_refusal(task: TaskRecord) -> str:
    if task.is_still_billed:
        return "Keep the machines"
    return "Keep it running" if task.is_command_running else "Keep the task"


async def copy(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    if task is None:
        return
    choices = [PickOption("id", task.task_id), PickOption("name", task.name), PickOption("command", task.command)]
    choices.append(PickOption("task as YAML", format_task_yaml(task), "secrets are hidden"))
    if files := services.selection.log_files:
        choices.append(PickOption("log file", str(files.log)))
    flow = services.fleet.flow(task.context)
    if task.is_running and flow.provider.endpoints is not None:
        choices.append(PickOption("ssh command", _SSH))
    if value := await services.ask(Pick("Copy to the clipboard", choices)):
        with services.prompts.foreground(task.context):
            services.copy(await flow.ssh_command(task.task_id) if value is _SSH else value)


def copy_yaml(pane: TasksTable) -> None:
    if pane.selected is not None:
        pane.services.copy(format_task_yaml(pane.selected))
