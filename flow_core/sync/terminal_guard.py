"""A terminal lent out to a shell: whatever ends the program gives it back first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def guard_terminal() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP unwind the call instead of ending the program on the spot, its terminal left raw.

    Only in the main thread, and only where the program hasn't said what they should do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, _leave) for number in _ENDINGS if signal.getsignal(number) is signal.SIG_DFL
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
