"""Our side of logging in: which keys are shown, and what the person is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import asyncssh

from flow_core.ssh.asking import Person, Question
from flow_core.ssh.identities import Identities, Keyring
from flow_core.ssh.settings import HostSettings

_CHALLENGES = 20


class Guest(asyncssh.SSHClient):
    """One attempt. `shown` is a key of the host that nobody has vouched for yet."""

    def __init__(
        self, settings: HostSettings, person: Person | None, keyring: Keyring, on_lost: Callable[[], None] | None
    ) -> None:
        self.shown: asyncssh.SSHKey | None = None
        self.missing: list[str] = []
        self._settings = settings
        self._person = person
        self.identities = Identities(settings, self._person, keyring)
        self._on_lost = on_lost
        self._offers: AsyncIterator[asyncssh.SSHKeyPair] | None = None
        self._passwords = 0
        self._challenges = 0

    def connection_lost(self, exc: Exception | None) -> None:
        if self._on_lost is not None:
            self._on_lost()

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.shown = key  # the person can't be asked in the middle of the handshake: refused now, dialled again later
        return False

    async def public_key_auth_requested(self) -> asyncssh.SSHKeyPair | None:
        if self._offers is None:
            self._offers = self.identities.offers()
        return await anext(self._offers, None)

    async def password_auth_requested(self) -> str | None:
        self._passwords += 1
        if self._passwords > self._settings.password_prompts:
            return None
        prompt = f"Password of {self._settings.user} at {self._settings.alias}"
        return await self._answer(Question(self._settings.alias, "password", prompt, True, self._passwords))

    def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str]:
        raise asyncssh.PermissionDenied("The password has to be changed first")

    def kbdint_auth_requested(self) -> str | None:
        return "" if self._challenges < _CHALLENGES else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        self._challenges += 1
        answers: list[str] = []
        for text, is_shown in prompts:
            prompt = "\n".join(filter(None, (instructions.strip(), text.strip())))
            answer = await self._answer(Question(self._settings.alias, "code", prompt, not is_shown, self._challenges))
            if answer is None:
                return None
            answers.append(answer)
        return answers

    def close_agent(self) -> None:
        self.identities.close()

    async def _answer(self, question: Question) -> str | None:
        if self._person is None or self._settings.is_batch:
            self.missing.append(question.kind)
            return None
        return await self._person.answer(question)
