"""The actions of the volumes pane: their keys and texts, and why one can't be done now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flow_tui.actions import Action, LazyModule, defer
from flow_tui.panes.table_actions import explain_no_selection, filter_action, move_actions, sort_actions

if TYPE_CHECKING:
    from flow_core.models.volume import Volume
    from flow_tui.panes.table_pane import TablePane
    from flow_tui.panes.volumes import volume_actions

    VolumesTable = TablePane[Volume]
    VolumeAction = Action[VolumesTable]
else:
    VolumeAction = Action
    volume_actions = LazyModule("flow_tui.panes.volumes.volume_actions")

Check = Callable[["VolumesTable", "Volume"], str | None]


def describe_users(volume: Volume, name_of: Callable[[tuple[str, str]], str | None]) -> str:
    """Returns the tasks that use a volume. `name_of` returns a task's name by (context, id); None if it is unknown."""
    return ", ".join(name_of((volume.context, task_id)) or task_id for task_id in volume.attached_to)


def _for_volume(check: Check = lambda pane, volume: None) -> Callable[[VolumesTable], str | None]:
    """Returns a `disabled_reason` that checks that a volume is selected, and calls `check` with it."""

    def disabled_reason(pane: VolumesTable) -> str | None:
        volume = pane.selected
        if volume is None:
            return explain_no_selection(pane.services, "volume", "volumes.create", "create")
        return check(pane, volume)

    return disabled_reason


def _check_can_create(pane: VolumesTable) -> str | None:
    fleet = pane.services.fleet
    return None if any(map(fleet.can_change_volumes, fleet.names)) else "No context can create volumes."


def _check_can_change(pane: VolumesTable, volume: Volume) -> str | None:
    if pane.services.fleet.can_change_volumes(volume.context):
        return None
    return f"{volume.context} only lists its storage; {volume.name} can't be attached or deleted here"


def _check_open_task(pane: VolumesTable, volume: Volume) -> str | None:
    if reason := _check_can_change(pane, volume):
        return reason
    if any(task.context == volume.context and not task.is_terminal for task in pane.services.fleet.tasks):
        return None
    return f"{volume.context} has no unfinished task to attach {volume.name} to"


def _check_unused(pane: VolumesTable, volume: Volume) -> str | None:
    if reason := _check_can_change(pane, volume):
        return reason
    if not volume.attached_to:
        return None
    fleet = pane.services.fleet
    users = describe_users(volume, lambda key: task.name if (task := fleet.task(key)) is not None else None)
    return f"{volume.name} is in use by {users}; end that task first"


def _check_used(_: VolumesTable, volume: Volume) -> str | None:
    return None if volume.attached_to else f"no task uses {volume.name}"


def _show_user(pane: VolumesTable) -> None:
    """Opens the tasks pane with the cursor on the first task that uses the volume."""
    if (volume := pane.selected) is not None and volume.attached_to:
        pane.services.selection.request((volume.context, volume.attached_to[0]))
        pane.services.workspace.bring_to_front("tasks")


def _copy_id(pane: VolumesTable) -> None:
    if pane.selected is not None:
        pane.services.copy(pane.selected.volume_id)


ACTIONS: tuple[Action[Any], ...] = (
    *move_actions("volumes"),
    VolumeAction(
        "volumes.create",
        "c",
        "create",
        "Create a volume",
        defer(lambda: volume_actions.create),
        _check_can_create,
        in_footer=True,
        changes=True,
    ),
    VolumeAction(
        "volumes.attach",
        "a",
        "attach",
        "Attach this volume to a task",
        defer(lambda: volume_actions.attach),
        _for_volume(_check_open_task),
        in_footer=True,
        changes=True,
    ),
    VolumeAction(
        "volumes.delete",
        "ctrl+d",
        "delete",
        "Delete this volume and its data; asks first",
        defer(lambda: volume_actions.delete),
        _for_volume(_check_unused),
        in_footer=True,
        changes=True,
    ),
    VolumeAction(
        "volumes.users",
        "u,enter",
        "used by",
        "Show the tasks that use this volume",
        _show_user,
        _for_volume(_check_used),
        in_footer=True,
    ),
    VolumeAction("volumes.copy", "y", "copy", "Copy the volume's id", _copy_id, _for_volume()),
    filter_action("volumes", "Show matching volumes"),
    *sort_actions("volumes"),
)
