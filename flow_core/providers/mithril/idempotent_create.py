"""Creates things that must not be created twice, over a network that may lose the response."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from flow_core.errors import ProviderError, Unreachable
from flow_core.providers.mithril.api_response import OutcomeUnknown, ResponseLost

_ATTEMPTS = 4
_PAUSE_S = 0.25
T = TypeVar("T")


async def create_once(
    create: Callable[[], Awaitable[Any]],
    read: Callable[[Any], T],
    find: Callable[[], Awaitable[T | None]],
    subject: str,
) -> T:
    """Calls `create` once, and returns what `read` reads from the response.

    A response that is lost, or can't be read, may hide that the thing was created. Then `find` searches for it, and it
    is not created again. Raises the errors of `create`, Unreachable if it was not created, and OutcomeUnknown if the
    search gets no response either.
    """
    try:
        return _read_response(read, await create())
    except (ResponseLost, OutcomeUnknown) as lost:
        message = lost.what if isinstance(lost, OutcomeUnknown) else str(lost)
        found, is_sure = await _search(find)
        if found is not None:
            return found
        kind, outcome = (Unreachable, "isn't there") if is_sure else (OutcomeUnknown, "nobody answered")
        sentence = f"{message}; {subject} was looked for afterwards, and {outcome}"
        raise kind(sentence, status=lost.status, request_id=lost.request_id) from lost


def _read_response(read: Callable[[Any], T], answer: Any) -> T:
    try:
        return read(answer)
    except ProviderError as error:
        raise OutcomeUnknown(str(error)) from error


async def _search(find: Callable[[], Awaitable[T | None]]) -> tuple[T | None, bool]:
    """Returns what `find` found, and whether the last attempt got a response."""
    is_sure = False
    for attempt in range(_ATTEMPTS):
        await asyncio.sleep(_PAUSE_S * 2**attempt if attempt else 0)
        try:
            found = await find()
        except Unreachable:
            is_sure = False
            continue
        if found is not None:
            return found, True
        is_sure = True
    return None, is_sure
