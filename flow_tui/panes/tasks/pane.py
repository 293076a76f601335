"""The tasks pane: every context's tasks in one table."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on
from textual.binding import BindingType

from flow_core.filters.task_words import describe_gpus, describe_reason
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.actions import LazyModule, make_bindings
from flow_tui.panes.freshness import describe_unread, get_stale_age_s
from flow_tui.panes.table_pane import TablePane
from flow_tui.panes.tasks.actions import ACTIONS
from flow_tui.panes.tasks.elements import build_state_cells
from flow_tui.services import Services
from flow_tui.widgets.columns import Column, StyledText
from flow_tui.widgets.table import ResourceTable

if TYPE_CHECKING:
    from flow_core.filters import task_fields
    from flow_core.filters.row_filter import FilterField
else:
    task_fields = LazyModule("flow_core.filters.task_fields")

_OLDEST = 0.0


class _Shown(NamedTuple):
    """Whether the tasks need the columns of prices and owners, and room for the states of an array's elements."""

    prices: bool = False
    owners: bool = False
    elements: bool = False


def _state(task: TaskRecord) -> Sequence[StyledText]:
    if task.elements:
        return build_state_cells(task)
    return (StyledText(format.state(task), f"status-{task.status.value}"),)


def _billed_cell(task: TaskRecord) -> StyledText:
    """Formats the billed price, with a mark if the command has ended and the machines are still billed."""
    text = format.price(task.billed_usd_per_hour)
    return StyledText(f"!{text}", "bold warning") if task.is_still_billed else StyledText(text)


def _instances(task: TaskRecord) -> str:
    return str(task.num_instances) if task.num_instances > 1 else "-"


def _created(task: TaskRecord) -> float:
    return task.created_at.timestamp() if task.created_at else _OLDEST


class TasksPane(TablePane[TaskRecord]):
    """The tasks, last submitted first by default."""

    NOUN = "tasks"
    TITLE = "Tasks"
    OPENS = "tasks.detail"
    BINDINGS: ClassVar[list[BindingType]] = [*make_bindings(ACTIONS)]
    SORTS = {
        "name": lambda task: task.name,
        "context": lambda task: task.context,
        "state": lambda task: task.status.value,
        "owner": lambda task: task.owner,
        "gpus": lambda task: (task.gpu_type or "", task.gpu_count),
        "billed": lambda task: -(task.billed_usd_per_hour or 0),
        "age": lambda task: -_created(task),
        "time": lambda task: task.started_at.timestamp() if task.started_at else _OLDEST,
    }

    def __init__(self, services: Services, *, id: str | None = None) -> None:
        self._shown = _Shown()
        super().__init__(services, id=id)
        self.table.is_stale = lambda task: get_stale_age_s(services.fleet, task) is not None
        services.selection.serve_requests(self._move_to_requested)

    def show_fleet(self) -> None:
        """Shows the tasks of the fleet once some context has answered or failed."""
        fleet = self.services.fleet
        if not fleet.has_read("tasks"):
            return
        is_stale = all(state.error for state in fleet.states)
        problem = describe_unread(self.services, "tasks")
        self.show(fleet.tasks, stale=is_stale, problem=problem, total=fleet.task_total)
        selection = self.services.selection
        if selection.requested is not None:
            if self.table.move_to(selection.requested):
                selection.requested = None
            elif self.is_partial:
                self.ask_for_rows(None)
        selection.change(self.selected)

    def show(self, rows: Sequence[TaskRecord], *, stale: bool = False, problem: str = "", total: int = 0) -> None:
        shown = _Shown(
            any(task.price_usd_per_hour is not None or task.billed_usd_per_hour for task in rows),
            self.services.fleet.watches_everyone,
            any(task.elements for task in rows),
        )
        if shown != self._shown:
            self._shown = shown
            self.table.set_columns(self.make_columns())
        super().show(rows, stale=stale, problem=problem, total=total)

    def ask_for_rows(self, count: int | None) -> None:
        self.services.fleet.list_tasks(count)

    def make_columns(self) -> Sequence[Column[TaskRecord]]:
        """Returns the columns. Includes the price only if some task has one, the owner only if others are listed."""
        billed = Column[TaskRecord]("billed", "$/H", _billed_cell, width=8, align="right", priority=8)
        owner = Column[TaskRecord]("owner", "OWNER", lambda task: task.owner, min_width=6, max_width=12, priority=8)
        state_width = None if self._shown.elements else 12
        return (
            Column("name", "NAME", lambda task: task.name, min_width=12, max_width=26, priority=9),
            *self.make_context_column(lambda task: task.context, priority=4),
            *((owner,) if self._shown.owners else ()),
            Column("state", "STATE", _state, width=state_width, min_width=12, max_width=24, priority=10),
            Column("gpus", "GPUS", describe_gpus, min_width=8, max_width=10, priority=5),
            Column("instances", "INST", _instances, width=4, align="right", priority=0),
            Column("attempt", "ATTEMPT", lambda task: format.attempt(task) or "-", width=7, priority=1),
            *((billed,) if self._shown.prices else ()),
            Column("time", "TIME", format.ran_for, width=7, align="right", priority=6, is_volatile=True),
            Column("age", "AGE", _age, width=7, align="right", priority=3, is_volatile=True),
            Column("reason", "REASON", self._reason, min_width=10, max_width=24, priority=7, is_volatile=True),
            Column("command", "COMMAND", _one_line, min_width=16, max_width=40, priority=2, is_private=True),
        )

    def _reason(self, task: TaskRecord) -> Sequence[StyledText]:
        reason = StyledText(describe_reason(task), "muted")
        age_s = get_stale_age_s(self.services.fleet, task)
        return (reason,) if age_s is None else (StyledText(f"read {format.duration(age_s)} ago  ", "warning"), reason)

    def empty_text(self) -> str:
        if self.services.is_read_only:
            return "No tasks yet."
        key = self.services.keys.written("app.new_task")
        return f"No tasks yet.\n\nPress {key} to submit one; only the command is required."

    def key_of(self, row: TaskRecord) -> Hashable:
        return row.key

    def get_filter_fields(self) -> Sequence[FilterField[TaskRecord]]:
        return task_fields.TASK_FIELDS

    def describe_scope(self) -> str:
        return ", all users" if self.services.fleet.watches_everyone else ""

    def _move_to_requested(self) -> None:
        """Moves the cursor to the requested task if the task is listed. Otherwise, `show_fleet` does so later.

        Clears a filter that hides the task.
        """
        selection = self.services.selection
        if selection.requested in {task.key for task in self._all_rows}:
            if not self.table.move_to(selection.requested):
                self.step_back()
                self.table.move_to(selection.requested)
            selection.requested = None

    @on(ResourceTable.Highlighted)
    def _select(self) -> None:
        self.services.selection.change(self.selected)  # the message may be older than the selection


def _age(task: TaskRecord) -> str:
    return format.age(task.created_at)


def _one_line(task: TaskRecord) -> StyledText:
    return StyledText(" ".join(task.command.split()), "muted")
