"""Deadlines that stand still while a person thinks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.ssh.asking import Person, Question, UnknownKey


class Patience:
    """A person, asked in the name of a context. Whoever waits for what they answer waits under `deadline`."""

    def __init__(self, person: Person, context: str) -> None:
        self._person = person
        self._context = context
        self._asking = 0
        self._left_s: dict[asyncio.Timeout, float] = {}

    async def trusts(self, key: UnknownKey) -> bool:
        with self._thinking():
            return await self._person.trusts(replace(key, context=self._context))

    async def answer(self, question: Question) -> str | None:
        with self._thinking():
            return await self._person.answer(replace(question, context=self._context))

    @asynccontextmanager
    async def deadline(self, timeout_s: float) -> AsyncIterator[None]:
        """Raises TimeoutError after so many seconds in which the person was asked nothing."""
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
