"""Handles keys and pasted text of a terminal view: input of the shell, copy mode, or commands after the prefix."""

from __future__ import annotations

import asyncio
from collections import deque

from textual import events
from textual.timer import Timer

from flow_tui.shell_key_hold import STOP_KEY
from flow_tui.terminal.input_encoding import encode_key, encode_paste, encode_typed, runs_as_commands
from flow_tui.terminal.prefix import AFTER_PREFIX, REOPEN_KEY, Command, KeyTarget
from flow_tui.widgets.raw_keys import get_raw_sequence
from flow_tui.widgets.terminal.selection import TerminalSelection
from flow_tui.widgets.terminal.terminal_io import TerminalIO
from flow_tui.widgets.terminal.view_protocol import TerminalHost

_EARLY_MAX = 1024
_PREFIX_S = 2.0
_TYPING_S = 1.0


class KeyInput:
    """The key input of a view. `target` decides what a key does. Keys typed while the shell opens are sent later."""

    def __init__(self, host: TerminalHost, io: TerminalIO, selection: TerminalSelection, release_key: str) -> None:
        self.target = KeyTarget.SHELL
        self.release_key = release_key
        self._host = host
        self._io = io
        self._selection = selection
        self._early: deque[events.Key | events.Paste] | None = deque(maxlen=_EARLY_MAX)
        self._typed_at = float("-inf")
        self._prefix_timer: Timer | None = None

    @property
    def is_opening(self) -> bool:
        """True initially and after `expect_shell`, until `send_early` or `expect_nothing`."""
        return self._early is not None

    @property
    def is_over(self) -> bool:
        """True once a shell has ended and no other is being opened."""
        return not self._io.is_live and not self.is_opening

    def expect_shell(self) -> None:
        """Keeps what is typed from now on for the shell that is being opened."""
        if self._early is None:
            self._early = deque(maxlen=_EARLY_MAX)
        self._host.announce_change()

    def expect_nothing(self) -> None:
        """Drops what was typed for a shell that could not be opened."""
        self._early = None

    def send_early(self) -> None:
        """Sends what was typed while the shell opened."""
        early, self._early = self._early or (), None
        self._host.announce_change()
        for event in early:
            if isinstance(event, events.Key):
                self._type(event)
            else:
                self._paste(event.text)

    def press(self, event: events.Key) -> None:
        if self.target is KeyTarget.PREFIX:
            self._press_after_prefix(event)
        elif event.key == self.release_key:
            self.give_to(KeyTarget.PREFIX)
        elif self.target is KeyTarget.COPY_MODE:
            self._press_in_copy_mode(event)
        elif self.is_opening and event.key == STOP_KEY:
            self._host.carry_out(Command.STOP)
        elif self.is_over:
            self._press_after_end(event)
        else:
            self._type(event)

    def paste(self, event: events.Paste) -> None:
        if self.target is KeyTarget.COPY_MODE and self._selection.mode is not None:
            self._selection.mode.add_to_prompt(event.text)
            self._host.announce_change()
        elif self._early is not None:
            self._early.append(event)
        else:
            self._paste(event.text)

    def send_paste(self, text: str) -> None:
        """Sends pasted text without asking."""
        if self._io.core is not None:
            self._selection.stop()
            self._io.send(encode_paste(text, is_bracketed=self._io.modes.bracketed_paste))

    def send_release_key(self) -> None:
        self._io.send(encode_key(self.release_key, None, self._io.modes))

    def give_to(self, target: KeyTarget) -> None:
        """Changes the target of keys. A prefix without a following key leaves the view after two seconds."""
        if self._prefix_timer is not None:
            self._prefix_timer.stop()
            self._prefix_timer = None
        if target is KeyTarget.PREFIX:
            self._prefix_timer = self._host.set_timer(_PREFIX_S, lambda: self._host.carry_out(Command.LEAVE))
        if target is not self.target:
            self.target = target
            self._selection.has_keys = target is KeyTarget.COPY_MODE
            self._host.announce_change()

    def _press_after_prefix(self, event: events.Key) -> None:
        """Carries out the command of a key after the prefix. Ignores other keys, which were not meant for the shell."""
        typed = event.character or ""
        command = AFTER_PREFIX.get(typed)
        if event.key in ("escape", "enter"):
            self._host.carry_out(Command.LEAVE)
            return
        self.give_to(KeyTarget.SHELL)
        if event.key == self.release_key and not self.is_over:
            self._type(event)
        elif command is not None:
            self._host.carry_out(command)
        elif typed.isascii() and typed.isdecimal():
            self._host.carry_out(Command.PANE, int(typed))

    def _press_in_copy_mode(self, event: events.Key) -> None:
        self._selection.press(event)
        if self._selection.mode is None and self.target is KeyTarget.COPY_MODE:
            self.give_to(KeyTarget.SHELL)
        else:
            self._host.announce_change()

    def _press_after_end(self, event: events.Key) -> None:
        """Reopens the shell on enter, but only after a pause: enter may end a line that was typed for the old shell."""
        if event.key == REOPEN_KEY and asyncio.get_running_loop().time() - self._typed_at > _TYPING_S:
            self.expect_shell()  # now, to keep what is typed before the pane opens the shell
            self._host.carry_out(Command.REOPEN)
            return
        self._note_typing(event)
        self._host.ring()

    def _note_typing(self, event: events.Key) -> None:
        if event.key != REOPEN_KEY:
            self._typed_at = asyncio.get_running_loop().time()

    def _type(self, event: events.Key) -> None:
        self._note_typing(event)
        if self._early is not None:
            self._early.append(event)
        elif self._io.core is not None:
            self._selection.stop()
            self._io.send(encode_typed(event.key, event.character, get_raw_sequence(event), self._io.modes))

    def _paste(self, text: str) -> None:
        if self._io.core is None or not self._io.is_live:
            self._host.ring()
        elif runs_as_commands(text) and not self._io.modes.bracketed_paste:
            self._host.confirm_paste(text)
        else:
            self.send_paste(text)
