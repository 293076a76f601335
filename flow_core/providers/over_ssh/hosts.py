"""The hosts that a provider reaches: one SshHost for each, so that everything shares its connections."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.errors import Unreachable
from flow_core.ssh.host import SshHost
from flow_core.ssh.settings import HostSettings

if TYPE_CHECKING:
    from flow_core.ssh.asking import Person


class HostPool:
    """Many coroutines may use it at once, all of one event loop. Nothing is connected before it is needed."""

    def __init__(self, person: Person | None = None) -> None:
        self._person = person
        self._hosts: dict[HostSettings, SshHost] = {}
        self._named: dict[tuple[str, Path | None], HostSettings] = {}
        self._asking: dict[tuple[str, Path | None], asyncio.Lock] = {}
        self._is_closed = False

    async def find(self, name: str, *, config: Path | None = None) -> SshHost:
        """A host by what the user calls it; ssh is asked once, until `forget`. Raises ConfigError, Unreachable."""
        from flow_core.ssh.lookup import find_settings  # deferred: a provider that asks nobody needs no subprocess

        key = (name, config)
        async with self._asking.setdefault(key, asyncio.Lock()):
            if key not in self._named:
                self._named[key] = await find_settings(name, config=config)
        return self.of(self._named[key])

    def of(self, settings: HostSettings) -> SshHost:
        """The host that is reached like this. Raises Unreachable once the pool is closed."""
        if self._is_closed:
            raise Unreachable(f"the connections to {settings.alias!r} are closed")
        if settings not in self._hosts:
            self._hosts[settings] = SshHost(settings, person=self._person)
        return self._hosts[settings]

    def forget(self, name: str) -> None:
        """Has ssh asked about a name anew at the next `find`, as after a change of the user's config."""
        for key in [key for key in self._named if key[0] == name]:
            del self._named[key]

    async def close(self) -> None:
        """Ends everything that still runs on any of them. Twice is safe."""
        self._is_closed = True
        await asyncio.gather(*(host.close() for host in self._hosts.values()))
