"""The actions of the tasks pane: their keys and texts, and why one can't be done now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.actions import Action, LazyModule, defer
from flow_tui.panes.table_actions import explain_no_selection, filter_action, move_actions, sort_actions

if TYPE_CHECKING:
    from flow_tui.panes.table_pane import TablePane
    from flow_tui.panes.tasks import bid_actions, pruning_actions, scheduling_actions, task_actions
    from flow_tui.services import Services

    TasksTable = TablePane[TaskRecord]
    TaskAction = Action[TasksTable]
else:
    TaskAction = Action
    bid_actions = LazyModule("flow_tui.panes.tasks.bid_actions")
    pruning_actions = LazyModule("flow_tui.panes.tasks.pruning_actions")
    scheduling_actions = LazyModule("flow_tui.panes.tasks.scheduling_actions")
    task_actions = LazyModule("flow_tui.panes.tasks.task_actions")

Check = Callable[["TasksTable", TaskRecord], str | None]


def _for_task(check: Check = lambda pane, task: None) -> Callable[[TasksTable], str | None]:
    """Returns a `disabled_reason` that checks that a task is selected, and calls `check` with it."""

    def disabled_reason(pane: TasksTable) -> str | None:
        task = pane.selected
        if task is None:
            return explain_no_selection(pane.services, "task", "app.new_task", "submit")
        return check(pane, task)

    return disabled_reason


def _check_not_ended(_: TasksTable, task: TaskRecord) -> str | None:
    ended = task.is_terminal and not task.is_still_billed
    return f"{task.name} has already ended ({task.status.value})" if ended else None


def _check_measurable(_: TasksTable, task: TaskRecord) -> str | None:
    return f"{task.name} has ended; metrics need a running task" if task.is_terminal else None


def _check_running(what: str) -> Check:
    def check(_: TasksTable, task: TaskRecord) -> str | None:
        is_running = task.status is TaskStatus.RUNNING
        return None if is_running else f"{what} needs a running task; {task.name} is {task.status.value}"

    return check


def _with_bid(check: Check = lambda pane, task: None) -> Callable[[TasksTable], str | None]:
    """Returns a `disabled_reason` that also checks that the task has not ended and its context has a market."""

    def check_bid(pane: TasksTable, task: TaskRecord) -> str | None:
        if not pane.services.fleet.has_market(task.context):
            return "Only cloud tasks can be paused or have a price limit."
        if task.is_terminal:
            key = pane.services.keys.written("tasks.cancel")
            billing = f"; press {key} to end its billing" if task.is_still_billed else ""
            return f"{task.name} has ended ({task.status.value}){billing}"
        return check(pane, task)

    return _for_task(check_bid)


def _check_not_paused(pane: TasksTable, task: TaskRecord) -> str | None:
    if task.status is not TaskStatus.PAUSED:
        return None
    return f"{task.name} is already paused; press {pane.services.keys.written('tasks.resume')} to resume it"


def _check_paused(_: TasksTable, task: TaskRecord) -> str | None:
    return None if task.status is TaskStatus.PAUSED else f"{task.name} is not paused ({task.status.value})"


def _with_scheduler(check: Check) -> Callable[[TasksTable], str | None]:
    """Returns a `disabled_reason` that also checks that the task's context has a scheduler."""

    def check_scheduler(pane: TasksTable, task: TaskRecord) -> str | None:
        if not pane.services.fleet.has_scheduler(task.context):
            return f"{task.context} has no scheduler; only tasks in the queue of one can be changed like that."
        return check(pane, task)

    return _for_task(check_scheduler)


def _check_can_hold(_: TasksTable, task: TaskRecord) -> str | None:
    statuses = {task.status, *(element.status for element in task.elements)}
    return None if TaskStatus.PENDING in statuses else f"only a pending task can be held; {task.name} is {task.status}"


def _check_can_requeue(_: TasksTable, task: TaskRecord) -> str | None:
    return f"{task.name} waits in the queue already" if task.status is TaskStatus.PENDING else None


def _check_all_users(services: Services) -> str | None:
    is_possible = any(state.has_scheduler for state in services.fleet.states)
    return None if is_possible else "No context can list the tasks of other users."


def _toggle_all_users(pane: TasksTable) -> None:
    fleet = pane.services.fleet
    fleet.watch_everyone(not fleet.watches_everyone)
    pane.show_fleet()


def _check_prunable(pane: TasksTable) -> str | None:
    return None if pane.services.fleet.prunable else "No context can prune its ended tasks."


ACTIONS: tuple[Action[Any], ...] = (
    *move_actions("tasks"),
    filter_action("tasks", "Show matching tasks: text, state:, context:, ! for not"),
    TaskAction(
        "tasks.logs",
        "l",
        "logs",
        "Show the log of this task",
        lambda pane: pane.services.workspace.bring_to_front("logs"),
        _for_task(),
        in_footer=True,
    ),
    TaskAction(
        "tasks.shell",
        "s",
        "shell",
        "Open a shell in this task",
        lambda pane: task_actions.open_shell(pane, is_persistent=False),
        _for_task(_check_running("a shell")),
        in_footer=True,
        changes=True,
        opens_shell=True,
    ),
    TaskAction(
        "tasks.kept_shell",
        "K",
        "persistent shell",
        "Open the persistent shell of this task, which tmux keeps on the node",
        lambda pane: task_actions.open_shell(pane, is_persistent=True),
        _for_task(_check_running("a shell")),
        changes=True,
        opens_shell=True,
    ),
    TaskAction(
        "tasks.everywhere",
        "A",
        "run on all nodes",
        "Run one command on every node of this task",
        defer(lambda: task_actions.run_on_all_nodes),
        _for_task(_check_running("a command")),
        changes=True,
    ),
    TaskAction(
        "tasks.detail",
        "d,enter",
        "detail",
        "Show the details of this task",
        lambda pane: task_actions.open_detail(pane),
        _for_task(),
        in_footer=True,
    ),
    TaskAction(
        "tasks.metrics",
        "m",
        "metrics",
        "Show the metrics of its machine: GPUs, their processes, load and memory",
        lambda pane: task_actions.open_detail(pane, metrics=True),
        _for_task(_check_measurable),
    ),
    TaskAction(
        "tasks.rerun",
        "r",
        "rerun",
        "Open the submit form, filled from this task",
        lambda pane: task_actions.rerun(pane),
        _for_task(),
        changes=True,
    ),
    TaskAction(
        "tasks.cancel",
        "ctrl+d",
        "end",
        "End this task; asks first",
        defer(lambda: task_actions.cancel),
        _for_task(_check_not_ended),
        in_footer=True,
        changes=True,
    ),
    TaskAction(
        "tasks.prune",
        "X",
        "prune",
        "Prune ended tasks, by age or number; shows them first, and asks",
        defer(lambda: pruning_actions.prune),
        _check_prunable,
        changes=True,
    ),
    TaskAction(
        "tasks.limit",
        "e",
        "price limit",
        "Change the price limit of this task; asks first",
        defer(lambda: bid_actions.change_limit),
        _with_bid(),
        changes=True,
    ),
    TaskAction(
        "tasks.pause",
        "p",
        "pause",
        "Pause this task: stop its machines, keep its disks and bid; asks first",
        defer(lambda: bid_actions.pause),
        _with_bid(_check_not_paused),
        changes=True,
    ),
    TaskAction(
        "tasks.resume",
        "P",
        "resume",
        "Resume this paused task: bid for machines again; asks first",
        defer(lambda: bid_actions.resume),
        _with_bid(_check_paused),
        changes=True,
    ),
    TaskAction(
        "tasks.hold",
        "H",
        "hold/release",
        "Hold this pending task, so that it does not start, or release it; asks first",
        defer(lambda: scheduling_actions.hold_or_release),
        _with_scheduler(_check_can_hold),
        changes=True,
    ),
    TaskAction(
        "tasks.requeue",
        "Q",
        "requeue",
        "End the command of this task and queue the task again; asks first",
        defer(lambda: scheduling_actions.requeue),
        _with_scheduler(_check_can_requeue),
        changes=True,
    ),
    TaskAction(
        "tasks.time_limit",
        "T",
        "time limit",
        "Change the time limit of this task; asks first",
        defer(lambda: scheduling_actions.change_time_limit),
        _with_scheduler(_check_not_ended),
        changes=True,
    ),
    TaskAction(
        "tasks.signal",
        "I",
        "signal",
        "Send a signal to the processes of this task; asks first",
        defer(lambda: scheduling_actions.send_signal),
        _with_scheduler(_check_running("a signal")),
        changes=True,
    ),
    TaskAction(
        "tasks.all_users",
        "a",
        "all users",
        "Show the tasks of all users, or only your own again",
        _toggle_all_users,
        lambda pane: _check_all_users(pane.services),
    ),
    TaskAction(
        "tasks.copy",
        "y",
        "copy",
        "Copy its id, name, command, YAML, log path or ssh command",
        defer(lambda: task_actions.copy),
        _for_task(),
        in_footer=True,
    ),
    TaskAction(
        "tasks.spec",
        "Y",
        "copy YAML",
        "Copy the configuration of this task as YAML, without secrets",
        lambda pane: task_actions.copy_yaml(pane),
        _for_task(),
    ),
    *sort_actions("tasks"),
)
