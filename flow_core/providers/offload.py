"""Disk work off the event loop, with a deadline: a home on a network may stop answering."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flow_core.errors import ProviderError, Unreachable, printable

_DEADLINE_S = 20.0
_P = ParamSpec("_P")
_T = TypeVar("_T")


async def offload(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs `work` in a thread. Raises Unreachable after the deadline, ProviderError for what the disk says."""
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return await asyncio.to_thread(work, *args, **kwargs)
    except TimeoutError:
        raise Unreachable(f"the state directory did not answer within {_DEADLINE_S:g} s") from None
    except OSError as error:
        place = f" ({printable(str(error.filename))})" if error.filename else ""
        raise ProviderError(f"the state directory can't be used: {error.strerror or error}{place}") from error
