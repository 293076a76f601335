"""Deadlines that pause while the user answers a prompt or a host takes long to log in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.prompter import HostKeyPrompt, LoginProgress, Prompter, SecretPrompt


def deadline(timeout: PausableTimeout | None, timeout_s: float | None) -> AbstractAsyncContextManager[asyncio.Timeout]:
    """Returns the deadline of `timeout`, or an ordinary one without it."""
    return asyncio.timeout(timeout_s) if timeout is None else timeout.deadline(timeout_s)


class PausableTimeout:
    """A timeout that pauses while the user answers this context's SSH prompt. Callers wait under `deadline`.

    It is also a Prompter, which adds the context's name to each prompt. Without a prompter (`has_prompter`) it must not
    prompt, and only logins pause the deadlines.
    """

    def __init__(self, prompter: Prompter | None, context: str | None = None) -> None:
        self._prompter = prompter
        self._context = context
        self._pauses = 0
        self._open_prompts = 0
        self._remaining_s: dict[asyncio.Timeout, float] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def has_prompter(self) -> bool:
        return (
            self._prompter.has_prompter if isinstance(self._prompter, PausableTimeout) else self._prompter is not None
        )

    @property
    def is_prompting(self) -> bool:
        return self._open_prompts > 0

    async def confirm_host_key(self, prompt: HostKeyPrompt) -> bool:
        with self._prompting() as prompter:
            return await prompter.confirm_host_key(
                prompt if self._context is None else replace(prompt, context=self._context)
            )

    async def ask_secret(self, prompt: SecretPrompt) -> str | None:
        with self._prompting() as prompter:
            return await prompter.ask_secret(
                prompt if self._context is None else replace(prompt, context=self._context)
            )

    async def show_login_progress(self, progress: LoginProgress) -> None:
        assert self._prompter is not None
        await self._prompter.show_login_progress(
            progress if self._context is None else replace(progress, context=self._context)
        )

    @asynccontextmanager
    async def deadline(self, timeout_s: float | None) -> AsyncIterator[asyncio.Timeout]:
        """Raises TimeoutError after this number of seconds without pauses (None: never); then `expired()` is true."""
        async with asyncio.timeout(timeout_s) as timer:
            if timeout_s is None:
                yield timer
                return
            self._remaining_s[timer] = timeout_s
            if self._pauses:
                timer.reschedule(None)
            try:
                yield timer
            finally:
                del self._remaining_s[timer]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pauses all deadlines until exit. The work inside must have its own limit."""
        with self._prompter.paused() if isinstance(self._prompter, PausableTimeout) else nullcontext():
            self._pauses += 1
            if self._pauses == 1:
                self._pause_all()
            try:
                yield
            finally:
                self._pauses -= 1
                if not self._pauses:
                    self._resume_all()

    @contextmanager
    def notify_on_prompt(self, changed: Callable[[], None]) -> Iterator[None]:
        """Calls `changed` when a prompt opens and when it closes."""
        self._listeners.append(changed)
        try:
            yield
        finally:
            self._listeners.remove(changed)

    @contextmanager
    def _prompting(self) -> Iterator[Prompter]:
        assert self._prompter is not None
        with self.paused():
            self._change_prompt_count(1)
            try:
                yield self._prompter
            finally:
                self._change_prompt_count(-1)

    def _change_prompt_count(self, change: int) -> None:
        self._open_prompts += change
        for changed in tuple(self._listeners):
            changed()

    def _pause_all(self) -> None:
        now = asyncio.get_running_loop().time()
        for timer in self._remaining_s:
            end_time = timer.when()
            if end_time is not None and not timer.expired():
                self._remaining_s[timer] = end_time - now
                timer.reschedule(None)

    def _resume_all(self) -> None:
        now = asyncio.get_running_loop().time()
        for timer, remaining_s in self._remaining_s.items():
            if not timer.expired():
                timer.reschedule(now + remaining_s)
