"""The hosts that a provider reaches: one SshHost for each, so that all calls share its connections."""

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
    """The hosts of a provider. Connects on demand; usable by many coroutines of one event loop at the same time."""

    def __init__(self, prompter: Prompter | None = None, login_timeout_s: float | None = None) -> None:
        self._prompter = prompter
        self._login_timeout_s = login_timeout_s
        self._hosts: dict[HostSettings, SshHost] = {}
        self._settings: dict[_Key, HostSettings] = {}
        self._lookup_locks: dict[_Key, asyncio.Lock] = {}
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
        """Returns the host with the user's name for it. Raises ConfigError, Unreachable.

        Runs ssh once to read the settings of the name, and again only after `forget`. The parameters override the
        config, also in a ProxyCommand.
        """
        from flow_core.ssh.ssh_config import (  # lazy import: needed only to look up a host
            SshConfigOverrides,
            find_settings,
        )

        key = (name, config, hostname, user, port)
        async with self._lookup_locks.setdefault(key, asyncio.Lock()):
            if key not in self._settings:
                overrides = SshConfigOverrides(hostname, user, port)
                self._settings[key] = await find_settings(name, config=config, overrides=overrides)
        return self.get_host(self._settings[key], login_timeout_s=login_timeout_s)

    def get_host(self, settings: HostSettings, *, login_timeout_s: float | None = None) -> SshHost:
        """Returns the host with these settings; without `login_timeout_s`, the pool's limit applies to its logins.

        Raises Unreachable once the pool is closed.
        """
        if self._is_closed:
            raise Unreachable(f"the connections to {settings.alias!r} are closed")
        limit_s = self._login_timeout_s if login_timeout_s is None else login_timeout_s
        if limit_s is not None:
            settings = _with_login_timeout(settings, limit_s)
        if settings not in self._hosts:
            self._hosts[settings] = SshHost(settings, prompter=self._prompter)
        return self._hosts[settings]

    def forget(self, name: str) -> None:
        """Makes the next `find` of this name read its settings again, for example after the user's config changed."""
        for key in [key for key in self._settings if key[0] == name]:
            del self._settings[key]

    async def close(self) -> None:
        """Ends every connection and command of every host. Calling it again is safe."""
        self._is_closed = True
        await asyncio.gather(*(host.close() for host in self._hosts.values()))


def _with_login_timeout(settings: HostSettings, login_timeout_s: float) -> HostSettings:
    """Returns settings that limit each login to `login_timeout_s`: to the host, and to each of its jump hosts."""
    hops = tuple(_with_login_timeout(hop, login_timeout_s) for hop in settings.hops)
    return replace(settings, login_timeout_s=login_timeout_s, hops=hops)
