"""Shows what differs between two logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError
from flow_core.logs.comparison import MOST_LINES, MOST_ROWS, LogComparison
from flow_core.logs.escape import escape_controls
from flow_core.logs.log_id import LogId
from flow_tui.dialogs.modal import Modal
from flow_tui.keymap import Keymap
from flow_tui.panes.logs.cursor_keys import CURSOR_KEYS
from flow_tui.widgets.log.diff_lines import count_differences
from flow_tui.widgets.log.diff_view import DiffView
from flow_tui.widgets.workers import start_worker

_KEYS = {
    **CURSOR_KEYS,
    "logs.scroll_left": "sideways_left",
    "logs.scroll_right": "sideways_right",
    "logs.line_start": "line_start",
    "logs.next_match": "next_difference",
    "logs.previous_match": "previous_difference",
}


_LIMITS = f"only the first {MOST_LINES:,} lines, 256 MB or {MOST_ROWS:,} rows"


@dataclass(frozen=True, slots=True)
class ComparedLog:
    """One of the two logs. `name` names it for the user."""

    log: LogId
    files: SpoolFiles
    name: str


class CompareScreen(Modal[tuple[LogId, int] | None]):
    """A comparison of two logs as they are now. Its answer is the log and the offset of a line to open.

    Closing it ends the child process that compares.
    """

    DEFAULT_CSS = """
    CompareScreen { align: center middle; }
    CompareScreen > Vertical { width: 100%; height: 100%; border: heavy $accent; background: $surface; }
    CompareScreen Static { height: 1; color: $muted; text-wrap: nowrap; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "finish", "close", id="compare.close", tooltip="Back to the log"),
        Binding("enter", "open_line", "open", id="compare.open", tooltip="Open the line in its log"),
        Binding("tab", "view('switch_side')", "side", id="compare.side", tooltip="Move the cursor to the other log"),
        Binding("r", "compare", "again", id="compare.again", tooltip="Compare what the logs contain now"),
    ]

    def __init__(self, left: ComparedLog, right: ComparedLog, keys: Keymap) -> None:
        super().__init__()
        self._logs = left, right
        self._keymap = keys
        self._comparison: LogComparison | None = None
        self._problem = ""
        self.view = DiffView()
        self._names = Static(markup=False)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._names
            yield self.view

    def on_mount(self) -> None:
        for action_id, action in _KEYS.items():
            for key in self._keymap.keys_of(action_id):
                self._bindings.bind(key, f"view('{action}')", show=False)
        self.view.focus()
        self.action_compare()

    def on_unmount(self) -> None:
        if self._comparison is not None:
            self._comparison.close()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._show_names)

    def action_view(self, name: str) -> None:
        getattr(self.view, f"action_{name}")()

    def action_compare(self) -> None:
        """Compares what the logs contain now, from the start."""
        start_worker(self, self._compare, group="compare", exclusive=True)

    def action_open_line(self) -> None:
        if (current := self.view.current) is not None:
            side, offset = current
            self.finish((self._logs[side].log, offset))

    async def _compare(self) -> None:
        before, self._problem = self._comparison, ""
        comparison = self._comparison = LogComparison(self._logs[0].files, self._logs[1].files)
        self.view.show(comparison)
        if before is not None:
            before.close()
        self._show_state()
        try:
            await comparison.run(self._show_progress)
        except FlowError as error:
            self._problem = error.message
            self._show_state()

    def _show_progress(self) -> None:
        self.view.grow()
        self._show_state()

    def _show_names(self) -> None:
        """Writes the name of each log above its column, or both with their signs."""
        left, right = (escape_controls(one.name) for one in self._logs)
        column = max(0, self.view.size.width // 2)
        both = f"{left[: column - 2]:<{column}} {right}" if self.view.is_side_by_side else f"< {left}   > {right}"
        self._names.update(both)
        self._show_state()

    def _show_state(self) -> None:
        for box in self.query(Vertical):
            is_cut = self._comparison is not None and self._comparison.is_cut
            box.border_title = Content(f"Compare  {_LIMITS}" if is_cut else "Compare")
            box.border_subtitle = Content(f"{self._describe()}  {self._describe_keys()}")

    def _describe(self) -> str:
        comparison = self._comparison
        if self._problem or comparison is None:
            return self._problem
        count = count_differences(comparison.signs)
        found = f"{count:,} {'difference' if count == 1 else 'differences'}" if count else "no difference"
        if not comparison.is_complete:
            return f"comparing: {found} so far"
        return found

    def _describe_keys(self) -> str:
        spell, side = self._keymap.written, "tab side  " if self.view.is_side_by_side else ""
        steps = f"{spell('logs.next_match')} {spell('logs.previous_match')} difference"
        return f"{steps}  {side}enter open  r again  esc close"
