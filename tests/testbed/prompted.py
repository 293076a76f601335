"""A person who gives prepared answers to the questions of a login."""

from __future__ import annotations

import asyncio

from flow_core.prompter import HostKeyPrompt, LoginProgress, SecretPrompt


class Someone:
    """Gives the answers in their order, and notes what was asked."""

    def __init__(self, *answers: str | None, trusts: bool = True) -> None:
        self.answers = list(answers)
        self.will_trust = trusts
        self.questions: list[SecretPrompt] = []
        self.keys: list[HostKeyPrompt] = []
        self.waits_seen: list[LoginProgress] = []
        self.stops = asyncio.Event()

    async def confirm_host_key(self, key: HostKeyPrompt) -> bool:
        self.keys.append(key)
        return self.will_trust

    async def ask_secret(self, question: SecretPrompt) -> str | None:
        self.questions.append(question)
        return self.answers.pop(0) if self.answers else None

    async def show_login_progress(self, wait: LoginProgress) -> None:
        """Returns once `stops` is set."""
        self.waits_seen.append(wait)
        await self.stops.wait()
