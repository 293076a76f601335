"""Creates things that must not be created twice, over a network that may lose the response."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from flow_core.errors import ProviderError, Unreachable
from flow_core.providers.mithril.api_response import OutcomeUnknown, ResponseLost

_LOOKS = 4
_PAUSE_S = 0.25
T = TypeVar("T")


async def create_once(
    make: Callable[[], Awaitable[Any]], read: Callable[[Any], T], find: Callable[[], Awaitable[T | None]], what: str
) -> T:
    """What `make` makes, as `read` reads it. An answer that is lost, or can't be read, may hide that it was made: then
    `find` looks for it, and it is not made again.

    Raises what `make` raises, Unreachable where it was not made, and OutcomeUnknown where nobody answers either.
    """
    try:
        return _read(read, await make())
    except (ResponseLost, OutcomeUnknown) as lost:
        said = lost.what if isinstance(lost, OutcomeUnknown) else str(lost)
        found, is_sure = await _look(find)
        if found is not None:
            return found
        kind, outcome = (Unreachable, "isn't there") if is_sure else (OutcomeUnknown, "nobody answered")
        sentence = f"{said}; {what} was looked for afterwards, and {outcome}"
        raise kind(sentence, status=lost.status, request_id=lost.request_id) from lost


def _read(read: Callable[[Any], T], answer: Any) -> T:
    try:
        return read(answer)
    except ProviderError as error:
        raise OutcomeUnknown(str(error)) from error


async def _look(find: Callable[[], Awaitable[T | None]]) -> tuple[T | None, bool]:
    """What was found, and whether somebody answered at last."""
    is_sure = False
    for look in range(_LOOKS):
        await asyncio.sleep(_PAUSE_S * 2**look if look else 0)
        try:
            found = await find()
        except Unreachable:
            is_sure = False
            continue
        if found is not None:
            return found, True
        is_sure = True
    return None, is_sure
