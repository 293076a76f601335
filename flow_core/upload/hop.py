"""Short pieces of disk work off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_PATIENCE_S = 10.0
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Hops:
    """Runs work, each piece of it short, in threads. A cancellation waits for the piece's end: none is left half done.

    `is_stuck` once a piece didn't come back in time after it was given up: what it holds must not be closed.
    """

    def __init__(self) -> None:
        self.is_stuck = False

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            _, late = await asyncio.wait((running,), timeout=_PATIENCE_S)
            self.is_stuck = self.is_stuck or bool(late)
            if not late and not running.cancelled():
                running.exception()  # looked at, so that nobody complains about it; the cancellation goes first
            raise
