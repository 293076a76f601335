"""Replaces Textual's crash screen, and ends the app in order on signals.

Textual prints every frame of a crash with its local variables, which include keys. This module stores the error in
`crash` and restores the terminal. The caller of the app reports the error.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from textual.css.query import NoMatches
from textual.widget import MountError
from textual.worker import WorkerFailed

from flow_tui.crash_report import write_report_silently
from flow_tui.frame_pacing import PacedFrames

if TYPE_CHECKING:
    from textual.driver import Driver

_ENDING_SIGNALS = frozenset(
    number
    for name in ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "XCPU", "VTALRM", "PROF", "IO", "PWR", "STKFLT"]
    if (number := getattr(signal, f"SIG{name}", None)) is not None
)
"""Signals that end a process by default, except those that report a fault of the process itself."""

_GRACE_S = 4.0


class PanicError(Exception):
    """Textual failed outside of a message handler."""


class CrashGuard(PacedFrames):
    """An app mixin; put it before App. `crash` is the first error, `ended_by` the signal that ended the app."""

    crash: BaseException | None = None
    ended_by: signal.Signals | None = None
    _running_loop: asyncio.AbstractEventLoop | None = None

    async def run_async(self, **options: Any) -> Any:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: write_report_silently(context.get("exception")))
        with self._handle_signals(loop):
            return await super().run_async(**options)

    def panic(self, *renderables: Any) -> None:
        # Only the thread that reads keys calls this. After a hang-up, the call is expected.
        if self.ended_by is None:
            self._return_code = 1
            self._store_crash(sys.exc_info()[1] or PanicError("the terminal can't be read"))
        self._close_messages_no_wait()

    def _handle_exception(self, error: Exception) -> None:
        if self._exit and isinstance(error, NoMatches | MountError):
            return  # an exit right after the start leaves half mounted widgets
        self._store_crash(error)
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        if self.crash is not None:
            self._exit_renderables.clear()
        super()._print_error_renderables()

    def _store_crash(self, error: BaseException) -> None:
        while isinstance(error, WorkerFailed):
            error = error.error
        if self.crash is None:
            self.crash = error

    def hang_up(self) -> None:
        """Ends the app as after SIGHUP, because the terminal is closed. Not every parent process sends SIGHUP."""
        self._end_by_signal(signal.SIGHUP)

    def _end_by_signal(self, number: signal.Signals) -> None:
        if self.ended_by is None:
            self.ended_by = number
            signal.setitimer(signal.ITIMER_REAL, _GRACE_S)
        if self._running_loop is not None and not self._running_loop.is_closed():
            self._running_loop.call_soon_threadsafe(self.exit, None, 128 + self.ended_by)

    @contextmanager
    def _handle_signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Handles signals in Python and not in the event loop, which may hang.

        The grace period continues after the end of the app, because threads and the rest of the program may hang, too.
        """
        self._running_loop = loop
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in _find_unhandled_signals()}
        signal.signal(signal.SIGALRM, self._force_exit)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if self.ended_by is None else signal.SIG_IGN)
            if self.ended_by is None:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._end_by_signal(signal.Signals(number))

    def _force_exit(self, *_: object) -> None:
        driver: Driver | None = self._driver
        try:
            if driver is not None:
                driver.stop_application_mode()
        finally:
            os._exit(128 + (self.ended_by or signal.SIGALRM))


def _find_unhandled_signals() -> list[signal.Signals]:
    """Returns the ending signals, except those that other code of this process handles, such as a profiler."""
    always = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
    return [
        number for number in sorted(_ENDING_SIGNALS) if number in always or signal.getsignal(number) == signal.SIG_DFL
    ]
