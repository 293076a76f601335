"""Runs blocking file operations in threads without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_CANCEL_WAIT_S = 10.0
_P = ParamSpec("_P")
_T = TypeVar("_T")


class CancellableThread:
    """A runner of short blocking functions in threads. A cancelled caller waits for the running function to return.

    `is_stuck` is True once a function didn't return within 10 s of a cancellation. It may still use its file
    descriptors, so don't close them.
    """

    def __init__(self) -> None:
        self.is_stuck = False

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            _, late = await asyncio.wait((running,), timeout=_CANCEL_WAIT_S)
            self.is_stuck = self.is_stuck or bool(late)
            if not late and not running.cancelled():
                running.exception()  # Retrieve it, or asyncio logs it; the cancellation takes precedence.
            raise
