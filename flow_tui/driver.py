"""The terminal of the dashboard: output that never blocks, and an end when the terminal is closed."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import termios
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from math import ceil
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from textual import constants, events
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message
from textual.messages import InBandWindowResize

from flow_tui.output_window import REQUEST, OutputWindow, StatusReplies
from flow_tui.tty_guard import LEAVE, TtyGuard
from flow_tui.tty_output import TtyOutput
from flow_tui.widgets.raw_keys import parse_modified_f3

if TYPE_CHECKING:
    from textual.app import App

    from flow_tui.last_screen.first_paint import HeldTerminal

_READ_BYTES = 4096
_TICK_S = 0.1
_TICKS = 3 + ceil(constants.ESCAPE_DELAY / _TICK_S)
"""Ticks after a read, in which the parser decides whether an escape byte was a key. Then only input wakes the thread.
"""
_GUARD_AFTER_S = 0.3  # its start takes a few milliseconds, which would delay the first frame
_DRAIN_S = 1.0
_JOIN_S = 1.0
_REPLY_S = 0.3


class TtyDriver(LinuxDriver):
    """Textual's driver with its own output. The app sets the callbacks. `on_lost` is called in any thread."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.on_lost: Callable[[], None] = lambda: None
        """Called when the terminal is closed."""
        self.on_caught_up: Callable[[], None] = lambda: None
        """Called when the terminal accepts output again; it lacks what was not drawn meanwhile."""
        self.on_restarted: Callable[[], None] = lambda: None
        """Called when the app has the terminal again. It is blank then."""
        assert sys.__stderr__ is not None
        self._screen_fd = sys.__stderr__.fileno()
        self._encoding = sys.__stderr__.encoding or "utf-8"
        self._unsent: list[str] = []
        self._window = OutputWindow(self._catch_up)
        self._reply = Event()
        """Set once the terminal has answered the last request."""
        self._output: TtyOutput | None = None
        self._guard: TtyGuard | None = None
        self._guard_timer: asyncio.TimerHandle | None = None
        self._is_input_open = False
        self._input_end: tuple[int, int] | None = None
        """A pipe that wakes the thread that reads keys."""
        self._was_started = False
        self.held_terminal: HeldTerminal | None = None
        """The terminal with the last screen on it, for the first start."""
        signal.signal(signal.SIGTSTP, lambda *_: self._call_in_loop(self._stop))
        signal.signal(signal.SIGCONT, lambda *_: self._call_in_loop(self._continue))

    @property
    def can_draw(self) -> bool:
        """False while the terminal is behind with the last frames, or while another program uses it."""
        return self._output is not None and not self._output.is_behind and self._window.is_open

    def write(self, data: str) -> None:
        """Queues text. `flush` writes it, at the latest when the event loop is idle."""
        if self._output is None:
            return
        if not self._unsent:
            self._loop.call_soon(self.flush)
        self._unsent.append(data)

    def flush(self) -> None:
        text = "".join(self._unsent)
        self._unsent.clear()
        if self._output is not None:
            self._send(self._window.add(text.encode(self._encoding, "replace")))

    def start_application_mode(self) -> None:
        """Takes the terminal. A process in the background stops here until it is in the foreground again."""
        self._wait_for_foreground()
        taken = self.held_terminal.hand_over() if self.held_terminal is not None else None
        try:
            self.attrs_before = taken.modes if taken is not None else termios.tcgetattr(self.fileno)
            self._set_modes(self.attrs_before)
        except termios.error:
            self.on_lost()
            return
        self._output = TtyOutput(self._screen_fd, self._catch_up, self.on_lost)
        self._in_band_window_resize = False
        signal.signal(signal.SIGWINCH, self._on_resize)
        self._call_in_loop(self._send_size)
        self._enter_screen(is_painted=taken is not None)
        self._open_input()
        self._guard = taken.guard if taken is not None else None
        self._guard_timer = self._loop.call_later(_GUARD_AFTER_S, self._start_guard)
        if self._was_started:
            self._call_in_loop(self.on_restarted)
        self._was_started = True

    def stop_application_mode(self) -> None:
        """Restores the terminal. Calling it again is safe."""
        output, self._output = self._output, None
        self._unsent.clear()
        if output is None:
            return
        self._wait_for_reply()
        self.disable_input()
        self._window.reset()
        output.write(LEAVE.encode())
        is_left = output.drain(_DRAIN_S)
        output.close()
        self._end_guard(is_left=is_left)
        self._restore_modes()

    def disable_input(self) -> None:
        if not self._is_input_open:
            return
        self._is_input_open = False
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        self.exit_event.set()
        if self._key_thread is not None and self._input_end is not None:
            os.write(self._input_end[1], b".")
            self._key_thread.join(_JOIN_S)  # it waits in `read` if another program took its key
            if not self._key_thread.is_alive():
                for descriptor in self._input_end:
                    os.close(descriptor)
            self._input_end = None
        self.exit_event.clear()

    def close(self) -> None:
        self.stop_application_mode()

    def process_message(self, message: Message) -> None:
        if isinstance(message, InBandWindowResize):  # writes, which only the loop's thread may do
            self._call_in_loop(super().process_message, message)
        elif isinstance(message, events.CursorPosition) and (key := parse_modified_f3(message)) is not None:
            super().process_message(key)
        else:
            super().process_message(message)

    def run_input_thread(self) -> None:
        """Reads keys until the input is disabled. An end of file or an error means that the terminal is closed."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        wakeups = [self.fileno] if self._input_end is None else [self.fileno, self._input_end[0]]
        ticks, replies = _TICKS, StatusReplies()
        while not self.exit_event.is_set():
            ticks -= 1
            if self.fileno in select.select(wakeups, [], [], _TICK_S if ticks > 0 else None)[0]:
                ticks = _TICKS
                data = self._read()
                if not data:
                    self.on_lost()
                    return
                text, found = replies.take(decode(data), is_waiting=self._window.is_waiting)
                if found:
                    self._reply.set()
                    self._call_in_loop(self._confirm)
            elif text := replies.release():
                ticks = _TICKS
            if text:  # the bytes may not be a whole character yet
                self._process(parser.feed(text))
            self._process(parser.tick())

    def _send(self, output: bytes) -> None:
        if output.endswith(REQUEST):
            self._reply.clear()
        if self._output is not None:
            self._output.write(output)

    def _confirm(self) -> None:
        """Notes that the terminal has processed what came before the last request."""
        could_draw = self.can_draw
        self._send(self._window.confirm())
        if not could_draw:
            self._catch_up()

    def _catch_up(self) -> None:
        if self.can_draw:
            self.on_caught_up()

    def _wait_for_reply(self) -> None:
        """Waits a moment for the reply that is due. The shell after this program would take it as typed."""
        if self._window.is_waiting:
            self._reply.wait(_REPLY_S)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, _READ_BYTES)
        except OSError:
            return b""

    def _process(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)

    def _call_in_loop(self, call: Callable[..., object], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    def _enter_screen(self, *, is_painted: bool) -> None:
        if not is_painted:  # some terminals would clear the last screen
            self.write("\x1b[?1049h")
        self._enable_mouse_support()
        self.write("\x1b[?25l\x1b[?1004h")  # no cursor, focus events
        if not constants.DISABLE_KITTY_KEY:
            self.write("\x1b[>25u")
        self._request_terminal_sync_mode_support()
        self._query_in_band_window_resize()
        self._enable_bracketed_paste()
        self._disable_line_wrap()
        self.flush()

    def _open_input(self) -> None:
        self._is_input_open = True
        self._input_end = os.pipe()
        self._key_thread = Thread(target=self._run_input_thread, name="textual-input", daemon=True)
        self._key_thread.start()

    def _wait_for_foreground(self) -> None:
        """Stops this process, as the system would, until its job is in the foreground."""
        while True:
            try:
                if os.tcgetpgrp(self.fileno) == os.getpgrp():
                    return
            except OSError:  # not the controlling terminal, which means no job control
                return
            os.kill(os.getpid(), signal.SIGSTOP)

    def _set_modes(self, before: list[Any]) -> None:
        modes = [*before]
        modes[0] = self._patch_iflag(modes[0])
        modes[3] = self._patch_lflag(modes[3])
        modes[6] = [*modes[6]]
        modes[6][termios.VMIN] = 1
        termios.tcsetattr(self.fileno, termios.TCSANOW, modes)

    def _restore_modes(self) -> None:
        try:
            termios.tcflush(self.fileno, termios.TCIFLUSH)
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        except termios.error:
            return

    def _on_resize(self, *_: object) -> None:
        if not self._in_band_window_resize:
            self._call_in_loop(self._send_size)

    def _send_size(self) -> None:
        size = Size(*self._get_terminal_size())
        self.send_message(events.Resize(size, size))

    def _start_guard(self) -> None:
        if self._guard is None:
            self._guard = TtyGuard(self._screen_fd)

    def _end_guard(self, *, is_left: bool) -> None:
        if self._guard_timer is not None:
            self._guard_timer.cancel()
        if not is_left:
            self._start_guard()
        guard, self._guard = self._guard, None
        if guard is not None and is_left:
            guard.dismiss()
        elif guard is not None:
            guard.leave_it()

    def _stop(self) -> None:
        """Handles SIGTSTP: restores the terminal for the shell before this process stops."""
        if self._auto_restart and self._output is not None:
            self.suspend_application_mode()
            self._must_signal_resume = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _continue(self) -> None:
        """Handles SIGCONT: sets up the terminal again, which may be in any state. SIGSTOP itself can't be handled."""
        if not self._auto_restart:
            return
        self.suspend_application_mode()
        self.resume_application_mode()
        if self._must_signal_resume:
            self._must_signal_resume = False
            self.send_message(self.SignalResume())
