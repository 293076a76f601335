"""What hosts ask of whoever sits at the dashboard: each thing once, however often it is asked.

Most of it is asked by pollers, which come again within seconds: they wait for one answer together, and a no is a no
until the user tries again by hand.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.ssh.prompter import HostKeyPrompt, LoginProgress, SecretPrompt

_AT_IT_S = 10.0  # what the same host asks so soon after an answer belongs to it: the next attempt, a second factor


class Pending:
    """Something that is asked, on behalf of `contexts`. `told` says what, in a few words, some of them foreign.

    `same` is equal for those that one answer serves, `refusal` for those that a no holds for. `ended` is done once it
    was answered, cancelled once nobody waits for it any more.
    """

    def __init__(
        self,
        asked: HostKeyPrompt | SecretPrompt | LoginProgress,
        told: str,
        *,
        same: Hashable,
        refusal: Hashable,
    ) -> None:
        self.asked = asked
        self.told = told
        self.same = same
        self.refusal = refusal
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.contexts: list[str] = []
        self.given: str | None = None


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

    async def confirm_host_key(self, key: HostKeyPrompt) -> bool:
        same, refusal = replace(key, context=""), (key.host, key.fingerprint)
        return await self._ask(Pending(key, f"{key.host} shows an unknown key", same=same, refusal=refusal)) is not None

    async def ask_secret(self, question: SecretPrompt) -> str | None:
        same: object = replace(question, context="")
        refusal: Hashable = (question.host, question.kind, question.prompt)
        if question.kind == "code":
            same = object()  # it is good for one login only, so each asks for its own
            refusal = (question.host, question.kind)  # whose words may be others every time
        what = "asks something" if question.kind == "code" else f"asks for a {question.kind}"
        return await self._ask(Pending(question, f"{question.host} {what}", same=same, refusal=refusal))

    async def show_login_progress(self, wait: LoginProgress) -> None:
        """Once the user stopped a wait, later ones for the same end at once until they try again by hand."""
        same, told = replace(wait, context=""), f"waiting for {wait.host} {wait.what}"
        await self._ask(Pending(wait, told, same=same, refusal=(wait.host, wait.what)))

    def is_urgent(self, pending: Pending) -> bool:
        """Whether the user waits for it, or has just given an answer that was wrong."""
        return any(self._hurried[context] for context in pending.contexts) or getattr(pending.asked, "attempt", 1) > 1

    def is_next(self, pending: Pending) -> bool:
        """Whether it follows an answer to the same host, such as a passphrase after the host's key."""
        answered_at = self._answered_at.get(pending.asked.host)
        return answered_at is not None and pending.ended.get_loop().time() - answered_at < _AT_IT_S

    def settle(self, pending: Pending, answer: str | None) -> None:
        """Gives the answer to all who asked; None is a no. Nothing happens where nobody waits any more."""
        if pending.ended.done():
            return
        if answer is None:
            self._refused.setdefault(pending.refusal, set()).update(pending.contexts)
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

    async def _ask(self, asked: Pending) -> str | None:
        context = asked.asked.context
        if (contexts := self._refused.get(asked.refusal)) is not None:
            contexts.add(context)
            return None
        pending = next((one for one in self._open if one.same == asked.same), asked)
        if pending is asked:
            self._open.append(pending)
        pending.contexts.append(context)
        self._tell()
        try:
            await asyncio.shield(pending.ended)
            return pending.given
        finally:
            self._leave(pending, context)

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
