"""The detail of one task: its facts, its metrics and its history, updated while the dialog is open."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import groupby
from typing import Any, ClassVar

from textual.binding import Binding, BindingsMap, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.reactive import var
from textual.widget import Widget
from textual.widgets import Static

from flow_core.logs.escape import escape_controls
from flow_core.models.task import TaskRecord
from flow_tui.dialogs.dialog import Fact, HintLines, Hints, Reader, measure_labels
from flow_tui.keymap import Keymap
from flow_tui.panes.tasks.facts import FactRow, collect_facts
from flow_tui.panes.tasks.history import Ask, HistoryView
from flow_tui.panes.tasks.metrics_view import MetricsView, OpenSamples
from flow_tui.panes.tasks.task_yaml import format_task_yaml
from flow_tui.widgets.workers import start_worker

_TICK_S = 1.0
_BID_ACTIONS = ("tasks.limit", "tasks.pause", "tasks.resume")
_QUEUE_ACTIONS = ("tasks.hold", "tasks.requeue", "tasks.time_limit", "tasks.signal")
_ACTIONS = ("tasks.logs", "tasks.shell", *_BID_ACTIONS, *_QUEUE_ACTIONS, "tasks.cancel")


class TaskDetail(Reader[str | None]):
    """The facts of a task, and its metrics and history if its context has them. `update` shows a newer record.

    `find_cause` returns the cause of its failure as a sentence, or "".
    `act` carries out an action of the keymap on the task; only the actions in the hints act. The answer is the id of an
    action to carry out once the detail has closed. The task is measured only while the detail is on the screen.
    """

    # A binding for an action has the action's id, so that the user's own keys act here, too.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "close", "Close", id="tasks.detail", tooltip="Back to where you were"),
        Binding("Y", "copy_yaml", "Copy YAML", id="tasks.spec", tooltip="Copy the configuration of the task as YAML"),
        Binding("m", "switch", "Metrics", id="tasks.metrics", tooltip="Switch between the overview and the metrics"),
        Binding("right_square_bracket", "turn(1)", "Next tab", id="detail.next_tab", tooltip="Show the next tab"),
        Binding(
            "left_square_bracket", "turn(-1)", "Previous tab", id="detail.previous_tab", tooltip="Show the previous tab"
        ),
        Binding("left_parenthesis", "node(-1)", "Previous", id="logs.previous_log", tooltip="Show the previous node"),
        Binding("right_parenthesis", "node(1)", "Next", id="logs.next_log", tooltip="Show the next node"),
    ]

    rows: var[tuple[FactRow, ...]] = var[tuple[FactRow, ...]](())

    def __init__(
        self,
        task: TaskRecord,
        keys: Keymap,
        open_samples: OpenSamples | None = None,
        ask: Ask | None = None,
        find_cause: Callable[[], Coroutine[Any, Any, str]] | None = None,
        act: Callable[[str], None] | None = None,
        *,
        metrics: bool = False,
        read_only: bool = False,
        has_scheduler: bool = False,
    ) -> None:
        hidden = {*(() if ask is not None else _BID_ACTIONS), *(() if has_scheduler else _QUEUE_ACTIONS)}
        self._offered = frozenset(
            action_id
            for action_id in (_ACTIONS if act is not None else ())
            if not (read_only and keys[action_id].changes) and action_id not in hidden
        )
        super().__init__(task.name or task.task_id, ())
        self._bindings = BindingsMap.merge([self._bindings, _make_bindings(keys)])
        self._record = task
        self._keys = keys
        self._act = act
        self._view = None if open_samples is None else MetricsView(open_samples, task)
        self._history = None if ask is None else HistoryView(ask)
        self._find_cause = find_cause
        self._cause = ""
        self._facts = Vertical(classes="facts")
        self._tab = "Metrics" if metrics and open_samples is not None else "Overview"
        self._hint_lines = HintLines(self._list_hints())
        self.set_reactive(TaskDetail.rows, collect_facts(task, keys))

    @property
    def task_key(self) -> tuple[str, str]:
        """The key of the task that is shown."""
        return self._record.key

    def compose_body(self) -> Iterable[Widget]:
        with self._facts:
            yield from _make_widgets(self.rows)
        if self._view is not None:
            yield self._view
        if self._history is not None:
            yield self._history

    def compose_hints(self) -> Widget:
        return self._hint_lines

    def on_mount(self) -> None:
        self.set_interval(_TICK_S, self._tick)
        self._show_tab()
        if self._find_cause is not None:
            start_worker(self, self._show_cause, group="cause")

    def on_screen_suspend(self) -> None:
        for view in (self._view, self._history):
            if view is not None:
                view.stop()

    def on_screen_resume(self) -> None:
        self._show_tab()

    def update(self, task: TaskRecord) -> None:
        """Shows a new record of the task and keeps the scroll position. Ignores a record of another task."""
        if task.key == self._record.key:
            if self._history is not None and task.status is not self._record.status:
                self._history.look_again()
            self._record = task
            self._tick()
            if self._view is not None and task.is_terminal:
                self._view.end()

    @property
    def tabs(self) -> tuple[str, ...]:
        """The tabs of this task, in their order."""
        views = (("Metrics", self._view), ("History", self._history))
        return ("Overview", *(name for name, view in views if view is not None))

    def action_switch(self) -> None:
        if self._view is not None:
            self._open_tab("Overview" if self._tab == "Metrics" else "Metrics")

    def action_turn(self, step: int) -> None:
        self._open_tab(self.tabs[(self.tabs.index(self._tab) + step) % len(self.tabs)])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "act" or parameters[0] in self._offered

    def action_act(self, action_id: str) -> None:
        if self._act is not None:
            self._act(action_id)

    def action_node(self, step: int) -> None:
        if self._view is not None and self._tab == "Metrics":
            self._view.show_node((self._view.node + step) % self._view.nodes)
            self._show_tab()

    def action_copy_yaml(self) -> None:
        self.app.copy_to_clipboard(format_task_yaml(self._record))
        self.notify("copied", markup=False)

    def _open_tab(self, tab: str) -> None:
        self._tab = tab
        self.scrolled.scroll_home(animate=False)
        self._show_tab()

    def _show_tab(self) -> None:
        """Shows the facts, or starts the view of the other tab."""
        if len(self.tabs) == 1 or not self.is_mounted:
            return
        self._facts.display = self._tab == "Overview"
        for name, view in (("Metrics", self._view), ("History", self._history)):
            if view is not None:
                view.display = self._tab == name
                view.start() if self._tab == name else view.stop()
        self._hint_lines.hints = self._list_hints()
        has_nodes = self._view is not None and self._tab == "Metrics" and self._view.nodes > 1
        node = f"  node {self._view.node} of {self._view.nodes}" if self._view and has_nodes else ""
        name = escape_controls(self._record.name or self._record.task_id)
        words = [Content.styled(f" {tab} ", "reverse" if tab == self._tab else "") for tab in self.tabs]
        self.frame.border_title = Content("  ").join([Content(name), *words]) + Content(node)

    def _list_hints(self) -> Hints:
        short = self._keys.short
        hints = [("j k", "scroll"), (f"esc {short('tasks.detail')}", "close")]
        if self._history is not None:
            hints.append(("[ ]", "tabs"))
        if self._view is not None:
            hints.append((short("tasks.metrics"), "overview" if self._tab == "Metrics" else "metrics"))
            if self._view.nodes > 1:
                hints.append((f"{short('logs.previous_log')} {short('logs.next_log')}", "node"))
        offered = [action_id for action_id in _ACTIONS if action_id in self._offered]
        return [*hints, *((short(action_id), self._keys[action_id].label) for action_id in (*offered, "tasks.spec"))]

    def _tick(self) -> None:
        self.rows = collect_facts(self._record, self._keys, cause=self._cause)

    async def _show_cause(self) -> None:
        if self._find_cause is not None:
            self._cause = await self._find_cause()
            self._tick()

    async def watch_rows(self, before: tuple[FactRow, ...], rows: tuple[FactRow, ...]) -> None:
        if not self.is_mounted:
            return
        if [row[:2] for row in before] == [row[:2] for row in rows]:
            for fact, row in zip(self.query(Fact), rows, strict=False):  # none while they are being mounted
                fact.change(row.value)
            return
        with self.app.batch_update():
            await self._facts.remove_children()
            if self._facts.is_attached:
                await self._facts.mount(*_make_widgets(rows))


def _make_bindings(keys: Keymap) -> BindingsMap:
    """Returns the bindings of actions that also act here. Textual replaces their default keys by the user's keys."""
    return BindingsMap(
        Binding(action.keys, f"act('{action.id}')", action.label, id=action.id, tooltip=action.tooltip)
        for action in (keys[action_id] for action_id in _ACTIONS)
    )


def _make_widgets(rows: Sequence[FactRow]) -> Iterable[Widget]:
    width = measure_labels(row.label for row in rows)
    for section, members in groupby(rows, key=lambda row: row.section):
        yield Static(Content(section), classes="facts-section")
        for row in members:
            yield Fact(row.label, row.value, width=width)
