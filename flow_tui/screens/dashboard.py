"""The dashboard: the panes, which of them are in view, and the one place where actions are carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget

from flow_core.fleet import Fleet
from flow_core.models.task import TaskRecord
from flow_tui.key_queue import hold_keys
from flow_tui.keymap import BY_ID, bindings_of
from flow_tui.panes.table_pane import TablePane
from flow_tui.panes.tasks import TasksPane
from flow_tui.questions import Questions
from flow_tui.screens import chrome, reasons
from flow_tui.screens.action_screen import ActionScreen
from flow_tui.screens.asking import Asking
from flow_tui.screens.late_panes import LatePanes
from flow_tui.screens.layout import PANES, SIZES, panes_in_view, size_class
from flow_tui.screens.shell_events import ShellEvents
from flow_tui.screens.task_log import TaskLog
from flow_tui.widgets.bar import Bar
from flow_tui.widgets.table import ResourceTable

if TYPE_CHECKING:
    from flow_tui.notices import PastNotice
    from flow_tui.panes.logs import LogsPane
    from flow_tui.screens.detail import TaskDetail

_TICK_S = 1.0
_REST_S = 0.3


class DashboardScreen(ShellEvents, LatePanes, ActionScreen):
    """All panes over one fleet."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("app")]

    def __init__(
        self,
        fleet: Fleet,
        questions: Questions,
        *,
        release_key: str,
        problems: Sequence[str] = (),
        past_notices: Iterable[PastNotice] = (),
        is_demo: bool = False,
    ) -> None:
        super().__init__()
        self.problems = problems
        self.past_notices = past_notices
        self.is_demo = is_demo
        self.release_key = release_key
        self.fleet = fleet
        self.questions = questions
        self.asking = Asking(self, questions)
        self.tasks = TasksPane(id="tasks", contexts=len(fleet.names))
        self.tasks.age_of = partial(chrome.age_of, fleet)
        self.tasks.is_read_only = fleet.gate.read_only
        # Made here and not looked up: the fleet may call before they are mounted, and after they are gone.
        self._header, self._footer = Bar(id="header"), Bar(id="footer", gap=1)
        self._tabs, self._panes = Bar(id="tabs", gap=1), Container(id="panes")
        self._logs: LogsPane | None = None
        self.task_log = TaskLog(self)
        self.draft: Mapping[str, str] | None = None
        self._places: dict[str, Widget] = {"tasks": self.tasks}
        self._front = "tasks"
        self._last_front = "tasks"
        self._side = "instances"
        self._zoomed = False
        self._arranged: tuple[str, tuple[str, ...]] | None = None
        self._detail: TaskDetail | None = None
        self._awaited: tuple[str, str] | None = None
        self._deeds: dict[str, Any] = {}
        self._rest_is_there = False
        self._logs_are_there = asyncio.Event()

    @property
    def is_read_only(self) -> bool:
        return self.fleet.gate.read_only

    async def _mount_rest(self) -> None:
        """The other panes, once the first rows are on screen, or once it is clear that they take their time."""
        if len(self._places) > 1 or not self._panes.is_attached:
            return
        self._places |= {"logs": Vertical(id="logs"), "instances": self.instances}
        self._places |= {"volumes": self.volumes, "shell": self.shell}
        for pane, widget in self._places.items():
            widget.display = pane in self._in_view()
        await self._panes.mount(*(widget for pane, widget in self._places.items() if pane != "tasks"))
        self._rest_is_there = True
        self._ask_for_more()
        if not self._places[self._front].has_focus_within:  # else it is where it belongs, in a filter perhaps
            self._focus_front()
        self.call_after_refresh(self._mount_logs)

    async def _mount_logs(self) -> None:
        """Made last: it is a quarter of what there is to load."""
        from flow_tui.panes.logs import LogsPane  # deferred: as above

        if not self._places["logs"].is_attached:
            return
        self._logs = LogsPane()
        await self._places["logs"].mount(self._logs)
        self._logs_are_there.set()
        if self._front == "logs":
            self._focus_front()

    async def all_panes(self) -> None:
        """Returns once every pane is there, a moment after the first frame."""
        await self._logs_are_there.wait()

    async def logs_pane(self) -> LogsPane | None:
        """The pane once it is there; None when the dashboard is being left."""
        await self.all_panes()
        return self._logs if self._logs is not None and self._logs.is_attached else None

    @property
    def front(self) -> str:
        """The pane that has, or last had, the focus."""
        return self._front

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._tabs
        with self._panes:
            yield self.tasks
        yield self._footer

    def on_mount(self) -> None:
        self.fleet.subscribe(self._show_fleet)
        self.set_interval(_TICK_S, self._tick)
        self.set_timer(_REST_S, self._mount_rest)
        self._arrange()
        self.tasks.table.focus()
        self._show_fleet()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()
        self._show_chrome()

    def on_descendant_focus(self) -> None:
        for pane, widget in self._places.items():
            if widget.has_focus_within:
                self._note_front(pane)
        self._show_chrome()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Changes are not even offered while read-only."""
        if action == "act" and parameters and self.is_read_only:
            return not BY_ID[str(parameters[0])].changes
        return True

    def action_act(self, action_id: str) -> None:
        """Carries out an action of the keymap, or says why it can't be done."""
        action = BY_ID[action_id]
        if self.check_action("act", (action_id,)) is False:
            self.say("read-only: restart without --read-only to change anything", severity="warning")
        elif reason := self.why_not(action_id):
            self.say(reason, severity="warning")
            if action.verb in ("shell", "kept_shell"):
                hold_keys(self).refuse()  # what came with the key was meant for the shell
        else:
            self._carry_out(self._handler(action.place, f"action_{action.verb}"), action_id)

    def why_not(self, action_id: str) -> str | None:
        """Why an action can't be done now, as a sentence; None when it can."""
        action = BY_ID[action_id]
        return reasons.why_not(self, action.place, action.verb)

    def bring_to_front(self, pane: str) -> None:
        """Shows a pane and gives it the focus."""
        self._note_front(pane)
        self._arrange()
        self._focus_front()

    def go_to_task(self, key: tuple[str, str]) -> None:
        """The tasks pane, with the cursor on this task."""
        self.tasks.close_filter()
        self.tasks.table.move_to(key)
        self.bring_to_front("tasks")

    def show_pane(self, pane: str) -> None:
        """What a digit does: the pane to the front; pressed again, to full size and back."""
        if self._front == pane:
            self._zoomed = not self._zoomed
        self.bring_to_front(pane)

    def toggle_zoom(self) -> None:
        self._zoomed = not self._zoomed
        self.bring_to_front(self._front)

    def go_back(self) -> None:
        """One step out: the filter, the full size, the pane."""
        place = self._logs if self._front == "logs" else self._places.get(self._front)
        close = getattr(place, "close_filter", None) or getattr(place, "close_search", None)
        if close is not None and close():
            self._show_chrome()
            return
        if self._zoomed:
            self.toggle_zoom()
        elif self._front != "tasks":
            self.bring_to_front("tasks")

    def go_to_last(self) -> None:
        self.bring_to_front(self._last_front)

    def move_focus(self, step: int) -> None:
        """To the next pane in view."""
        view = [pane for pane in PANES if pane in self._in_view()]
        self.bring_to_front(view[(view.index(self._front) + step) % len(view)] if self._front in view else view[0])

    def copy(self, text: str) -> None:
        self.app.copy_to_clipboard(text)
        self.say("copied")

    def open_detail(self, detail: TaskDetail) -> None:
        self._detail = detail
        self.app.push_screen(detail, self._detail_closed)

    def close_detail(self, action_id: str) -> None:
        """Closes the detail, then carries out the action."""
        if self._detail is not None:
            self._detail.finish(action_id)

    def open_submit_form(self, preset: Mapping[str, str] | None = None, *, in_editor: bool = False) -> None:
        self._carry_out(partial(self._deeds_of("app").submit, preset, in_editor), "submit")

    def _deeds_of(self, place: str) -> Any:
        """Made on first use: the dialogs behind them are not needed for the first frame."""
        if place not in self._deeds:
            from flow_tui.screens.deeds import deeds_for

            self._deeds[place] = deeds_for(place, self)
        return self._deeds[place]

    def _handler(self, place: str, method: str) -> Callable[[], Awaitable[None] | None]:
        for owner in (self._logs if place == "logs" else self._places.get(place), self._deeds_of(place)):
            if owner is not None and (handler := getattr(owner, method, None)):
                handler_of_place: Callable[[], Awaitable[None] | None] = handler
                return handler_of_place
        raise AssertionError(f"nobody carries out {place}.{method}")

    def await_task(self, task: TaskRecord) -> None:
        """Asks for news of a task that was just submitted, and puts the cursor on it once it is listed."""
        self._awaited = task.key
        self.fleet.refresh(task.context)

    def _detail_closed(self, action_id: str | None) -> None:
        self._detail = None
        if action_id is not None:
            self.action_act(action_id)

    def _note_front(self, pane: str) -> None:
        if pane != self._front:
            self._last_front, self._front = self._front, pane
        if pane in ("instances", "volumes"):
            self._side = pane

    def _in_view(self) -> tuple[str, ...]:
        return panes_in_view(size_class(*self.app.size), self._front, zoomed=self._zoomed, side=self._side)

    def _arrange(self) -> None:
        size, view = size_class(*self.app.size), self._in_view()
        if (size, view) == self._arranged:
            return
        self._arranged = (size, view)
        self.remove_class(*(other for other in SIZES if other != size))
        self.add_class(size)
        self.set_class(len(view) == 1, "-single")
        self.set_class(len(view) == 2, "-strip")
        for pane, widget in self._places.items():
            widget.display = pane in view
        self._ask_for_more()

    def _ask_for_more(self) -> None:
        """What the fleet asks for besides tasks: only what is in view."""
        view = self._in_view() if self._rest_is_there else ()
        self.fleet.want(*(noun for noun in ("instances", "volumes") if noun in view))

    def _focus_front(self) -> None:
        pane = self._places.get(self._front)
        if pane is None:
            return
        front = self.shell.front if self._front == "shell" else None
        target = front or next((child for child in pane.query("*") if child.focusable), None)
        if isinstance(pane, TablePane):
            target = pane.table
        if target is not None:
            target.focus()
        self._show_chrome()

    def _show_fleet(self) -> None:
        states = self.fleet.states
        answered = [state for state in states if state.answered_at is not None or state.error]
        if answered:
            is_stale = all(state.error for state in states)
            self.tasks.show(self.fleet.tasks, stale=is_stale, problem=chrome.unread(states, "tasks"))
            self.call_after_refresh(self._mount_rest)
        if self._awaited is not None and self.tasks.table.move_to(self._awaited):
            self._awaited = None
        if self._rest_is_there:
            self._show_rest()
        self._follow_selection()
        self._show_chrome()

    def _show_rest(self) -> None:
        self.volumes.know_tasks({task.key: task.name for task in self.fleet.tasks})
        if "volumes" in self.fleet.wanted:
            self.volumes.show(self.fleet.volumes, problem=chrome.unread(self.fleet.states, "volumes"))
        if "instances" in self.fleet.wanted:
            self.instances.show(self.fleet.instances, problem=chrome.unread(self.fleet.states, "instances"))

    def _follow_selection(self) -> None:
        """The log and the open detail follow what is known of their task."""
        self.task_log.show(self.tasks.selected)
        if self._detail is not None and (task := self.fleet.task(self._detail.task_key)):
            self._detail.update(task)

    @on(ResourceTable.Highlighted)
    def _highlighted(self, event: ResourceTable.Highlighted) -> None:
        if event.table is self.tasks.table:
            self.task_log.show(self.tasks.selected)  # the message may be older than the selection
        self._show_chrome()

    @on(ResourceTable.Activated)
    def _activated(self, event: ResourceTable.Activated) -> None:
        if event.table is self.tasks.table:
            self.action_act("tasks.detail")
        else:
            self.action_act("volumes.users" if event.table is self.volumes.table else "instances.submit_here")

    def _tick(self) -> None:
        for pane in self._places.values():
            if isinstance(pane, TablePane) and pane.display:
                pane.table.redraw_rows()  # ages go on, whether anything runs or not
        if "instances" in self.fleet.wanted:
            self.market.look()
        self.show_header()

    def show_header(self) -> None:
        if self.is_mounted:
            self._header.left, right = chrome.header(self.fleet, self.questions, self.problems, self.size.width)
            # The demo first, so that it is there at every size.
            self._header.right = (chrome.DEMO, *right) if self.is_demo else right

    @on(events.Click, "#header")
    def _header_clicked(self) -> None:
        self.action_act("app.attend")

    def _show_chrome(self) -> None:
        if not self.is_mounted:
            return
        self.show_header()
        filter_text = getattr(self._places.get(self._front), "filter_text", "")
        self._tabs.left, self._tabs.right = chrome.tabs(self._front, filter_text, self.size.width)
        front = self.shell.front if self._rest_is_there else None
        if front is not None and front.keys_go_to:
            self._footer.left = chrome.shell_footer(front.keys_go_to, self.release_key)
        else:
            self._footer.left = chrome.footer(self._front, self.is_read_only, self.why_not)
