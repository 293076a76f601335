"""The hosts that a provider reaches: one SshHost for each, so that everything shares its connections."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.errors import Unreachable
from flow_core.ssh.host import SshHost
from flow_core.ssh.settings import HostSettings

if TYPE_CHECKING:
    from flow_core.prompter import Prompter


_Key = tuple[str, Path | None, str | None, str | None, int | None]


class HostPool:
    """Many coroutines may use it at once, all of one event loop. Nothing is connected before it is needed."""

    def __init__(self, person: Prompter | None = None, login_timeout_s: float | None = None) -> None:
        self._person = person
        self._login_timeout_s = login_timeout_s
        self._hosts: dict[HostSettings, SshHost] = {}
        self._named: dict[_Key, HostSettings] = {}
        self._asking: dict[_Key, asyncio.Lock] = {}
        self._is_closed = False

    async def find(
        self,
        name: str,
        *,
        config: Path | None = None,
        hostname: str | None = None,
        user: str | None = None,
        port: int | None = None,
        login_timeout_s: float | None = None,
    ) -> SshHost:
        """A host by what the user calls it; ssh is asked once, until `forget`. Raises ConfigError, Unreachable.

        What is given here counts before the config, also in a ProxyCommand.
        """
        from flow_core.ssh.ssh_config import (  # deferred: who asks nobody needs no subprocess
            SshConfigOverrides,
            find_settings,
        )

        key = (name, config, hostname, user, port)
        async with self._asking.setdefault(key, asyncio.Lock()):
            if key not in self._named:
                overrides = SshConfigOverrides(hostname, user, port)
                self._named[key] = await find_settings(name, config=config, overrides=overrides)
        return self.of(self._named[key], login_timeout_s=login_timeout_s)

    def of(self, settings: HostSettings, *, login_timeout_s: float | None = None) -> SshHost:
        """The host that is reached like this; the pool's limit counts for its logins where it has none of its own.

        Raises Unreachable once the pool is closed.
        """
        if self._is_closed:
            raise Unreachable(f"the connections to {settings.alias!r} are closed")
        limit_s = self._login_timeout_s if login_timeout_s is None else login_timeout_s
        if limit_s is not None:
            settings = _limited(settings, limit_s)
        if settings not in self._hosts:
            self._hosts[settings] = SshHost(settings, prompter=self._person)
        return self._hosts[settings]

    def forget(self, name: str) -> None:
        """Has ssh asked about a name anew at the next `find`, as after a change of the user's config."""
        for key in [key for key in self._named if key[0] == name]:
            del self._named[key]

    async def close(self) -> None:
        """Ends everything that still runs on any of them. Twice is safe."""
        self._is_closed = True
        await asyncio.gather(*(host.close() for host in self._hosts.values()))


def _limited(settings: HostSettings, login_timeout_s: float) -> HostSettings:
    """The same host and the jump hosts on the way to it, each of which may take that long to let somebody in."""
    hops = tuple(_limited(hop, login_timeout_s) for hop in settings.hops)
    return replace(settings, login_timeout_s=login_timeout_s, hops=hops)
