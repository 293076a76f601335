"""Why an action can't be done now, as a sentence for the user. Asked for every frame of the footer: cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.keymap import key_for

if TYPE_CHECKING:
    from flow_core.models.instance import AvailableInstance
    from flow_core.models.volume import Volume
    from flow_tui.screens.dashboard import DashboardScreen

_ABOUT_A_BID = frozenset({"limit", "pause", "resume"})
_NEED_A_TASK = _ABOUT_A_BID | {
    *("logs", "shell", "kept_shell", "everywhere", "detail"),
    *("metrics", "rerun", "cancel", "copy", "spec"),
}
_NEED_A_VOLUME = frozenset({"attach", "delete", "users", "copy"})


def why_not(dashboard: DashboardScreen, place: str, verb: str) -> str | None:
    """None when it can be done."""
    if place == "tasks" and verb in _NEED_A_TASK:
        task = dashboard.tasks.selected
        if task is None:
            return _none_selected(dashboard, "task", "app.new_task", "submit")
        return _about_task(task, verb) or _about_bid(dashboard, task, verb)
    if place == "tasks" and verb == "prune" and not dashboard.fleet.prunable:
        return "No context here can prune its ended tasks."
    if place == "volumes" and verb in _NEED_A_VOLUME:
        return _about_volume(dashboard, dashboard.volumes.selected, verb)
    if place == "logs" and verb in ("next_log", "previous_log"):
        return _about_logs(dashboard.tasks.selected)
    if place == "instances" and verb == "submit_here":
        return _about_instance(dashboard.instances.selected)
    return None


def open_tasks(dashboard: DashboardScreen, volume: Volume) -> list[TaskRecord]:
    """The unfinished tasks that could be given this volume."""
    return [task for task in dashboard.fleet.tasks if task.context == volume.context and not task.is_terminal]


def _none_selected(dashboard: DashboardScreen, noun: str, action_id: str, verb: str) -> str:
    """With the key that makes one, where it acts."""
    hint = "" if dashboard.is_read_only else f"; press {key_for(action_id)} to {verb} one"
    return f"no {noun} is selected{hint}"


def _about_task(task: TaskRecord, verb: str) -> str | None:
    if verb == "cancel" and task.is_terminal and not task.is_still_billed:
        return f"{task.name} has ended already: {task.status.value}"
    if verb == "metrics" and task.is_terminal:
        return f"{task.name} has ended; metrics are of a machine that works for it"
    if verb in ("shell", "kept_shell", "everywhere") and task.status is not TaskStatus.RUNNING:
        what = "a command" if verb == "everywhere" else "a shell"
        return f"{what} needs a running task; {task.name} is {task.status.value}"
    return None


def _about_bid(dashboard: DashboardScreen, task: TaskRecord, verb: str) -> str | None:
    if verb not in _ABOUT_A_BID:
        return None
    if not dashboard.fleet.has_market(task.context):
        return "Only cloud tasks can be paused or have a price limit."
    if task.is_terminal:
        billing = f"; {key_for('tasks.cancel')} ends its billing" if task.is_still_billed else ""
        return f"{task.name} has ended: {task.status.value}{billing}"
    is_paused = task.status is TaskStatus.PAUSED
    if verb == "pause" and is_paused:
        return f"{task.name} is paused already; {key_for('tasks.resume')} resumes it"
    if verb == "resume" and not is_paused:
        return f"{task.name} is not paused: {task.status.value}"
    return None


def _about_instance(instance: AvailableInstance | None) -> str | None:
    if instance is None:
        return "no instance type is selected"
    return instance.description or "it can't be reached" if instance.is_down else None


def _about_logs(task: TaskRecord | None) -> str | None:
    if task is None:
        return "no task is selected"
    if task.num_instances == 1 and not task.attempt:
        return f"{task.name} has one log only"
    return None


def _about_volume(dashboard: DashboardScreen, volume: Volume | None, verb: str) -> str | None:
    if volume is None:
        return _none_selected(dashboard, "volume", "volumes.create", "create")
    if verb == "delete" and volume.attached_to:
        return f"{volume.name} is in use by {dashboard.volumes.users_of(volume)}; end that first"
    if verb == "attach" and not open_tasks(dashboard, volume):
        return f"no unfinished task in {volume.context} could take {volume.name}"
    if verb == "users" and not volume.attached_to:
        return f"no task uses {volume.name}"
    return None
