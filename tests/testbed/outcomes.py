"""What a call with bad input came to."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from testbed.waiting import DEADLINE_S

from flow_core import (
    AsyncFlow,
    AsyncTask,
    FlowError,
    LogHits,
)


async def outcome(asked: Any, name: str, arguments: dict[str, Any]) -> tuple[FlowError | None, Any]:
    """(the refusal, None), or (None, the answer); what is no FlowError comes out as it is."""
    try:
        return None, await ask(asked, name, arguments)
    except FlowError as error:
        return error, None


def is_harmless(answer: Any) -> bool:
    """Nothing known of it, which is what the page promises of some methods in place of an error."""
    if isinstance(answer, LogHits):
        return not answer.hits and bool(answer.not_searched) and answer.not_searched.isprintable()
    if isinstance(answer, tuple):
        nothing, why = answer
        return nothing is None and isinstance(why, str) and why.isprintable()
    return answer is None or answer == []


async def ask(asked: Any, name: str, arguments: dict[str, Any]) -> Any:
    """The answer, of a stream its first item. Never hangs."""
    async with asyncio.timeout(DEADLINE_S):
        if not isinstance(asked, AsyncFlow | AsyncTask):
            return await asyncio.to_thread(lambda: settle(getattr(asked, name)(**arguments)))
        answer = getattr(asked, name)(**arguments)
        if inspect.isasyncgen(answer):
            return await anext(answer)
        return await answer if inspect.isawaitable(answer) else answer


def settle(answer: Any) -> Any:
    return next(answer) if inspect.isgenerator(answer) else answer
