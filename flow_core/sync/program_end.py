"""Ends the private event loop when Python exits.

The loop is loaded at its first use, but this is registered when `Flow` is imported, so that handlers that a program
registers later may still use the loop.
"""

from __future__ import annotations

import atexit
import sys

is_over = False
"""Whether Python is ending. No loop may be started then."""


def _end_loop() -> None:
    global is_over
    is_over = True
    if (loop_thread := sys.modules.get("flow_core.sync.loop_thread")) is not None:
        loop_thread.stop_loop()


atexit.register(_end_loop)
