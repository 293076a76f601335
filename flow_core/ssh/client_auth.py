"""The client's side of one login: which user keys it offers and which prompts the user answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import asyncssh

from flow_core.prompter import Prompter, SecretPrompt
from flow_core.ssh.identities import Identities, Keyring
from flow_core.ssh.key_exchange_offer import KeyExchangeOffer, read_offer
from flow_core.ssh.known_hosts import is_loopback_address
from flow_core.ssh.login_wait import LoginWait
from flow_core.ssh.settings import HostSettings

_MAX_CHALLENGES = 20
_MAX_BYTES_BEFORE_VERSION = 64 << 10
_MAX_BYTES_BEFORE_OFFER = 2 * _MAX_BYTES_BEFORE_VERSION


class ClientAuth(asyncssh.SSHClient):
    """One login attempt.

    `shown_key` is the host key that must be verified before the next attempt. `address` is the host's numeric address.
    `has_prompted` is set after the user has answered a prompt that the next login would repeat. `version_received` is
    set when the server has sent its version string, or more other bytes than an SSH server sends (`is_flooded`).
    `server_offer` holds the algorithms that the server then offers.
    """

    def __init__(
        self,
        settings: HostSettings,
        prompter: Prompter | None,
        keyring: Keyring,
        wait: LoginWait,
        on_lost: Callable[[], None] | None,
    ) -> None:
        self.version_received = asyncio.Event()
        self.is_flooded = False
        self.server_offer: KeyExchangeOffer | None = None
        self.has_prompted = False
        self._wait = wait
        self.shown_key: asyncssh.SSHKey | None = None
        self.unanswered: list[str] = []
        self.server_methods: list[str] = []
        self.address: str | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._settings = settings
        self._prompter = prompter
        self.identities = Identities(settings, self._prompter, keyring)
        self._on_lost = on_lost
        self._key_pairs: AsyncIterator[asyncssh.SSHKeyPair] | None = None
        self._password_attempts = 0
        self._challenges = 0

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn
        self._watch_greeting(conn)

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self._wait.show_banner(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._on_lost is not None:
            self._on_lost()

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        if self._settings.trusts_loopback and not self._settings.host_key_alias and self._is_loopback:
            return True
        self.shown_key = key  # this callback can't wait for a prompt: refuse now, prompt, then connect again
        return False

    async def public_key_auth_requested(self) -> asyncssh.SSHKeyPair | None:
        self._record_methods()
        if self._key_pairs is None:
            self._key_pairs = self.identities.iter_key_pairs()
        return await anext(self._key_pairs, None)

    async def password_auth_requested(self) -> str | None:
        self._record_methods()
        self._password_attempts += 1
        if self._password_attempts > self._settings.password_prompts:
            return None
        prompt = f"Password of {self._settings.user} at {self._settings.alias}"
        return await self._prompt_for_secret(
            SecretPrompt(self._settings.alias, "password", prompt, True, self._password_attempts)
        )

    def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str]:
        raise asyncssh.PermissionDenied("The password has to be changed first")

    def kbdint_auth_requested(self) -> str | None:
        self._record_methods()
        return self._settings.kbdint_devices if self._challenges < _MAX_CHALLENGES else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        self._challenges += 1
        answers: list[str] = []
        for text, is_echoed in prompts:
            prompt = "\n".join(filter(None, (instructions.strip(), text.strip())))
            answer = await self._prompt_for_secret(
                SecretPrompt(self._settings.alias, "code", prompt, not is_echoed, self._challenges)
            )
            if answer is None:
                return None
            answers.append(answer)
        return answers

    def _watch_greeting(self, conn: asyncssh.SSHClientConnection) -> None:
        """Inspects the first bytes of the server until its version and its offer have arrived.

        asyncssh alone would read up to 8 MiB and would not report them.
        """
        receive, received = conn.data_received, b""

        def inspect(data: bytes, datatype: int | None = None) -> None:
            nonlocal received
            received += data
            self.server_offer = read_offer(received)
            receive(data, datatype)
            if conn.get_extra_info("server_version") is not None:
                self.version_received.set()
                if self.server_offer is not None or len(received) > _MAX_BYTES_BEFORE_OFFER:
                    del conn.data_received
            elif len(received) > _MAX_BYTES_BEFORE_VERSION:
                self.is_flooded = True
                self.version_received.set()
                conn.abort()

        conn.data_received = inspect  # type: ignore[method-assign]

    def close_agent(self) -> None:
        self.identities.close()

    @property
    def _is_loopback(self) -> bool:
        return self.address is not None and is_loopback_address(self.address)

    def _record_methods(self) -> None:
        if self._connection is not None:
            offered = self._connection.get_server_auth_methods()
            self.server_methods = list(dict.fromkeys((*self.server_methods, *offered)))

    async def _prompt_for_secret(self, secret_prompt: SecretPrompt) -> str | None:
        if self._prompter is None or self._settings.is_batch:
            self.unanswered.append(secret_prompt.kind)
            return None
        answer = await self._prompter.ask_secret(replace(secret_prompt, banner=self._wait.banner.strip()))
        self.has_prompted = self.has_prompted or answer is not None
        return answer
