"""The user keys to offer to a host, in OpenSSH's order.

Prompts for a passphrase only if the host accepts the key, or if no other file shows which key the file holds.
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import asyncssh

from flow_core.prompter import Prompter, SecretPrompt
from flow_core.ssh.key_files import KeyFile, get_rsa_bits, is_locked, read_certificates, read_key_file
from flow_core.ssh.settings import HostSettings

_PASSPHRASE_ATTEMPTS = 3
_AGENT_S = 10.0
_DEFAULT_KEY = re.compile("id_(rsa|dsa|xmss|(ecdsa|ed25519)(_sk)?)")  # ssh's default names if the config names no key
_RSA_NAMES = {"ssh-rsa": ("ssh-rsa", "rsa-sha2-256", "rsa-sha2-512")}


class Keyring:
    """The unlocked keys of one host, kept while the host is in use. Passphrases are not kept."""

    def __init__(self) -> None:
        self.unlocked_keys: dict[Path, asyncssh.SSHKey] = {}


class Identities:
    """The keys for one login attempt.

    `offered` and `locked` list the names of those keys afterwards. `unusable` lists the reasons why files were not
    offered.
    """

    def __init__(self, settings: HostSettings, prompter: Prompter | None, keyring: Keyring) -> None:
        self.offered: list[str] = []
        self.locked: list[str] = []
        self.unusable: list[str] = []
        self._settings = settings
        self._prompter = prompter
        self._keyring = keyring
        self._agent: asyncssh.SSHAgentClient | None = None

    async def iter_key_pairs(self) -> AsyncIterator[asyncssh.SSHKeyPair]:
        """Yields the key pairs in the order in which the host gets them."""
        async for name, pair in self._candidates():
            if self._is_allowed(pair, name):
                self.offered.append(name)
                yield pair

    async def _candidates(self) -> AsyncIterator[tuple[str, asyncssh.SSHKeyPair]]:
        """Yields the key pairs in ssh's order.

        First come the certificates of CertificateFile. Then come the agent's keys, those that the config names first.
        Then come the remaining files, each with its own certificate.
        """
        files = await asyncio.to_thread(self._read_files)
        agent_pairs = {pair.public_data: pair for pair in await self._agent_keys()}
        for name, certificate in await asyncio.to_thread(read_certificates, self._settings.certificate_files):
            if (pair := await self._certificate_pair(certificate, files, agent_pairs)) is not None:
                yield name, pair
        named = {data: file.path.name for file in reversed(files) for data in file.public_data}
        for data, pair in sorted(agent_pairs.items(), key=lambda item: item[0] not in named):
            if data in named or not self._settings.identities_only:
                yield f"{named.get(data) or pair.get_comment(errors='replace') or 'a key'} (agent)", pair
        for file in files:
            async for pair in self._file_pairs(file, files, agent_pairs):
                yield file.path.name, pair

    def _read_files(self) -> list[KeyFile]:
        """Reads the key files; records in `unusable` each missing one whose name is none of ssh's defaults."""
        # ssh reads id-cert.pub only if the config names no certificate.
        reads_certificates = not self._settings.certificate_files
        found: list[KeyFile] = []
        for path in self._settings.identity_files:
            if (file := read_key_file(path, with_certificate=reads_certificates)) is not None:
                found.append(file)
            elif not path.exists() and not _DEFAULT_KEY.fullmatch(path.name):
                self.unusable.append(f"{path.name} does not exist")
        return found

    async def _file_pairs(
        self, file: KeyFile, files: list[KeyFile], agent_pairs: dict[bytes, asyncssh.SSHKeyPair]
    ) -> AsyncIterator[asyncssh.SSHKeyPair]:
        is_in_agent = file.public is not None and file.public.public_data in agent_pairs
        if not is_in_agent and (pair := await self._load_pair(file)) is not None:
            yield pair
        if file.certificate is not None and file.certificate.public_data not in agent_pairs:
            certified = await self._certificate_pair(file.certificate, files, agent_pairs)
            if certified is not None:
                yield certified

    async def _certificate_pair(
        self, certificate: asyncssh.SSHCertificate, files: list[KeyFile], agent_pairs: dict[bytes, asyncssh.SSHKeyPair]
    ) -> asyncssh.SSHKeyPair | None:
        """Returns the certificate with the signer of its key: the agent, or a file."""
        data = certificate.key.public_data
        pair = copy.copy(agent_pairs.get(data))
        for file in files:
            if pair is None and file.public is not None and file.public.public_data == data:
                pair = await self._load_pair(file)
        if pair is not None:
            with suppress(ValueError):
                pair.set_certificate(certificate)
                return pair
        return None

    async def _load_pair(self, file: KeyFile) -> asyncssh.SSHKeyPair | None:
        if file.problem:
            self._record_unusable(file)
            return None
        if (key := self._keyring.unlocked_keys.get(file.path)) is None:
            try:
                key = await asyncio.to_thread(asyncssh.import_private_key, file.data)
            except asyncssh.KeyImportError as error:
                if is_locked(error):
                    return await self._locked_pair(file)
                self._record_unusable(file)
                return None
        return asyncssh.load_keypairs([key])[0]

    async def _locked_pair(self, file: KeyFile) -> asyncssh.SSHKeyPair | None:
        if file.public is not None:
            return _LockedPair(file.public, lambda: self._unlock(file.path, file.data))
        try:
            return asyncssh.load_keypairs([await self._unlock(file.path, file.data)])[0]
        except ValueError:
            return None

    def _record_unusable(self, file: KeyFile) -> None:
        reason = f"{file.path.name} {file.problem or 'is not a readable private key'}"
        if reason not in self.unusable:
            self.unusable.append(reason)

    def _is_allowed(self, pair: asyncssh.SSHKeyPair, name: str) -> bool:
        """Returns whether PubkeyAcceptedAlgorithms and RequiredRSASize allow the key."""
        allowed, algorithm = self._settings.algorithms.user_keys, pair.algorithm.decode("ascii", "replace")
        plain, mark, rest = algorithm.partition("-cert-v01")
        names = [f"{one}{mark}{rest}" for one in _RSA_NAMES.get(plain, (plain,))]
        if allowed and not any(one in allowed for one in names):
            self.unusable.append(f"{name} is of a type that PubkeyAcceptedAlgorithms excludes ({algorithm})")
            return False
        bits = get_rsa_bits(pair.key_public_data)
        if bits is not None and bits < self._settings.required_rsa_bits:
            self.unusable.append(f"{name} has {bits} bits, RequiredRSASize is {self._settings.required_rsa_bits}")
            return False
        return True

    def close(self) -> None:
        if self._agent is not None:
            self._agent.close()

    async def _agent_keys(self) -> list[asyncssh.SSHKeyPair]:
        """Returns the agent's keys; an empty list if the agent does not answer, since files may still work."""
        if self._settings.agent is None:
            return []
        self._agent = asyncssh.SSHAgentClient(str(self._settings.agent))
        try:
            async with asyncio.timeout(_AGENT_S):
                await self._agent.connect()
                return list(await self._agent.get_keys())
        except (OSError, ValueError, asyncssh.Error, TimeoutError):
            return []

    async def _unlock(self, path: Path, data: bytes) -> asyncssh.SSHKey:
        """Prompts for the passphrase. Raises ValueError, on which asyncssh tries the next key."""
        for attempt in range(1, _PASSPHRASE_ATTEMPTS + 1):
            passphrase = None
            if self._prompter is not None and not self._settings.is_batch:
                prompt = SecretPrompt(self._settings.alias, "passphrase", f"Passphrase of {path.name}", True, attempt)
                passphrase = await self._prompter.ask_secret(prompt)
            if passphrase is None:
                break
            try:
                key = await asyncio.to_thread(asyncssh.import_private_key, data, passphrase)
            except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError):
                continue
            self._keyring.unlocked_keys[path] = key
            await self._add_to_agent(key)
            return key
        self.locked.append(path.name)
        raise ValueError("locked")

    async def _add_to_agent(self, key: asyncssh.SSHKey) -> None:
        if self._settings.adds_keys_to_agent and self._agent is not None:
            with suppress(OSError, ValueError, asyncssh.Error, TimeoutError):
                async with asyncio.timeout(_AGENT_S):
                    await self._agent.add_keys([key])


class _LockedPair(asyncssh.SSHKeyPair):
    """A key pair whose private part is still locked."""

    def __init__(self, public: asyncssh.SSHKey, unlock: Callable[[], Awaitable[asyncssh.SSHKey]]) -> None:
        super().__init__(
            public.algorithm, public.algorithm, public.sig_algorithms, public.sig_algorithms, public.public_data, None
        )
        self._unlock = unlock

    async def sign_async(self, data: bytes) -> bytes:
        key = await self._unlock()
        pair = asyncssh.load_keypairs([key])[0]
        pair.set_sig_algorithm(self.sig_algorithm)
        return pair.sign(data)
