"""A terminal on screen: rows of a core as strips, every key to the far side, one prefix key for us.

The app must refuse its priority bindings while `captures_keys` is true (in `check_action`), since Textual
runs those before any widget sees the key; and call `raw_keys.keep_raw_keys()` once at start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual import events
from textual.timer import Timer

from flow_tui.key_hold import STOP_KEY
from flow_tui.key_order import hold_keys
from flow_tui.terminal.consent import ClipboardConsent
from flow_tui.terminal.core import Modes, TerminalCore, load_core
from flow_tui.terminal.keys import encode_key, encode_typed
from flow_tui.terminal.paste import encode_paste, would_run
from flow_tui.terminal.prefix import AFTER_PREFIX, RELEASE_KEY, REOPEN_KEY, Command, Keys
from flow_tui.terminal.session import Recorder, Session, leave_application, not_opened, show_lines
from flow_tui.widgets.announcing import announce
from flow_tui.widgets.raw_keys import raw_sequence
from flow_tui.widgets.terminal_mouse import MouseRows
from flow_tui.widgets.terminal_says import Says

if TYPE_CHECKING:
    from flow_core.providers.contract.access import Shell

_EARLY_KEYS = 1024
_OPENING = (Command.ANOTHER, Command.KEEP)

_PREFIX_S = 2.0
_RESIZE_S = 0.05
_BELL_S = 1.0
_FLASH_S = 0.3
_TYPING_S = 1.0


class TerminalView(Says, MouseRows, can_focus=True):
    """Shows one shell: `run` in a worker, then keep the view for its last screen, or run another shell in it."""

    DEFAULT_CSS = """
    TerminalView { width: 1fr; height: 1fr; }
    """

    def __init__(self, *, release_key: str = RELEASE_KEY, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.release_key = release_key
        self.keys = Keys.SHELL
        self.title_text = ""
        self.has_rung = False
        self.note = ""
        self.clipboard = ClipboardConsent()
        self._core: TerminalCore | None = None
        self._session: Session | None = None
        self._early: deque[events.Key | events.Paste] | None = deque(maxlen=_EARLY_KEYS)
        self._typed_at = float("-inf")
        self._was_laid_out = asyncio.Event()
        self._rang_at = float("-inf")
        self._told: tuple[tuple[int, int] | None, bool] = (None, False)
        self._prefix_timer: Timer | None = None
        self._resize_timer: Timer | None = None

    @property
    def is_live(self) -> bool:
        """True while a shell runs in the view."""
        return self._session is not None and self._session.is_live

    @property
    def is_opening(self) -> bool:
        """True until there is a shell: what is typed meanwhile is sent to it once it is there."""
        return self._early is not None

    @property
    def captures_keys(self) -> bool:
        """True while the view has the focus. Then no key is the dashboard's, also once the shell is over: what is
        typed at that moment was meant for the shell."""
        return self.has_focus

    @property
    def keys_go_to(self) -> str:
        """Where typed keys go, for the footer; empty where the dashboard gets them."""
        if not self.captures_keys:
            return ""
        if self.is_in_copy_mode:
            return "every other key goes to copy mode"
        if self.is_opening:
            return "typed text goes to the shell once it is open; esc stops waiting for it"
        return "this shell has ended; typed text is ignored" if self.is_over else "every other key goes to the shell"

    @property
    def core(self) -> TerminalCore | None:
        """The terminal behind the view, once `run` has begun."""
        return self._core

    @property
    def is_recording(self) -> bool:
        return self._session is not None and self._session.recorder is not None

    def record(self, recorder: Recorder | None) -> None:
        """Begins with what is on the screen; None ends it. Whoever made the recorder closes it."""
        if self._session is not None:
            self._session.record(recorder)
            self._tell()

    async def laid_out(self, timeout_s: float) -> tuple[int, int]:
        """(columns, rows) of the view as soon as it has a place; 80 by 24 if it gets none in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._was_laid_out.wait()
        except TimeoutError:
            return (80, 24)
        return (self.size.width, self.size.height)

    def expect_shell(self) -> None:
        """Keeps what is typed for the shell that is being opened. Twice is safe."""
        if self._early is None:
            self._early = deque(maxlen=_EARLY_KEYS)
        self._tell()

    async def say(self, sentence: str) -> None:
        """A line of ours in the terminal, where no shell came of it."""
        self._early = None
        self._write_lines(await self._open_core(), not_opened(sentence))
        self._tell()

    async def _open_core(self) -> TerminalCore:
        if self._core is None:
            # The native core takes 0.2 s to import, which the event loop need not wait for.
            open_core = await asyncio.to_thread(load_core)
            self._core = open_core(self.size.width or 80, self.size.height or 24)
        return self._core

    async def run(self, shell: Shell, *, answers_queries: bool = True) -> None:
        """Shows the shell until it ends, and how it ended. A far side that breaks is a line in the view."""
        core = await self._open_core()
        self.stop_copying()
        core.resize(self.size.width or 80, self.size.height or 24)
        core.feed(b"\x1b[?25h")
        self._session = Session(core, shell, self._take_notice, answers_queries=answers_queries)
        early, self._early = self._early or (), None
        self._tell()
        for event in early:
            self._take_early(event)
        ending = await self._session.run()
        self._write_lines(core, ending.lines)
        announce(self, self.Ended(self, ending.code))

    def _take_early(self, event: events.Key | events.Paste) -> None:
        if isinstance(event, events.Key):
            self._type(event)
        else:
            self._paste(event.text)

    def _write_lines(self, core: TerminalCore, lines: Sequence[str]) -> None:
        leave_application(core)
        self.paint_frame()  # which finds out where the cursor is now
        show_lines(core, lines)
        self.paint_frame()

    def _tell(self) -> None:
        announce(self, self.Changed(self))

    def _take_notice(self) -> None:
        """After each slice of output."""
        core = self.core
        if core is None:
            return
        now = asyncio.get_running_loop().time()
        if core.take_bell():
            self._ring(now)
        if core.title != self.title_text:
            self.title_text = core.title
            self._tell()
        if (wanted := core.take_clipboard()) is not None:
            self._take_clipboard(wanted)
        self.want_frame(core, now)

    def _ring(self, now: float) -> None:
        if now - self._rang_at < _BELL_S:
            return
        self._rang_at = now
        self.app.bell()
        if self.has_focus:
            self.add_class("-rung")
            self.set_timer(_FLASH_S, lambda: self.remove_class("-rung"))
        elif not self.has_rung:
            self.has_rung = True
            self._tell()

    def _take_clipboard(self, text: str) -> None:
        allowed = self.clipboard.ask(text)
        if allowed is not None:
            self.copied(allowed)
        else:
            self._tell()

    def paint_frame(self) -> None:
        if self.copying is not None and not self.copying.is_valid:
            self.copying = None
            if self.keys is Keys.COPY:
                self._give_keys_to(Keys.SHELL)
        super().paint_frame()
        if (now := (self.position, self.is_recording)) != self._told:
            self._told = now
            self._tell()

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
            resize = partial(self._session.resize, size.width, size.height)
            if self.copying is not None:
                self.copying.across(resize)
            else:
                resize()
            self.paint_frame()

    def _on_focus(self, event: events.Focus) -> None:
        self._report_focus(b"\x1b[I")
        if self.has_rung:
            self.has_rung = False
            self._tell()

    def _on_blur(self, event: events.Blur) -> None:
        self._report_focus(b"\x1b[O")
        if self.keys is Keys.PREFIX:
            self._give_keys_to(Keys.SHELL)

    def _report_focus(self, report: bytes) -> None:
        self.refresh()
        if self.core is not None and self.core.modes.focus_reports:
            self._send(report)

    async def _on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if self.note:
            self.note = ""
            self._tell()
        if self.keys is Keys.PREFIX:
            self._after_prefix(event)
        elif event.key == self.release_key:
            self._give_keys_to(Keys.PREFIX)
        elif self.keys is Keys.COPY:
            self._copy_key(event)
        elif self.is_opening and event.key == STOP_KEY:
            announce(self, self.Asked(self, Command.STOP))
        elif self.is_live or self.is_opening:
            self._type(event)
        else:
            self._key_after_end(event)

    def _key_after_end(self, event: events.Key) -> None:
        """A line that was begun in the shell that is gone must not go on in another: enter counts after a pause."""
        now = asyncio.get_running_loop().time()
        if event.key == REOPEN_KEY and now - self._typed_at > _TYPING_S:
            self.expect_shell()  # what is typed before anybody opens it is meant for it
            announce(self, self.Asked(self, Command.REOPEN))
            return
        self._note_typing(event)
        self.app.bell()

    def _note_typing(self, event: events.Key) -> None:
        if event.key != REOPEN_KEY:
            self._typed_at = asyncio.get_running_loop().time()

    def _type(self, event: events.Key) -> None:
        core = self.core
        self._note_typing(event)
        if self._early is not None or core is None:
            if self._early is not None:
                self._early.append(event)
            return
        self.stop_copying()
        self._send(encode_typed(event.key, event.character, raw_sequence(event), core.modes))

    def _give_keys_to(self, keys: Keys) -> None:
        if self._prefix_timer is not None:
            self._prefix_timer.stop()
            self._prefix_timer = None
        if keys is Keys.PREFIX:
            self._prefix_timer = self.set_timer(_PREFIX_S, self._leave)
        if keys is not self.keys:
            self.keys = keys
            self._tell()

    def _leave(self) -> None:
        self.stop_copying()
        self._give_keys_to(Keys.SHELL)
        announce(self, self.Asked(self, Command.LEAVE))

    def _after_prefix(self, event: events.Key) -> None:
        """One key after the prefix. A key that means nothing here is dropped: it was not meant for the shell."""
        typed = event.character or ""
        command = AFTER_PREFIX.get(typed)
        if event.key in ("escape", "enter"):
            self._leave()
        else:
            self._give_keys_to(Keys.SHELL)
            if event.key == self.release_key and not self.is_over:
                self._type(event)
            elif command is not None:
                self.carry_out(command)
            elif typed.isascii() and typed.isdecimal():
                announce(self, self.Asked(self, Command.PANE, int(typed)))

    def carry_out(self, command: Command) -> None:
        """What a key after the prefix asks for, of the view or of whoever holds it."""
        if command is Command.COPY_MODE:
            if self.core is not None:
                self.start_copying()
                self._give_keys_to(Keys.COPY)
            return
        if command is Command.LEAVE:
            self._leave()
            return
        if command is Command.SEND:
            self._send(encode_key(self.release_key, None, self.core.modes if self.core is not None else Modes()))
            return
        if command is Command.ALLOW_COPY and (text := self.clipboard.allow()) is not None:
            self.copied(text)
        elif command is Command.REFUSE_COPY:
            self.clipboard.refuse()
        self._tell()
        keys = hold_keys(self.screen) if command in _OPENING else None
        announce(self, self.Asked(self, command, keys=keys))

    @property
    def is_in_copy_mode(self) -> bool:
        return self.keys is Keys.COPY

    @property
    def is_over(self) -> bool:
        """True once a shell has ended and no other is being opened."""
        return not self.is_live and not self.is_opening

    def _copy_key(self, event: events.Key) -> None:
        self.copy_key(event)
        if self.copying is None and self.keys is Keys.COPY:
            self._give_keys_to(Keys.SHELL)
        else:
            self._tell()

    def copied(self, text: str) -> None:
        self.note = f"copied {len(text)} characters"
        self._tell()
        announce(self, self.Copied(self, text))

    def _send(self, data: bytes) -> None:
        if self._session is not None and not self._session.send(data):
            self.app.bell()

    def send_to_program(self, data: bytes) -> None:
        self._send(data)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        if self.keys is Keys.COPY and self.copying is not None:
            self.copying.add_to_prompt(event.text)
            self._tell()
        elif self._early is not None:
            self._early.append(event)
        else:
            self._paste(event.text)

    def _paste(self, text: str) -> None:
        core = self.core
        if core is None or not self.is_live:
            self.app.bell()
        elif would_run(text) and not core.modes.bracketed_paste:
            announce(self, self.PasteNeedsConsent(self, text))
        else:
            self.send_paste(text)

    def send_paste(self, text: str) -> None:
        """Types the text, line breaks and all."""
        if self.core is not None:
            self.stop_copying()
            self._send(encode_paste(text, is_bracketed=self.core.modes.bracketed_paste))
