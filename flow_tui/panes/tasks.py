"""The tasks pane: every context's tasks in one table."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from textual.binding import BindingType

from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.keymap import bindings_of, key_for
from flow_tui.panes.table_pane import TablePane
from flow_tui.widgets.columns import Cell, Column

_OLDEST = 0.0


def _state(task: TaskRecord) -> Cell:
    return Cell(format.state(task), f"status-{task.status.value}")


def _billed(task: TaskRecord) -> Cell:
    """With a mark where the command has ended and the machines cost on."""
    text = format.price(task.billed_usd_per_hour)
    return Cell(f"!{text}", "bold warning") if task.is_still_billed else Cell(text)


def _instances(task: TaskRecord) -> str:
    return str(task.num_instances) if task.num_instances > 1 else "-"


def _created(task: TaskRecord) -> float:
    return task.created_at.timestamp() if task.created_at else _OLDEST


class TasksPane(TablePane[TaskRecord]):
    """Tasks, last submitted first until sorted."""

    TITLE = "Tasks"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("tasks")]
    SORTS = {
        "name": lambda task: task.name,
        "context": lambda task: task.context,
        "state": lambda task: task.status.value,
        "gpus": lambda task: (task.gpu_type or "", task.gpu_count),
        "billed": lambda task: -(task.billed_usd_per_hour or 0),
        "age": lambda task: -_created(task),
        "time": lambda task: task.started_at.timestamp() if task.started_at else _OLDEST,
    }

    def __init__(self, *, id: str, contexts: int = 2) -> None:
        self._has_prices = False
        self.age_of: Callable[[TaskRecord], float | None] = lambda _: None
        """Seconds since a row was read, where that was too long ago."""
        super().__init__(id=id, contexts=contexts)
        self.table.is_stale = lambda task: self.age_of(task) is not None

    def show(self, rows: Sequence[TaskRecord], *, stale: bool = False, problem: str = "") -> None:
        has_prices = any(task.price_usd_per_hour is not None or task.billed_usd_per_hour for task in rows)
        if has_prices != self._has_prices:
            self._has_prices = has_prices
            self.table.set_columns(self.columns())
        super().show(rows, stale=stale, problem=problem)

    def columns(self) -> Sequence[Column[TaskRecord]]:
        """What tasks cost only where something costs anything."""
        billed = Column[TaskRecord]("billed", "$/H", _billed, width=8, align="right", priority=8)
        return (
            Column("name", "NAME", lambda task: task.name, min_width=12, max_width=26, priority=9),
            *self.context_column(lambda task: task.context, priority=4),
            Column("state", "STATE", _state, width=12, priority=10),
            Column("gpus", "GPUS", format.gpus, min_width=8, max_width=10, priority=5),
            Column("instances", "INST", _instances, width=4, align="right", priority=0),
            Column("attempt", "ATTEMPT", lambda task: format.attempt(task) or "-", width=7, priority=1),
            *((billed,) if self._has_prices else ()),
            Column("time", "TIME", format.ran_for, width=7, align="right", priority=6),
            Column("age", "AGE", lambda task: format.age(task.created_at), width=7, align="right", priority=3),
            Column("reason", "REASON", self._reason, min_width=10, max_width=24, priority=7),
            Column("command", "COMMAND", _one_line, min_width=16, max_width=40, priority=2),
        )

    def _reason(self, task: TaskRecord) -> Sequence[Cell]:
        reason = Cell(format.note(task), "muted")
        age_s = self.age_of(task)
        return (reason,) if age_s is None else (Cell(f"read {format.duration(age_s)} ago  ", "warning"), reason)

    def empty_text(self) -> str:
        if self.is_read_only:
            return "no tasks yet"
        return f"no tasks yet\n\npress {key_for('app.new_task')} to submit one: a command is all it needs"

    def key_of(self, row: TaskRecord) -> Hashable:
        return row.key

    def fields_of(self, row: TaskRecord) -> dict[str, str]:
        return {
            "name": row.name.lower(),
            "id": row.task_id.lower(),
            "status": row.status.value,
            "context": row.context.lower(),
            "gpu": format.gpus(row).lower(),
            "command": row.command.lower(),
            "note": format.note(row).lower(),
        }


def _one_line(task: TaskRecord) -> Cell:
    return Cell(" ".join(task.command.split()), "muted")
