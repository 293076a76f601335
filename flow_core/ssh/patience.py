"""Deadlines that stand still while a person thinks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.ssh.asking import Person, Question, UnknownKey


def deadline(patience: Patience | None, timeout_s: float | None) -> AbstractAsyncContextManager[object]:
    """The patience's; an ordinary one where there is nobody to ask."""
    return asyncio.timeout(timeout_s) if patience is None else patience.deadline(timeout_s)


class Patience:
    """A person, asked in the name of a context, where one is given. Whoever waits for them waits under `deadline`."""

    def __init__(self, person: Person, context: str | None = None) -> None:
        self._person = person
        self._context = context
        self._asking = 0
        self._left_s: dict[asyncio.Timeout, float] = {}

    async def trusts(self, key: UnknownKey) -> bool:
        with self._thinking():
            return await self._person.trusts(key if self._context is None else replace(key, context=self._context))

    async def answer(self, question: Question) -> str | None:
        with self._thinking():
            named = question if self._context is None else replace(question, context=self._context)
            return await self._person.answer(named)

    @asynccontextmanager
    async def deadline(self, timeout_s: float | None) -> AsyncIterator[None]:
        """Raises TimeoutError after so many seconds in which the person was asked nothing (None: never)."""
        if timeout_s is None:
            yield
            return
        async with asyncio.timeout(timeout_s) as clock:
            self._left_s[clock] = timeout_s
            if self._asking:
                clock.reschedule(None)
            try:
                yield
            finally:
                del self._left_s[clock]

    @contextmanager
    def _thinking(self) -> Iterator[None]:
        self._asking += 1
        if self._asking == 1:
            self._stop()
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._go_on()

    def _stop(self) -> None:
        now = asyncio.get_running_loop().time()
        for clock in self._left_s:
            ends = clock.when()
            if ends is not None and not clock.expired():
                self._left_s[clock] = ends - now
                clock.reschedule(None)

    def _go_on(self) -> None:
        now = asyncio.get_running_loop().time()
        for clock, left_s in self._left_s.items():
            if not clock.expired():
                clock.reschedule(now + left_s)
