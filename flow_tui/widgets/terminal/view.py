"""The widget of a terminal. It connects its parts to Textual and to its owner. Each part has its own file beside it.

The app must refuse its priority bindings while `captures_keys` is true (in `check_action`), because Textual runs them
before any widget gets the key. It must also call `raw_keys.keep_raw_keys()` once at start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from flow_tui.key_queue import hold_keys
from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.prefix import RELEASE_KEY, Command, KeyTarget
from flow_tui.terminal.session import Recorder, describe_open_failure, leave_application, show_lines
from flow_tui.widgets.announce import announce
from flow_tui.widgets.terminal.immediate_draw import draw_now
from flow_tui.widgets.terminal.key_input import KeyInput
from flow_tui.widgets.terminal.mouse_input import MouseInput
from flow_tui.widgets.terminal.paint_schedule import PaintSchedule
from flow_tui.widgets.terminal.painter import TerminalPainter
from flow_tui.widgets.terminal.selection import TerminalSelection
from flow_tui.widgets.terminal.shell_signals import ShellSignals
from flow_tui.widgets.terminal.terminal_io import TerminalIO

if TYPE_CHECKING:
    from flow_core.providers.contract.access import Shell
    from flow_tui.shell_key_hold import KeyHold

_OPENING = (Command.ANOTHER, Command.KEEP)
_RESIZE_S = 0.05


@dataclass
class TerminalMessage(Message, bubble=True):
    """A message of a view."""

    view: TerminalView

    @property
    def control(self) -> TerminalView:
        return self.view


class TerminalView(Widget, can_focus=True):
    """A view of one shell. Call `run` in a worker. Afterwards, it shows the last screen and can run another shell."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    TerminalView { width: 1fr; height: 1fr; }
    """

    @dataclass
    class CommandRequested(TerminalMessage):
        """The user wants a command carried out. `digit` is the number of the pane if the command is PANE.

        `keys` holds what is typed for the shell that the command opens; the receiver that opens it ends the hold.
        """

        command: Command
        digit: int = 0
        keys: KeyHold | None = None

    @dataclass
    class StateChanged(TerminalMessage):
        """Something in the border changed: key target, title, position, recording, bell, clipboard request."""

    @dataclass
    class Copied(TerminalMessage):
        """The user copied this text, or the shell did and the user allowed it."""

        text: str

    @dataclass
    class PasteNeedsConsent(TerminalMessage):
        """The user pasted several lines, which the shell would run; `send_paste` sends them anyway."""

        text: str

    @dataclass
    class Ended(TerminalMessage):
        """The shell ended. `code` is its exit code, None if unknown."""

        code: int | None

    def __init__(self, *, release_key: str = RELEASE_KEY, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.note = ""
        """A sentence for the border, until the next key."""
        self._io = TerminalIO(self._on_output, self.ring)
        self._painter = TerminalPainter(self)
        self._schedule = PaintSchedule(self)
        self.selection = TerminalSelection(self, self._io)
        self.signals = ShellSignals(self)
        self.key_input = KeyInput(self, self._io, self.selection, release_key)
        self._mouse = MouseInput(self._io, self.selection)
        self._was_laid_out = asyncio.Event()
        self._resize_timer: Timer | None = None
        self._announced: tuple[tuple[int, int] | None, bool] = (None, False)

    @property
    def core(self) -> TerminalCore | None:
        """The terminal core, once `run` has begun."""
        return self._io.core

    @property
    def is_live(self) -> bool:
        """True while a shell runs in the view."""
        return self._io.is_live

    @property
    def is_opening(self) -> bool:
        """True until there is a shell: the view keeps what is typed and sends it to the shell."""
        return self.key_input.is_opening

    @property
    def is_over(self) -> bool:
        """True once a shell has ended and no other is being opened."""
        return self.key_input.is_over

    @property
    def is_recording(self) -> bool:
        return self._io.is_recording

    @property
    def captures_keys(self) -> bool:
        """True while the view has the focus, also after the shell has ended: keys typed then were meant for it."""
        return self.has_focus

    @property
    def keys_go_to(self) -> str:
        """The target of typed keys, for the footer; empty if the dashboard gets them."""
        if not self.captures_keys:
            return ""
        if self.key_input.target is KeyTarget.COPY_MODE:
            return "every other key goes to copy mode"
        if self.is_opening:
            return "typed text goes to the shell once it is open; esc stops waiting for it"
        if self.is_over:
            return "this shell has ended; typed text is ignored"
        return "every other key goes to the shell"

    async def wait_until_laid_out(self, timeout_s: float) -> tuple[int, int]:
        """Waits until the view is laid out. Returns its (columns, rows); (80, 24) after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._was_laid_out.wait()
        except TimeoutError:
            return (80, 24)
        return (self.size.width, self.size.height)

    def expect_shell(self) -> None:
        """Keeps what is typed for the shell that is being opened. Calling it again is safe."""
        self.key_input.expect_shell()

    async def say(self, sentence: str) -> None:
        """Writes a sentence into the terminal about a shell that could not be opened."""
        self.key_input.expect_nothing()
        self._write_lines(await self._io.open_core(self.size), describe_open_failure(sentence))
        self.announce_change()

    async def run(self, shell: Shell, *, answers_queries: bool = True) -> None:
        """Shows the shell until it ends, and then how it ended. A lost connection is a line in the view."""
        core = await self._io.open_core(self.size)
        self.selection.stop()
        session = self._io.open_session(core, shell, self.size, answers_queries=answers_queries)
        self.key_input.send_early()
        ending = await session.run()
        self._write_lines(core, ending.lines)
        self._announce(self.Ended(self, ending.code))

    def record(self, recorder: Recorder | None) -> None:
        """Starts a recording with the current screen; None ends the recording. The caller closes the recorder."""
        self._io.record(recorder)
        self.announce_change()

    def send_paste(self, text: str) -> None:
        """Sends pasted text, even if the shell runs its lines."""
        self.key_input.send_paste(text)

    def carry_out(self, command: Command, digit: int = 0) -> None:
        """Carries out a command of the view, or passes it to its ancestors. `digit` is the number of a pane."""
        if command is Command.COPY_MODE:
            if self.core is not None:
                self.selection.start()
                self.key_input.give_to(KeyTarget.COPY_MODE)
        elif command is Command.LEAVE:
            self.selection.stop()
            self.key_input.give_to(KeyTarget.SHELL)
            self._announce(self.CommandRequested(self, command))
        elif command is Command.SEND:
            self.key_input.send_release_key()
        else:
            self._answer_clipboard(command)
            self.announce_change()
            keys = hold_keys(self.screen) if command in _OPENING else None
            self._announce(self.CommandRequested(self, command, digit, keys=keys))

    def copy_text(self, text: str) -> None:
        self.note = f"copied {len(text)} characters"
        self.announce_change()
        self._announce(self.Copied(self, text))

    def confirm_paste(self, text: str) -> None:
        self._announce(self.PasteNeedsConsent(self, text))

    def announce_change(self) -> None:
        self._announce(self.StateChanged(self))

    def ring(self) -> None:
        self.app.bell()

    def paint_frame(self) -> None:
        core = self.core
        if core is None:
            return
        if self.selection.stop_if_outdated() and self.key_input.target is KeyTarget.COPY_MODE:
            self.key_input.give_to(KeyTarget.SHELL)
        self._schedule.note_painted()
        self._painter.paint(core, self.selection.mode)
        if (now := (self.selection.scroll_position, self.is_recording)) != self._announced:
            self._announced = now
            self.announce_change()

    def show_frame(self) -> None:
        self.paint_frame()
        draw_now(self)

    def render_line(self, y: int) -> Strip:
        return self._painter.render_line(y)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self.core is not None:
            self._painter.restyle(self.core)

    def _announce(self, message: Message) -> None:
        announce(self, message)

    def _on_output(self) -> None:
        """Handles the events of the core and requests a frame, after each slice of output."""
        if self.core is not None:
            self.signals.take(self.core.events, has_focus=self.has_focus)
            self._schedule.request_paint(is_in_update=self.core.is_in_update)

    def _answer_clipboard(self, command: Command) -> None:
        if command is Command.ALLOW_COPY and (text := self.signals.clipboard.allow()) is not None:
            self.copy_text(text)
        elif command is Command.REFUSE_COPY:
            self.signals.clipboard.refuse()

    def _write_lines(self, core: TerminalCore, lines: Sequence[str]) -> None:
        if self._resize_timer is not None:  # else the lines would be wrapped for a width that is about to change
            self._resize_timer.stop()
            self._apply_size()
        leave_application(core)
        self.paint_frame()  # to update the position of the cursor
        show_lines(core, lines)
        self.paint_frame()

    def _on_resize(self, event: events.Resize) -> None:
        if not event.size.width or not event.size.height:
            return
        self._was_laid_out.set()
        if self._resize_timer is not None:
            self._resize_timer.stop()
        self._resize_timer = self.set_timer(_RESIZE_S, self._apply_size)

    def _apply_size(self) -> None:
        self._resize_timer = None
        if self._io.needs_size(self.size):
            self.selection.keep_across(partial(self._io.resize, self.size))
            self.paint_frame()

    def _on_focus(self, event: events.Focus) -> None:
        self._report_focus(b"\x1b[I")
        self.signals.clear_bell()

    def _on_blur(self, event: events.Blur) -> None:
        self._report_focus(b"\x1b[O")
        if self.key_input.target is KeyTarget.PREFIX:
            self.key_input.give_to(KeyTarget.SHELL)

    def _report_focus(self, report: bytes) -> None:
        self.refresh()
        if self._io.modes.focus_reports:
            self._io.send(report)

    async def _on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if self.note:
            self.note = ""
            self.announce_change()
        self._schedule.expect_echo()
        self.key_input.press(event)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self._schedule.expect_echo()
        self.key_input.paste(event)

    async def _on_mouse_down(self, event: events.MouseDown) -> None:
        if self._mouse.press(event):
            self.capture_mouse()

    async def _on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        self._mouse.release(event)

    def _on_mouse_move(self, event: events.MouseMove) -> None:
        self._mouse.move(event)

    async def _on_click(self, event: events.Click) -> None:
        self._mouse.click(event)

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._mouse.scroll(event)

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._mouse.scroll(event)
