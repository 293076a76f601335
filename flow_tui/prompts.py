"""The prompts of hosts (host keys, passphrases, codes) that wait for the user's answer.

Most prompts come from pollers, which ask again within seconds. Therefore equal prompts are shown once and share one
answer, and a refusal holds until the user tries again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.prompter import HostKeyPrompt, LoginProgress, SecretPrompt

_FOLLOW_UP_S = 10.0  # a prompt this soon after an answer to the same host belongs to the same login


class PendingPrompt:
    """A prompt of `contexts` that waits for its answer. `summary` is a few words, some of them foreign.

    Prompts with an equal `answer_key` share one answer. A refusal holds for every prompt with an equal `refusal_key`.
    `done` has a result once the prompt was answered, and is cancelled once no caller waits for the answer.
    """

    def __init__(
        self,
        prompt: HostKeyPrompt | SecretPrompt | LoginProgress,
        summary: str,
        *,
        answer_key: Hashable,
        refusal_key: Hashable,
    ) -> None:
        self.prompt = prompt
        self.summary = summary
        self.answer_key = answer_key
        self.refusal_key = refusal_key
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.contexts: list[str] = []
        self.answer: str | None = None


class PromptQueue:
    """The queue of prompts of the dashboard's clients. Listeners are called after each change of `open`."""

    def __init__(self) -> None:
        self._open: list[PendingPrompt] = []
        self._refused: dict[Hashable, set[str]] = {}
        self._foreground: Counter[str] = Counter()
        self._answered_at: dict[str, float] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def open(self) -> tuple[PendingPrompt, ...]:
        """The prompts without an answer, oldest first."""
        return tuple(self._open)

    @property
    def contexts(self) -> frozenset[str]:
        """The contexts that wait for an answer."""
        return frozenset(context for pending in self._open for context in pending.contexts)

    async def confirm_host_key(self, key: HostKeyPrompt) -> bool:
        answer_key, refusal_key = replace(key, context=""), (key.host, key.fingerprint)
        return (
            await self._wait_for_answer(
                PendingPrompt(key, f"{key.host} shows an unknown key", answer_key=answer_key, refusal_key=refusal_key)
            )
            is not None
        )

    async def ask_secret(self, question: SecretPrompt) -> str | None:
        answer_key: object = replace(question, context="")
        refusal_key: Hashable = (question.host, question.kind, question.prompt)
        if question.kind == "code":
            answer_key = object()  # a code is valid for one login, so no two prompts are equal
            refusal_key = (question.host, question.kind)  # the host's words may differ each time
        what = "asks for your input" if question.kind == "code" else f"prompts for a {question.kind}"
        return await self._wait_for_answer(
            PendingPrompt(question, f"{question.host} {what}", answer_key=answer_key, refusal_key=refusal_key)
        )

    async def show_login_progress(self, wait: LoginProgress) -> None:
        """Shows that a login waits. Once the user stops it, later waits end immediately until the user tries again."""
        answer_key, summary = replace(wait, context=""), f"waiting for {wait.host} {wait.what}"
        await self._wait_for_answer(
            PendingPrompt(wait, summary, answer_key=answer_key, refusal_key=(wait.host, wait.what))
        )

    def is_urgent(self, pending: PendingPrompt) -> bool:
        """Returns whether the user waits for this context, or has just given a wrong answer."""
        return (
            any(self._foreground[context] for context in pending.contexts) or getattr(pending.prompt, "attempt", 1) > 1
        )

    def is_next(self, pending: PendingPrompt) -> bool:
        """Returns whether the prompt follows an answer to the same host, such as a passphrase after the host's key."""
        answered_at = self._answered_at.get(pending.prompt.host)
        return answered_at is not None and pending.done.get_loop().time() - answered_at < _FOLLOW_UP_S

    def answer(self, pending: PendingPrompt, answer: str | None) -> None:
        """Gives the answer to every waiting caller; None refuses. Does nothing if no caller waits any more."""
        if pending.done.done():
            return
        if answer is None:
            self._refused.setdefault(pending.refusal_key, set()).update(pending.contexts)
        else:
            self._answered_at[pending.prompt.host] = pending.done.get_loop().time()
        pending.answer = answer
        pending.done.set_result(None)
        self._close(pending)

    @contextmanager
    def foreground(self, context: str) -> Iterator[None]:
        """Marks a block in which the user waits for this context. Its prompts are urgent; its refusals are dropped."""
        self.forget_refusals(context)
        self._foreground[context] += 1
        self._notify()
        try:
            yield
        finally:
            self._foreground[context] -= 1

    def forget_refusals(self, context: str | None = None) -> None:
        """Allows the prompts that were refused in this context, or in any, to be shown again."""
        for refusal_key, contexts in tuple(self._refused.items()):
            if context is None or context in contexts:
                del self._refused[refusal_key]

    def subscribe(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    async def _wait_for_answer(self, new: PendingPrompt) -> str | None:
        context = new.prompt.context
        if (contexts := self._refused.get(new.refusal_key)) is not None:
            contexts.add(context)
            return None
        pending = next((other for other in self._open if other.answer_key == new.answer_key), new)
        if pending is new:
            self._open.append(pending)
        pending.contexts.append(context)
        self._notify()
        try:
            await asyncio.shield(pending.done)
            return pending.answer
        finally:
            self._remove_caller(pending, context)

    def _remove_caller(self, pending: PendingPrompt, context: str) -> None:
        pending.contexts.remove(context)
        if pending.contexts:
            return
        pending.answer = None
        if not pending.done.done():
            pending.done.cancel()
            self._close(pending)

    def _close(self, pending: PendingPrompt) -> None:
        self._open.remove(pending)
        self._notify()

    def _notify(self) -> None:
        for listener in tuple(self._listeners):
            listener()
