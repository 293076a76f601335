"""Real OpenSSH servers, and a person who answers what they were told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testbed.sshd import Sshd

from flow_core.prompter import HostKeyPrompt, LoginProgress, SecretPrompt


@pytest.fixture
def make_sshd(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Starts a server with more options; all of them end with the test."""
    made: list[Sshd] = []

    def make(*options: str) -> Sshd:
        sshd = Sshd(tmp_path / f"sshd{len(made)}", *options)
        made.append(sshd)
        sshd.start()
        return sshd

    yield make
    for sshd in made:
        sshd.stop()


@pytest.fixture
def sshd(make_sshd: Callable[..., Sshd]) -> Sshd:
    return make_sshd()


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


@pytest.fixture
def someone() -> type[Someone]:
    return Someone
