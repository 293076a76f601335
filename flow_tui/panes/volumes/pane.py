"""The volumes pane: the volumes of every context, and the tasks that use them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from flow_core.models.volume import Volume
from flow_tui import format
from flow_tui.actions import LazyModule, make_bindings
from flow_tui.panes.freshness import describe_unread
from flow_tui.panes.table_pane import TablePane
from flow_tui.panes.volumes.actions import ACTIONS, describe_users
from flow_tui.services import Services
from flow_tui.widgets.columns import Column, StyledText

if TYPE_CHECKING:
    from flow_core.filters import volume_fields
    from flow_core.filters.row_filter import FilterField
else:
    volume_fields = LazyModule("flow_core.filters.volume_fields")

_NEARLY_FULL = 0.9


class VolumesPane(TablePane[Volume]):
    """The volumes, newest first by default."""

    NOUN = "volumes"
    TITLE = "Volumes"
    OPENS = "volumes.users"
    BINDINGS: ClassVar[list[BindingType]] = [*make_bindings(ACTIONS)]
    SORTS = {
        "name": lambda volume: volume.name,
        "context": lambda volume: volume.context,
        "size": lambda volume: -volume.size_gb,
        "used": lambda volume: -(volume.used_bytes or 0),
        "type": lambda volume: volume.interface,
        "age": lambda volume: -(volume.created_at.timestamp() if volume.created_at else 0.0),
    }

    def __init__(self, services: Services, *, id: str | None = None) -> None:
        self._task_names: Mapping[tuple[str, str], str] = {}
        super().__init__(services, id=id)

    def show_fleet(self) -> None:
        fleet = self.services.fleet
        names = {task.key: task.name for task in fleet.tasks}
        if names != self._task_names:
            self._task_names = names
            self.table.redraw_rows()
        if fleet.has_read("volumes"):
            self.show(fleet.volumes, problem=describe_unread(self.services, "volumes"))

    def make_columns(self) -> Sequence[Column[Volume]]:
        return (
            Column("name", "NAME", lambda volume: volume.name, min_width=10, max_width=30, priority=9),
            *self.make_context_column(lambda volume: volume.context, priority=4),
            Column("type", "TYPE", lambda volume: volume.interface, width=5, priority=4),
            Column("size", "SIZE", _size, width=6, align="right", priority=8),
            Column("used", "USED", _used_cell, width=9, align="right", priority=6),
            Column("users", "ATTACHED TO", self._users_cell, min_width=11, max_width=30, priority=7, is_volatile=True),
            Column("age", "AGE", _age, width=7, align="right", priority=2, is_volatile=True),
            Column("region", "REGION", lambda volume: volume.region, min_width=8, max_width=18, priority=1),
            Column("path", "PATH", self._path, min_width=10, max_width=40, priority=5, is_volatile=True),
        )

    def empty_text(self) -> str:
        if self.services.is_read_only or self.services.workspace.disabled_reason("volumes.create"):
            return "No volumes yet."
        return f"No volumes yet.\n\nPress {self.services.keys.written('volumes.create')} to create one."

    def key_of(self, row: Volume) -> Hashable:
        return row.key

    def get_filter_fields(self) -> Sequence[FilterField[Volume]]:
        return volume_fields.make_volume_fields(lambda volume: describe_users(volume, self._task_names.get), self._path)

    def _users_cell(self, volume: Volume) -> StyledText:
        if volume.attached_to:
            return StyledText(describe_users(volume, self._task_names.get))
        return StyledText("free" if self.services.fleet.can_change_volumes(volume.context) else "-", "muted")

    def _path(self, volume: Volume) -> str:
        """Returns the path of storage that is only listed; tasks refer to other volumes by name."""
        return "" if self.services.fleet.can_change_volumes(volume.context) else volume.path


def _age(volume: Volume) -> str:
    return format.age(volume.created_at)


def _size(volume: Volume) -> str:
    """Formats the size; "-" if it is unknown."""
    return format.short_size(volume.size_gb) if volume.size_gb else "-"


def _used_cell(volume: Volume) -> StyledText:
    """Formats the used space and its share of the size."""
    if volume.used_bytes is None:
        return StyledText("-", "muted")
    used_gb = volume.used_bytes / 2**30
    share = used_gb / volume.size_gb if volume.size_gb else 0.0
    percent = f" {share:.0%}" if volume.size_gb else ""
    return StyledText(f"{format.short_size(round(used_gb))}{percent}", "bold warning" if share >= _NEARLY_FULL else "")
