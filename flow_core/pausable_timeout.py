"""Deadlines that stand still while a person is asked, and while a host takes its time to let somebody in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.ssh.prompter import HostKeyPrompt, LoginProgress, Prompter, SecretPrompt


def deadline(patience: PausableTimeout | None, timeout_s: float | None) -> AbstractAsyncContextManager[asyncio.Timeout]:
    """The patience's; an ordinary one where there is nobody to ask."""
    return asyncio.timeout(timeout_s) if patience is None else patience.deadline(timeout_s)


class PausableTimeout:
    """A person, asked in the name of a context, where one is given. Whoever waits for them waits under `deadline`.

    There may be no person (`is_there`): then nobody may be asked, and only logins stop the deadlines.
    """

    def __init__(self, person: Prompter | None, context: str | None = None) -> None:
        self._person = person
        self._context = context
        self._pauses = 0
        self._questions = 0
        self._left_s: dict[asyncio.Timeout, float] = {}
        self._watchers: list[Callable[[], None]] = []

    @property
    def is_there(self) -> bool:
        return self._person.is_there if isinstance(self._person, PausableTimeout) else self._person is not None

    @property
    def is_asking(self) -> bool:
        return self._questions > 0

    async def trusts(self, key: HostKeyPrompt) -> bool:
        with self._asking() as person:
            return await person.trusts(key if self._context is None else replace(key, context=self._context))

    async def answer(self, question: SecretPrompt) -> str | None:
        with self._asking() as person:
            return await person.answer(question if self._context is None else replace(question, context=self._context))

    async def waits(self, wait: LoginProgress) -> None:
        assert self._person is not None
        await self._person.waits(wait if self._context is None else replace(wait, context=self._context))

    @asynccontextmanager
    async def deadline(self, timeout_s: float | None) -> AsyncIterator[asyncio.Timeout]:
        """Raises TimeoutError after so many seconds without a pause (None: never); then `expired()` is true."""
        async with asyncio.timeout(timeout_s) as clock:
            if timeout_s is None:
                yield clock
                return
            self._left_s[clock] = timeout_s
            if self._pauses:
                clock.reschedule(None)
            try:
                yield clock
            finally:
                del self._left_s[clock]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within it no deadline goes on: what is done there has a limit of its own."""
        with self._person.paused() if isinstance(self._person, PausableTimeout) else nullcontext():
            self._pauses += 1
            if self._pauses == 1:
                self._stop()
            try:
                yield
            finally:
                self._pauses -= 1
                if not self._pauses:
                    self._go_on()

    @contextmanager
    def watched(self, changed: Callable[[], None]) -> Iterator[None]:
        """Calls `changed` when a question is asked, and when it was answered."""
        self._watchers.append(changed)
        try:
            yield
        finally:
            self._watchers.remove(changed)

    @contextmanager
    def _asking(self) -> Iterator[Prompter]:
        assert self._person is not None
        with self.paused():
            self._count(1)
            try:
                yield self._person
            finally:
                self._count(-1)

    def _count(self, change: int) -> None:
        self._questions += change
        for changed in tuple(self._watchers):
            changed()

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
