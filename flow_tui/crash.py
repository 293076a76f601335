"""Keeps Textual's own ending off the screen, and ends the app in order when the system asks.

Textual answers a fault by printing every frame with its local variables, keys included. Here the fault is
kept in `crash` and the screen is given back; whoever ran the app tells of it.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from textual.css.query import NoMatches
from textual.widget import MountError
from textual.worker import WorkerFailed

from flow_tui.report import keep_quietly

if TYPE_CHECKING:
    from textual.app import App

    _App = App[Any]
else:
    _App = object

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
_GRACE_S = 5.0
_LEAVE = b"\x1b[<u\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[?7h\x1b[?1049l\x1b[?25h"


class PanicError(Exception):
    """Textual gave up outside of a handler; the message is what it wanted to print."""


class CrashGuard(_App):
    """Put before App among the bases. `crash` is the first fault; `ended_by` the signal that ended the app."""

    crash: BaseException | None = None
    ended_by: signal.Signals | None = None

    async def run_async(self, **options: Any) -> Any:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: keep_quietly(context.get("exception")))
        with self._signals(loop):
            return await super().run_async(**options)

    def panic(self, *renderables: Any) -> None:
        # Only the thread that reads keys calls this; after a hang-up it has every reason to.
        if self.ended_by is None:
            self._return_code = 1
            self._keep(sys.exc_info()[1] or PanicError("the terminal can't be read"))
        self._close_messages_no_wait()

    def _handle_exception(self, error: Exception) -> None:
        if self._exit and isinstance(error, NoMatches | MountError):
            return  # who leaves at once leaves widgets that are only half there
        self._keep(error)
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        if self.crash is not None:
            self._exit_renderables.clear()
        super()._print_error_renderables()

    def _keep(self, error: BaseException) -> None:
        while isinstance(error, WorkerFailed):
            error = error.error
        if self.crash is None:
            self.crash = error

    @contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Handled by Python itself and not by the loop: the loop may be waiting for a terminal that is gone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        modes = _terminal_modes()

        def end(number: int, _: FrameType | None) -> None:
            self.ended_by = signal.Signals(number)
            signal.setitimer(signal.ITIMER_REAL, _GRACE_S)
            loop.call_soon_threadsafe(self.exit, None, 128 + number)

        def give_up(*_: object) -> None:
            _restore(modes)
            os._exit(128 + (self.ended_by or signal.SIGALRM))

        before = {number: signal.signal(number, end) for number in _ENDINGS}
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, give_up)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)


def _terminal_modes() -> list[Any] | None:
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def _restore(modes: list[Any] | None) -> None:
    """Gives the terminal back without Textual, and without waiting for a terminal that takes nothing."""
    try:
        if select.select([], [2], [], 0)[1]:
            os.write(2, _LEAVE)
        if modes is not None:
            termios.tcsetattr(0, termios.TCSANOW, modes)
    except (OSError, termios.error):
        return
