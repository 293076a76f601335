"""Shows the output of a shell command that gets the text of a log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from flow_core.errors import FlowError
from flow_core.logs.escape import escape_controls
from flow_core.logs.export import LogBlock
from flow_core.logs.piped_command import PipedCommand
from flow_tui.dialogs.modal import Modal
from flow_tui.keymap import Keymap
from flow_tui.widgets.log import LogView
from flow_tui.widgets.workers import start_worker

_KEYS = {
    "logs.scroll_down": "scroll_down",
    "logs.scroll_up": "scroll_up",
    "logs.scroll_home": "scroll_home",
    "logs.follow": "follow",
    "logs.page_down": "page_down",
    "logs.page_up": "page_up",
    "logs.half_page_down": "half_page_down",
    "logs.half_page_up": "half_page_up",
    "logs.scroll_left": "scroll_left",
    "logs.scroll_right": "scroll_right",
    "logs.line_start": "line_start",
    "logs.line_end": "line_end",
    "logs.toggle_wrap": "toggle_wrap",
    "logs.select_lines": "select_lines",
}


class PipeScreen(Modal[None]):
    """A log view of the output. Closing it ends the command with all its processes."""

    DEFAULT_CSS = """
    PipeScreen { align: center middle; }
    PipeScreen > Vertical { width: 100%; height: 100%; border: heavy $accent; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "close", id="pipe.close", tooltip="End the command, and go back to the log"),
        Binding("ctrl+c", "copy_or_interrupt", show=False),
    ]

    def __init__(self, command: str, blocks: Iterator[LogBlock], source: str, keys: Keymap) -> None:
        super().__init__()
        self._piped = PipedCommand(command)
        self._blocks = blocks
        self._source = source
        self._keymap = keys
        self._problem = ""
        self.view = LogView()

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(f"{self._source} | {escape_controls(self._piped.command)}")
            yield self.view

    def on_mount(self) -> None:
        for action_id, action in _KEYS.items():
            for key in self._keymap.keys_of(action_id):
                self._bindings.bind(key, f"view('{action}')", show=False)
        for key in self._keymap.keys_of("logs.copy"):
            self._bindings.bind(key, "copy", show=False)
        self.view.empty_text = "The command has written nothing yet."
        self.view.open(self._piped.files, self._is_over)
        self.view.focus()
        self._show_state()
        start_worker(self, self._run, group="pipe")

    async def on_unmount(self) -> None:
        await self._piped.close()

    def action_view(self, name: str) -> None:
        getattr(self.view, f"action_{name}")()

    def action_copy(self) -> None:
        """Copies the selection, or the current line."""
        if text := self.view.read_selection():
            self._copy(text)
            self.view.selector.clear()

    async def action_copy_or_interrupt(self) -> None:
        if self.view.selector.selection is not None:
            self.action_copy()
        else:
            await self.run_action("app.interrupt")

    def action_back(self) -> None:
        if not self.view.selector.clear():
            self.finish(None)

    def on_log_view_selected(self, message: LogView.Selected) -> None:
        message.stop()
        if text := self.view.read_selection():
            self._copy(text)

    def _copy(self, text: str) -> None:
        self.app.copy_to_clipboard(text)
        self.notify("copied")

    async def _is_over(self) -> bool:
        return self._piped.exit_code is not None

    async def _run(self) -> None:
        try:
            await self._piped.run(self._blocks)
        except FlowError as error:
            self._problem = str(error)
        self._show_state()

    def _show_state(self) -> None:
        piped = self._piped
        if self._problem:
            state = self._problem
        elif piped.is_cut:
            state = "ended: more than 64 MB of output"
        else:
            state = "running" if piped.exit_code is None else f"exit {piped.exit_code}"
        for box in self.query(Vertical):
            box.border_subtitle = Content(f"{state}  esc close")
