"""What hosts ask of whoever sits at the dashboard: each thing once, however often it is asked.

Most of it is asked by pollers, which come again within seconds: they wait for one answer together, and a no is a no
until the user tries again by hand.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from flow_core.ssh.asking import Question, UnknownKey

_AT_IT_S = 10.0  # what the same host asks so soon after an answer belongs to it: the next attempt, a second factor


@dataclass(eq=False)
class Pending:
    """Something that is asked. `ended` is done once it was answered, cancelled once nobody waits for it any more."""

    asked: UnknownKey | Question
    ended: asyncio.Future[None]
    contexts: list[str] = field(default_factory=list)
    given: str | None = field(default=None, repr=False)

    @property
    def told(self) -> str:
        """What it is about, in a few words, some of them foreign."""
        said = "shows an unknown key" if isinstance(self.asked, UnknownKey) else f"asks for a {self.asked.kind}"
        return f"{self.asked.host} {said}"


class Questions:
    """The person of the dashboard's clients. Listeners are called whenever what is open has changed."""

    def __init__(self) -> None:
        self._open: list[Pending] = []
        self._refused: dict[Hashable, set[str]] = {}
        self._hurried: Counter[str] = Counter()
        self._answered_at: dict[str, float] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def open(self) -> tuple[Pending, ...]:
        """What waits for an answer, in the order in which it was asked."""
        return tuple(self._open)

    @property
    def contexts(self) -> frozenset[str]:
        """Those that can't go on without an answer."""
        return frozenset(context for pending in self._open for context in pending.contexts)

    async def trusts(self, key: UnknownKey) -> bool:
        return await self._ask(key) is not None

    async def answer(self, question: Question) -> str | None:
        return await self._ask(question)

    def is_urgent(self, pending: Pending) -> bool:
        """Whether the user waits for it, or is at it."""
        if any(self._hurried[context] for context in pending.contexts):
            return True
        if isinstance(pending.asked, Question) and pending.asked.attempt > 1:
            return True
        answered_at = self._answered_at.get(pending.asked.host)
        return answered_at is not None and pending.ended.get_loop().time() - answered_at < _AT_IT_S

    def settle(self, pending: Pending, answer: str | None) -> None:
        """Gives the answer to all who asked; None is a no. Nothing happens where nobody waits any more."""
        if pending.ended.done():
            return
        if answer is None:
            self._refused.setdefault(_refusal(pending.asked), set()).update(pending.contexts)
        else:
            self._answered_at[pending.asked.host] = pending.ended.get_loop().time()
        pending.given = answer
        pending.ended.set_result(None)
        self._close(pending)

    @contextmanager
    def hurried(self, context: str) -> Iterator[None]:
        """While the user waits for something of a context: what it asks is urgent, and may be asked once more."""
        self.forget_refusals(context)
        self._hurried[context] += 1
        self._tell()
        try:
            yield
        finally:
            self._hurried[context] -= 1

    def forget_refusals(self, context: str | None = None) -> None:
        """The user tries again by hand: what was refused in a context, or in any, may be asked again."""
        for refusal, contexts in tuple(self._refused.items()):
            if context is None or context in contexts:
                del self._refused[refusal]

    def subscribe(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    async def _ask(self, asked: UnknownKey | Question) -> str | None:
        if (contexts := self._refused.get(_refusal(asked))) is not None:
            contexts.add(asked.context)
            return None
        pending = self._pending(asked)
        pending.contexts.append(asked.context)
        self._tell()
        try:
            await asyncio.shield(pending.ended)
            return pending.given
        finally:
            self._leave(pending, asked.context)

    def _pending(self, asked: UnknownKey | Question) -> Pending:
        for pending in self._open:
            if _is_same(pending.asked, asked):
                return pending
        pending = Pending(asked, asyncio.get_running_loop().create_future())
        self._open.append(pending)
        return pending

    def _leave(self, pending: Pending, context: str) -> None:
        pending.contexts.remove(context)
        if pending.contexts:
            return
        pending.given = None
        if not pending.ended.done():
            pending.ended.cancel()
            self._close(pending)

    def _close(self, pending: Pending) -> None:
        self._open.remove(pending)
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def _is_same(one: UnknownKey | Question, other: UnknownKey | Question) -> bool:
    """A code is good for one login only, so each asks for its own."""
    if isinstance(other, Question) and other.kind == "code":
        return False
    return replace(one, context="") == replace(other, context="")


def _refusal(asked: UnknownKey | Question) -> Hashable:
    """What a no is a no to. The words of a host that asks for a code may be others every time."""
    if isinstance(asked, UnknownKey):
        return asked.host, asked.fingerprint
    return asked.host, asked.kind, "" if asked.kind == "code" else asked.prompt
