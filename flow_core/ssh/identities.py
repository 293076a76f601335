"""The keys that are offered to a host: the agent's, then the files of its settings. A passphrase is asked only for a
key that the host would take."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncssh

from flow_core.ssh.asking import Person, Question
from flow_core.ssh.settings import HostSettings

_MOST_BYTES = 256 << 10
_TRIES = 3
_AGENT_S = 10.0
_MAGIC = b"openssh-key-v1\0"


class Keyring:
    """Keys that were unlocked, for as long as one host is in use; the passphrases are not kept."""

    def __init__(self) -> None:
        self.unlocked: dict[Path, asyncssh.SSHKey] = {}


class Identities:
    """What is offered in one attempt to log in. `tried` and `locked` say afterwards which keys those were, by name."""

    def __init__(self, settings: HostSettings, person: Person | None, keyring: Keyring) -> None:
        self.tried: list[str] = []
        self.locked: list[str] = []
        self._settings = settings
        self._person = person
        self._keyring = keyring
        self._agent: asyncssh.SSHAgentClient | None = None

    async def offers(self) -> AsyncIterator[asyncssh.SSHKeyPair]:
        """In the order in which the host is to see them."""
        offered: set[bytes] = set()
        files = await asyncio.to_thread(self._public_parts)
        for pair in await self._agent_keys():
            known = files.get(pair.key_public_data)
            if known is not None or not self._settings.identities_only:
                offered.add(pair.key_public_data)
                self.tried.append(f"{known.name if known else pair.get_comment(errors='replace') or 'a key'} (agent)")
                yield pair
        for path in self._settings.identity_files:
            for pair in await self._file_keys(path):
                if pair.public_data not in offered:
                    offered.add(pair.public_data)
                    self.tried.append(path.name)
                    yield pair

    def close(self) -> None:
        if self._agent is not None:
            self._agent.close()

    async def _agent_keys(self) -> list[asyncssh.SSHKeyPair]:
        """None where there is no agent: it is one way of several."""
        if self._settings.agent is None:
            return []
        self._agent = asyncssh.SSHAgentClient(str(self._settings.agent))
        try:
            async with asyncio.timeout(_AGENT_S):
                await self._agent.connect()
                keys = list(await self._agent.get_keys())
        except (OSError, ValueError, asyncssh.Error, TimeoutError):
            return []
        order = {data: number for number, data in enumerate(await asyncio.to_thread(self._public_parts))}
        return sorted(keys, key=lambda pair: order.get(pair.key_public_data, len(order)))

    def _public_parts(self) -> dict[bytes, Path]:
        parts = ((_public_key(path), path) for path in self._settings.identity_files)
        return {key.public_data: path for key, path in reversed(list(parts)) if key is not None}

    async def _file_keys(self, path: Path) -> list[asyncssh.SSHKeyPair]:
        if (key := self._keyring.unlocked.get(path)) is None:
            data = await asyncio.to_thread(_read, path)
            if data is None:
                return []
            try:
                key = await asyncio.to_thread(asyncssh.import_private_key, data)
            except asyncssh.KeyImportError as error:
                return self._locked_pairs(path, data) if _is_locked(error) else []
        return await asyncio.to_thread(_pairs, key, self._certificate(path))

    def _locked_pairs(self, path: Path, data: bytes) -> list[asyncssh.SSHKeyPair]:
        public = _public_key(path)
        if public is None:
            self.locked.append(path.name)
            return []
        return [_LockedPair(public, lambda: self._unlock(path, data))]

    async def _unlock(self, path: Path, data: bytes) -> asyncssh.SSHKey:
        """Raises ValueError, on which asyncssh goes on to the next way."""
        for attempt in range(1, _TRIES + 1):
            passphrase = None
            if self._person is not None and not self._settings.is_batch:
                question = Question(self._settings.alias, "passphrase", f"Passphrase of {path.name}", True, attempt)
                passphrase = await self._person.answer(question)
            if passphrase is None:
                break
            try:
                key = await asyncio.to_thread(asyncssh.import_private_key, data, passphrase)
            except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError):
                continue
            self._keyring.unlocked[path] = key
            return key
        self.locked.append(path.name)
        raise ValueError("locked")

    def _certificate(self, path: Path) -> Path | None:
        own = path.with_name(f"{path.name}-cert.pub")
        return own if own.exists() else next(iter(self._settings.certificate_files), None)


class _LockedPair(asyncssh.SSHKeyPair):
    """A key of which only the public part can be read so far."""

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


def _pairs(key: asyncssh.SSHKey, certificate: Path | None) -> list[asyncssh.SSHKeyPair]:
    if certificate is not None:
        try:
            return list(asyncssh.load_keypairs([(key, asyncssh.read_certificate(str(certificate)))]))
        except (OSError, ValueError):
            pass  # it belongs to another key, or is none: the key alone may do
    return list(asyncssh.load_keypairs([key]))


def _is_locked(error: asyncssh.KeyImportError) -> bool:
    return "passphrase" in str(error).lower()


def _public_key(path: Path) -> asyncssh.SSHKey | None:
    """From the .pub file beside it; without one, OpenSSH's own format says it in clear."""
    for source in (_read(path.with_name(f"{path.name}.pub")), _clear_part(_read(path))):
        try:
            if source:
                return asyncssh.import_public_key(source)
        except asyncssh.KeyImportError:
            continue
    return None


def _clear_part(data: bytes | None) -> bytes | None:
    if data is None or b"BEGIN OPENSSH PRIVATE KEY" not in data:
        return None
    try:
        blob = base64.b64decode(b"".join(data.strip().splitlines()[1:-1]))
    except binascii.Error:
        return None
    rest = blob.removeprefix(_MAGIC)
    for _ in range(3):  # cipher, kdf, its options
        rest = rest[4 + int.from_bytes(rest[:4], "big") :]
    key = rest[8 : 8 + int.from_bytes(rest[4:8], "big")]
    kind = key[4 : 4 + int.from_bytes(key[:4], "big")]
    return kind + b" " + base64.b64encode(key)


def _read(path: Path) -> bytes | None:
    try:
        if not path.is_file():
            return None  # opening a pipe would never return
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return None
