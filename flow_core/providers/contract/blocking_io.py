"""Runs blocking disk work off the event loop, with a deadline: a network file system may stop responding."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from flow_core.errors import ProviderError, Unreachable, printable

_DEADLINE_S = 20.0
_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Progress:
    """The time at which the work in a thread last reported progress."""

    def __init__(self) -> None:
        self.at = time.monotonic()


_progress: ContextVar[_Progress | None] = ContextVar("progress", default=None)


def report_progress() -> None:
    """Restarts the deadline of `run_blocking`, for work on many files that is slow but not stuck."""
    if (current := _progress.get()) is not None:
        current.at = time.monotonic()


async def run_blocking(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs `work` in a thread. Raises ProviderError for an OSError.

    Raises Unreachable if the work has neither ended nor reported progress for 20 s.
    """
    progress = _Progress()
    token = _progress.set(progress)
    try:
        running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    finally:
        _progress.reset(token)
    try:
        while not running.done():
            left_s = progress.at + _DEADLINE_S - time.monotonic()
            if left_s <= 0:
                raise Unreachable(f"the state directory did not answer within {_DEADLINE_S:g} s")
            await asyncio.wait((running,), timeout=left_s)
        return running.result()
    except OSError as error:
        location = f" ({printable(str(error.filename))})" if error.filename else ""
        raise ProviderError(f"the state directory can't be used: {error.strerror or error}{location}") from error
    finally:
        running.cancel()
