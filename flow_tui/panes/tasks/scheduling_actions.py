"""Carries out the changes to the selected task that a scheduler allows. Each shows the command, and asks first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.filters.task_words import describe_gpus, get_run_time_s
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.panes.table_pane import TablePane
from flow_tui.panes.tasks.confirmed_change import confirm_and_do
from flow_tui.panes.tasks.time_limit_form import TimeLimitForm
from flow_tui.services import Services

if TYPE_CHECKING:
    from flow_core.providers.contract.scheduling import SchedulingFacet

TasksTable = TablePane[TaskRecord]
_SIGNALS = {
    "SIGUSR1": "defined by the program, often: write a checkpoint",
    "SIGUSR2": "defined by the program",
    "SIGINT": "interrupt, as ctrl+c does",
    "SIGHUP": "often: read the configuration again",
    "SIGTERM": "end; the program may clean up",
    "SIGKILL": "end immediately",
    "SIGSTOP": "pause the processes; they keep their machines",
    "SIGCONT": "continue after SIGSTOP",
}


async def hold_or_release(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    scheduling = _find_scheduler(services, task)
    if task is None or scheduling is None:
        return
    if task.is_held:
        await _release(services, task, scheduling)
        return
    question = Confirm(
        f"Hold {task.name}?",
        [_describe(task)],
        call=scheduling.describe_hold(task),
        keeps="the task; it waits until you release it",
        agree="Hold the task",
        refuse="Leave it in the queue",
    )
    flow = services.fleet.flow(task.context)
    await confirm_and_do(services, task, question, lambda: flow.hold_task(task.task_id))


async def requeue(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    scheduling = _find_scheduler(services, task)
    if task is None or scheduling is None:
        return
    question = Confirm(
        f"Requeue {task.name}?",
        [_describe(task)],
        call=scheduling.describe_requeue(task),
        loses="" if task.is_terminal else "its running command, and data that it has not written to disk",
        keeps="the task and the logs of its attempts so far; its command starts again as the next attempt",
        agree="Requeue the task",
        refuse="Leave it ended" if task.is_terminal else "Keep it running",
    )
    flow = services.fleet.flow(task.context)
    await confirm_and_do(services, task, question, lambda: flow.requeue_task(task.task_id))


async def change_time_limit(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    scheduling = _find_scheduler(services, task)
    if task is None or scheduling is None:
        return
    hours = await services.ask(TimeLimitForm(task))
    if hours is None:
        return
    question = Confirm(
        f"Change the time limit of {task.name}?",
        [f"new limit: {format.duration(hours * 3600)}   it has run for: {format.ran_for(task)}"],
        call=scheduling.describe_set_time_limit(task, hours),
        loses="the running command, immediately" if _is_over(task, hours) else "",
        keeps="everything else of the task",
        agree="Change the time limit",
        refuse="Keep the current limit",
    )
    flow = services.fleet.flow(task.context)
    await confirm_and_do(services, task, question, lambda: flow.set_time_limit(task.task_id, hours))


async def send_signal(pane: TasksTable) -> None:
    task, services = pane.selected, pane.services
    scheduling = _find_scheduler(services, task)
    if task is None or scheduling is None:
        return
    choices = [PickOption(name, name, meaning) for name, meaning in _SIGNALS.items()]
    name = await services.ask(Pick(f"Signal to {task.name}", choices))
    if name is None:
        return
    question = Confirm(
        f"Send {name} to {task.name}?",
        [_describe(task), f"{name}: {_SIGNALS[name]}"],
        call=scheduling.describe_signal(task, name),
        loses="the running command, unless it handles the signal" if name not in ("SIGSTOP", "SIGCONT") else "",
        agree="Send the signal",
    )
    flow = services.fleet.flow(task.context)
    await confirm_and_do(services, task, question, lambda: flow.signal_task(task.task_id, name))


async def _release(services: Services, task: TaskRecord, scheduling: SchedulingFacet) -> None:
    question = Confirm(
        f"Release {task.name}?",
        [_describe(task)],
        call=scheduling.describe_release(task),
        keeps="the task; it starts once it has its resources",
        agree="Release the task",
        refuse="Keep it held",
    )
    flow = services.fleet.flow(task.context)
    await confirm_and_do(services, task, question, lambda: flow.release_task(task.task_id))


def _find_scheduler(services: Services, task: TaskRecord | None) -> SchedulingFacet | None:
    return None if task is None else services.fleet.flow(task.context).provider.scheduling


def _describe(task: TaskRecord) -> str:
    return f"{task.context}  {task.status.value}  {format.ran_for(task)}  {describe_gpus(task)}".rstrip(" -")


def _is_over(task: TaskRecord, hours: float) -> bool:
    """Returns whether a running task has already run for longer than this."""
    ran_s = get_run_time_s(task)
    return task.is_running and ran_s is not None and ran_s > hours * 3600
