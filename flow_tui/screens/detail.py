"""Everything known of one task, kept up to date while it is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.reactive import var
from textual.widget import Widget
from textual.widgets import Static

from flow_core.models.task import TaskRecord
from flow_tui.screens.dialog import Fact, Reader
from flow_tui.screens.task_facts import Row, facts_of
from flow_tui.screens.task_spec import spec_yaml

_TICK_S = 1.0


class TaskDetail(Reader):
    """The facts of a task. Whoever polls hands over news through `show`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "close", "Close", id="detail.close", tooltip="Back to where you were"),
        Binding("Y", "copy_spec", "Spec", id="detail.spec", tooltip="Copy what it was submitted with as YAML"),
    ]

    rows: var[tuple[Row, ...]] = var[tuple[Row, ...]](())

    def __init__(self, task: TaskRecord) -> None:
        super().__init__(task.name or task.task_id, (("j k", "scroll"), ("esc d", "close"), ("Y", "copy as YAML")))
        self._record = task
        self.set_reactive(TaskDetail.rows, facts_of(task))

    @property
    def task_key(self) -> tuple[str, str]:
        """Of the task that is shown."""
        return self._record.key

    def body(self) -> Iterable[Widget]:
        yield Vertical(*_widgets(self.rows), classes="facts")

    def on_mount(self) -> None:
        self.set_interval(_TICK_S, self._tick)

    def update(self, task: TaskRecord) -> None:
        """Shows what is known now; keeps the place that is being read. A record of another task is ignored."""
        if task.key == self._record.key:
            self._record = task
            self.rows = facts_of(task)

    def action_copy_spec(self) -> None:
        self.app.copy_to_clipboard(spec_yaml(self._record))
        self.notify("copied", markup=False)

    def _tick(self) -> None:
        if not self._record.is_terminal:
            self.rows = facts_of(self._record)

    async def watch_rows(self, before: tuple[Row, ...], rows: tuple[Row, ...]) -> None:
        if not self.is_mounted:
            return
        if [row[:2] for row in before] == [row[:2] for row in rows]:
            for fact, row in zip(self.query(Fact), rows, strict=True):
                fact.change(row.value)
            return
        facts = self.query_one(".facts")
        with self.app.batch_update():
            await facts.remove_children()
            await facts.mount(*_widgets(rows))


def _widgets(rows: Iterable[Row]) -> Iterable[Widget]:
    for section, members in groupby(rows, key=lambda row: row.section):
        yield Static(Content(section), classes="facts-section")
        for row in members:
            yield Fact(row.label, row.value)
