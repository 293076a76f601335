"""A terminal on screen: rows of a core as strips, every key to the far side, one prefix key for us.

The app must refuse its priority bindings while `captures_keys` is true (in `check_action`), since Textual
runs those before any widget sees the key; and call `raw_keys.keep_raw_keys()` once at start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.message import Message
from textual.timer import Timer

from flow_tui.terminal.core import TerminalCore, load_core
from flow_tui.terminal.keys import encode_key
from flow_tui.terminal.mouse import NO_BUTTON, WHEEL_DOWN, WHEEL_UP, Action, encode_mouse
from flow_tui.terminal.paste import encode_paste, would_run
from flow_tui.terminal.prefix import RELEASE_KEY, Keys
from flow_tui.terminal.session import Session
from flow_tui.widgets.raw_keys import raw_sequence
from flow_tui.widgets.terminal_rows import TerminalRows

if TYPE_CHECKING:
    from flow_core.providers.entry import Shell

_EARLY_KEYS = 1024

_PREFIX_S = 2.0
_RESIZE_S = 0.05
_BELL_S = 1.0
_WHEEL_ROWS = 3


class TerminalView(TerminalRows, can_focus=True):
    """Shows one shell: `run` in a worker, then keep the view for its last screen."""

    DEFAULT_CSS = """
    TerminalView { width: 1fr; height: 1fr; }
    """

    @dataclass
    class _About(Message):
        view: TerminalView

        @property
        def control(self) -> TerminalView:
            return self.view

    @dataclass
    class Released(_About):
        """The user wants to leave the pane."""

    @dataclass
    class KillRequested(_About):
        """The user wants the shell closed; ask first."""

    @dataclass
    class ZoomRequested(_About):
        """The user wants the pane larger, or as it was."""

    @dataclass
    class HelpRequested(_About):
        """The user wants to know what the prefix can do."""

    @dataclass
    class JumpRequested(_About):
        """The user wants the pane of this digit."""

        digit: int

    @dataclass
    class KeysChanged(_About):
        """The next key goes to someone else now."""

        keys: Keys

    @dataclass
    class TitleChanged(_About):
        """The far side named its window; printable, but still foreign text."""

        title: str

    @dataclass
    class PasteNeedsConsent(_About):
        """Several lines were pasted and the far side would run them; `send_paste` sends them anyway."""

        text: str

    @dataclass
    class Ended(_About):
        """The shell is over; `code` is None where nobody could say."""

        code: int | None

    def __init__(self, *, release_key: str = RELEASE_KEY, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.release_key = release_key
        self.keys = Keys.SHELL
        self._session: Session | None = None
        self._early: deque[events.Key] | None = deque(maxlen=_EARLY_KEYS)
        self.title_text = ""
        self._was_laid_out = asyncio.Event()
        self._rang_at = float("-inf")
        self._prefix_timer: Timer | None = None
        self._resize_timer: Timer | None = None

    @property
    def is_live(self) -> bool:
        """True while a shell runs in the view."""
        return self._session is not None and self._session.is_live

    @property
    def captures_keys(self) -> bool:
        """True while every key belongs to the shell, so that the app's priority bindings must not run.

        That begins before the shell is there: what is typed while it opens is sent once it is.
        """
        return self.has_focus and (self.is_live or self._early is not None)

    @property
    def core(self) -> TerminalCore | None:
        """The terminal behind the view, once `run` has begun."""
        return self._session.core if self._session is not None else None

    async def laid_out(self, timeout_s: float) -> tuple[int, int]:
        """(columns, rows) of the view as soon as it has a place; 80 by 24 if it gets none in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._was_laid_out.wait()
        except TimeoutError:
            return (80, 24)
        return (self.size.width, self.size.height)

    async def run(self, shell: Shell) -> None:
        """Shows the shell until it ends, and how it ended. A far side that breaks is a line in the view."""
        # The native core takes 0.2 s to import, which the event loop need not wait for.
        open_core = await asyncio.to_thread(load_core)
        core = open_core(self.size.width or 80, self.size.height or 24)
        self._session = Session(core, shell, self._take_notice)
        early, self._early = self._early or (), None
        for event in early:
            self._type(event)
        ending = await self._session.run()
        self._give_keys_to(Keys.SHELL)
        self._session.leave_application()
        self.paint_frame()
        self._session.show_ending(ending)
        self.paint_frame()
        self.post_message(self.Ended(self, ending.code))

    def _take_notice(self) -> None:
        """After each slice of output."""
        core = self.core
        if core is None:
            return
        now = asyncio.get_running_loop().time()
        if core.take_bell() and now - self._rang_at >= _BELL_S:
            self._rang_at = now
            self.app.bell()
        if core.title != self.title_text:
            self.title_text = core.title
            self.post_message(self.TitleChanged(self, self.title_text))
        self.want_frame(core, now)

    def _on_resize(self, event: events.Resize) -> None:
        if not event.size.width or not event.size.height:
            return
        self._was_laid_out.set()
        if self._resize_timer is not None:
            self._resize_timer.stop()
        self._resize_timer = self.set_timer(_RESIZE_S, self._apply_size)

    def _apply_size(self) -> None:
        self._resize_timer = None
        core, size = self.core, self.size
        if self._session is None or core is None or not size.width or not size.height:
            return
        if (core.cols, core.rows) != (size.width, size.height):
            self._session.resize(size.width, size.height)
            self.paint_frame()

    def _on_focus(self, event: events.Focus) -> None:
        self._report_focus(b"\x1b[I")

    def _on_blur(self, event: events.Blur) -> None:
        self._report_focus(b"\x1b[O")
        if self.keys is Keys.PREFIX:
            self._give_keys_to(Keys.SHELL)

    def _report_focus(self, report: bytes) -> None:
        self.refresh()
        if self.core is not None and self.core.modes.focus_reports:
            self._send(report)

    async def _on_key(self, event: events.Key) -> None:
        if not self.captures_keys:
            return
        event.stop()
        event.prevent_default()
        if self.keys is Keys.PREFIX:
            self._after_prefix(event)
        elif event.key == self.release_key:
            self._give_keys_to(Keys.PREFIX)
        elif self.keys is Keys.SCROLL:
            self._scroll_by_key(event)
        else:
            self._type(event)

    def _type(self, event: events.Key) -> None:
        core = self.core
        if core is None:
            if self._early is not None:
                self._early.append(event)
            return
        self._scroll_view(0)
        raw = raw_sequence(event)
        if raw is not None and (raw in ("\x08", "\x7f") or (len(raw) == 2 and raw[0] == "\x1b")):
            self._send(raw.encode())
        else:
            self._send(encode_key(event.key, event.character, core.modes))

    def _give_keys_to(self, keys: Keys) -> None:
        if self._prefix_timer is not None:
            self._prefix_timer.stop()
            self._prefix_timer = None
        if keys is Keys.PREFIX:
            self._prefix_timer = self.set_timer(_PREFIX_S, self._release)
        if keys is not self.keys:
            self.keys = keys
            self.post_message(self.KeysChanged(self, keys))

    def _release(self) -> None:
        self._give_keys_to(Keys.SHELL)
        self._scroll_view(0)
        self.post_message(self.Released(self))

    def _after_prefix(self, event: events.Key) -> None:
        """One key after the prefix. A key that means nothing here is dropped: it was not meant for the shell."""
        typed = event.character or ""
        if typed == "[":
            self._give_keys_to(Keys.SCROLL)
            return
        if event.key in ("escape", "enter"):
            self._release()
            return
        self._give_keys_to(Keys.SHELL)
        if event.key == self.release_key:
            self._type(event)
        elif typed == "k":
            self.post_message(self.KillRequested(self))
        elif typed == "z":
            self.post_message(self.ZoomRequested(self))
        elif typed == "?":
            self.post_message(self.HelpRequested(self))
        elif typed.isascii() and typed.isdecimal():
            self.post_message(self.JumpRequested(self, int(typed)))

    def _send(self, data: bytes) -> None:
        if self._session is not None and not self._session.send(data):
            self.app.bell()

    def _scroll_by_key(self, event: events.Key) -> None:
        core = self.core
        if core is None:
            return
        key, page = event.character or event.key, max(1, core.rows - 1)
        steps = {"k": 1, "j": -1, "up": 1, "down": -1, "pageup": page, "pagedown": -page}
        ends = {"g": core.scrollback_rows, "home": core.scrollback_rows, "G": 0, "end": 0}
        if event.key in ("q", "escape"):
            self._give_keys_to(Keys.SHELL)
            self._scroll_view(0)
        elif key in steps or event.key in steps:
            self._scroll_view(core.scroll_offset + steps.get(event.key, steps.get(key, 0)))
        elif key in ends or event.key in ends:
            self._scroll_view(ends.get(key, ends.get(event.key, 0)))

    def _scroll_view(self, offset: int) -> None:
        core = self.core
        if core is not None and core.scroll_offset != offset:
            core.scroll_to(offset)
            self.paint_frame()

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        core = self.core
        if core is None or not self.is_live:
            return
        if would_run(event.text) and not core.modes.bracketed_paste:
            self.post_message(self.PasteNeedsConsent(self, event.text))
        else:
            self.send_paste(event.text)

    def send_paste(self, text: str) -> None:
        """Types the text, line breaks and all."""
        if self.core is not None:
            self._scroll_view(0)
            self._send(encode_paste(text, is_bracketed=self.core.modes.bracketed_paste))

    async def _on_mouse_down(self, event: events.MouseDown) -> None:
        if self._report_mouse("press", event, event.button - 1):
            self.capture_mouse()

    async def _on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        self._report_mouse("release", event, event.button - 1)

    def _on_mouse_move(self, event: events.MouseMove) -> None:
        self._report_mouse("move", event, event.button - 1 if event.button else NO_BUTTON)

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, WHEEL_UP, _WHEEL_ROWS)

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, WHEEL_DOWN, -_WHEEL_ROWS)

    def _wheel(self, event: events.MouseEvent, button: int, rows: int) -> None:
        event.stop()
        event.prevent_default()
        core = self.core
        if core is None or self._report_mouse("press", event, button):
            return
        if core.modes.alternate_screen:  # nothing to scroll there, but pagers and editors know arrows
            self._send(encode_key("up" if rows > 0 else "down", None, core.modes) * _WHEEL_ROWS)
        else:
            self._scroll_view(max(0, min(core.scroll_offset + rows, core.scrollback_rows)))

    def _report_mouse(self, action: Action, event: events.MouseEvent, button: int) -> bool:
        """True if the far side was told. Shift keeps an event from it."""
        core = self.core
        if core is None or not self.is_live or event.shift:
            return False
        x, y = max(0, min(event.x, core.cols - 1)), max(0, min(event.y, core.rows - 1))
        report = encode_mouse(action, button, x, y, 8 * event.meta + 16 * event.ctrl, core.modes)
        self._send(report)
        return bool(report)
