"""Disk work off the event loop, with a deadline: a home on a network may stop answering."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from flow_core.agent.refusals import Refused
from flow_core.errors import ProviderError, Unreachable, printable

_DEADLINE_S = 20.0
_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Progress:
    """When work in a thread last got on."""

    def __init__(self) -> None:
        self.at = time.monotonic()


_progress: ContextVar[_Progress | None] = ContextVar("progress", default=None)


def report_progress() -> None:
    """Starts the deadline of `offload` anew, for work on many files: slow is no reason to give up, silent is."""
    if (current := _progress.get()) is not None:
        current.at = time.monotonic()


async def offload(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs `work` in a thread. Raises ProviderError for what the disk says, and what `Refused` of the agent means.

    Raises Unreachable once the work has neither ended nor reported progress for 20 s.
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
    except Refused as refused:
        from flow_core.providers.refusals import error_of  # deferred: most calls are not refused

        raise error_of(refused) from None
    except OSError as error:
        place = f" ({printable(str(error.filename))})" if error.filename else ""
        raise ProviderError(f"the state directory can't be used: {error.strerror or error}{place}") from error
    finally:
        running.cancel()
