"""Everything known of one task, and how busy its machine is, kept up to date while it is looked at."""

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

from flow_core.logs.sanitize import visible
from flow_core.models.task import TaskRecord
from flow_tui.panes.metrics import Look, MetricsView
from flow_tui.screens.dialog import Fact, Reader
from flow_tui.screens.task_facts import Row, facts_of
from flow_tui.screens.task_spec import spec_yaml

_TICK_S = 1.0


class TaskDetail(Reader):
    """The facts of a task, and its metrics where somebody can be asked. Whoever polls hands over news through `update`.

    Nothing is measured but while the metrics are on screen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "close", "Close", id="detail.close", tooltip="Back to where you were"),
        Binding("Y", "copy_spec", "Spec", id="detail.spec", tooltip="Copy what it was submitted with as YAML"),
        Binding(
            "m,left_square_bracket,right_square_bracket",
            "switch",
            "Metrics",
            id="detail.metrics",
            tooltip="Between the facts and how busy the machine is",
        ),
        Binding("left_parenthesis", "node(-1)", "Previous", id="detail.previous_node", tooltip="The previous node"),
        Binding("right_parenthesis", "node(1)", "Next", id="detail.next_node", tooltip="The next node"),
    ]

    rows: var[tuple[Row, ...]] = var[tuple[Row, ...]](())

    def __init__(self, task: TaskRecord, look: Look | None = None, *, metrics: bool = False) -> None:
        hints = [("j k", "scroll"), ("esc d", "close"), ("Y", "copy as YAML")]
        if look is not None:
            hints[2:2] = [("m", "metrics")] + ([("( )", "node")] if task.num_instances > 1 else [])
        super().__init__(task.name or task.task_id, hints)
        self._record = task
        self._view = None if look is None else MetricsView(look, task)
        self._shows_metrics = metrics and look is not None
        self.set_reactive(TaskDetail.rows, facts_of(task))

    @property
    def task_key(self) -> tuple[str, str]:
        """Of the task that is shown."""
        return self._record.key

    def body(self) -> Iterable[Widget]:
        yield Vertical(*_widgets(self.rows), classes="facts")
        if self._view is not None:
            yield self._view

    def on_mount(self) -> None:
        self.set_interval(_TICK_S, self._tick)
        self._show_tab()

    def on_screen_suspend(self) -> None:
        if self._view is not None:
            self._view.stop()

    def on_screen_resume(self) -> None:
        self._show_tab()

    def update(self, task: TaskRecord) -> None:
        """Shows what is known now; keeps the place that is being read. A record of another task is ignored."""
        if task.key == self._record.key:
            self._record = task
            self.rows = facts_of(task)
            if self._view is not None and task.is_terminal:
                self._view.end()

    def action_switch(self) -> None:
        if self._view is not None:
            self._shows_metrics = not self._shows_metrics
            self.scrolled.scroll_home(animate=False)
            self._show_tab()

    def action_node(self, step: int) -> None:
        if self._view is not None and self._shows_metrics:
            self._view.show_node((self._view.node + step) % self._view.nodes)
            self._show_tab()

    def action_copy_spec(self) -> None:
        self.app.copy_to_clipboard(spec_yaml(self._record))
        self.notify("copied", markup=False)

    def _show_tab(self) -> None:
        """The facts, or the metrics, which are then asked for."""
        if self._view is None or not self.is_mounted:
            return
        view, shown = self._view, self._shows_metrics
        self.query_one(".facts").display, view.display = not shown, shown
        view.start() if shown else view.stop()
        node = f"  node {view.node} of {view.nodes}" if shown and view.nodes > 1 else ""
        tabs = [("Facts", "" if shown else "reverse"), ("Metrics", "reverse" if shown else "")]
        name = visible(self._record.name or self._record.task_id)
        words = [Content(name), *(Content.styled(f" {tab} ", style) for tab, style in tabs)]
        self.query_one(".dialog-frame").border_title = Content("  ").join(words) + Content(node)

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
