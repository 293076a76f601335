"""Chooses the SSH keys of a new machine, so that the submitter can log in."""

from __future__ import annotations

import asyncio
import getpass
import secrets
from collections.abc import Sequence
from pathlib import Path

from flow_core.errors import ConfigError
from flow_core.models.identity import SshKey
from flow_core.providers.mithril.private_keys import read_public_key
from flow_core.providers.mithril.ssh_keys import MithrilSshKeys, is_same

_SHOWN_MAX = 12


class LaunchKeys:
    """The SSH keys of new machines: the requested ones, or one whose private key is on this machine.

    The keys that the project requires are added.
    """

    def __init__(self, keys: MithrilSshKeys, folder: Path, default_names: Sequence[str], key_file: Path | None) -> None:
        self._keys = keys
        self._folder = folder
        self._default_names = default_names
        self._key_file = key_file

    async def choose(self, names: Sequence[str]) -> tuple[str, ...]:
        """Returns the ids of the keys. Raises ConfigError for an unknown key.

        May register a key of ~/.ssh, or have the API create one.
        """
        project_keys = await self._keys.list()
        chosen = [_find_key(text, project_keys) for text in names or self._default_names] or [
            await self._choose_own_key(project_keys)
        ]
        required = [key.key_id for key in project_keys if key.required]
        return tuple(dict.fromkeys((*chosen, *required)))

    async def _choose_own_key(self, project_keys: tuple[SshKey, ...]) -> str:
        if self._key_file is not None:
            public_key = await asyncio.to_thread(read_public_key, self._key_file)
            if public_key is not None:
                key_id = next((key.key_id for key in project_keys if is_same(key, public_key)), None)
                return key_id or (await self._keys.create(f"flow-{self._key_file.stem}", str(public_key))).key_id
        return await self._keys.ensure_default() or await self._keys.generate(_make_name())


def _find_key(text: str, project_keys: tuple[SshKey, ...]) -> str:
    matching = [key.key_id for key in project_keys if text in (key.key_id, key.name)]
    if matching:
        return matching[0]
    shown = ", ".join(repr(key.name) for key in project_keys[:_SHOWN_MAX]) or "none"
    raise ConfigError(f"ssh_keys: the project has no key {text!r}; it has: {shown}", field="ssh_keys")


def _make_name() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "user"
    return f"flow-auto-{user}-{secrets.randbelow(10_000):04d}"
