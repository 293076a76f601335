"""Which SSH keys a new machine takes, so that whoever asked for it can enter."""

from __future__ import annotations

import asyncio
import getpass
import secrets
from collections.abc import Sequence
from pathlib import Path

from flow_core.errors import ConfigError
from flow_core.models.identity import SshKey
from flow_core.providers.mithril.private_keys import public_half
from flow_core.providers.mithril.ssh_keys import MithrilSshKeys, is_same

_NAMED = 12


class LaunchKeys:
    """The keys asked for, or one whose private half is on this machine; and those that the project demands."""

    def __init__(self, keys: MithrilSshKeys, folder: Path, usual: Sequence[str], key_file: Path | None) -> None:
        self._keys = keys
        self._folder = folder
        self._usual = usual
        self._key_file = key_file

    async def choose(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Ids; may register a key of ~/.ssh, or have the API make one. Raises ConfigError for a key nobody knows."""
        there = await self._keys.list()
        chosen = [_named(text, there) for text in wanted or self._usual] or [await self._own(there)]
        required = [key.key_id for key in there if key.required]
        return tuple(dict.fromkeys((*chosen, *required)))

    async def _own(self, there: tuple[SshKey, ...]) -> str:
        if self._key_file is not None:
            half = await asyncio.to_thread(public_half, self._key_file)
            if half is not None:
                known = next((key.key_id for key in there if is_same(key, half)), None)
                return known or (await self._keys.create(f"flow-{self._key_file.stem}", str(half))).key_id
        return await self._keys.ensure_default() or await self._keys.generate(_new_name())


def _named(text: str, there: tuple[SshKey, ...]) -> str:
    fitting = [key.key_id for key in there if text in (key.key_id, key.name)]
    if fitting:
        return fitting[0]
    known = ", ".join(repr(key.name) for key in there[:_NAMED]) or "none"
    raise ConfigError(f"ssh_keys: the project has no key {text!r}; it has: {known}", field="ssh_keys")


def _new_name() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "user"
    return f"flow-auto-{user}-{secrets.randbelow(10_000):04d}"
