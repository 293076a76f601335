"""One connection, jump hosts included: host keys vouched for on each of them, and the user logged in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncssh

from flow_core.pausable_timeout import PausableTimeout
from flow_core.ssh import failures
from flow_core.ssh.client_auth import ClientAuth
from flow_core.ssh.connect_options import connect_options
from flow_core.ssh.host_keys import verify_host_key
from flow_core.ssh.identities import Keyring
from flow_core.ssh.key_exchange import find_mismatch
from flow_core.ssh.known_hosts import KnownKeys, load_known_keys
from flow_core.ssh.known_hosts_command import ask_command
from flow_core.ssh.login_wait import LoginWait
from flow_core.ssh.prompter import Prompter
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.transport import HostTransport, ProxyProcess, open_transport

_CLOSE_S = 2.0
_LOST_BEFORE = (OSError, asyncssh.ConnectionLost, TimeoutError)
_NOT_AGREED = (OSError, asyncssh.ConnectionLost, asyncssh.KeyExchangeFailed)  # a server may reset before it is told


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection, those that it goes through, and the ProxyCommand that all of them go through.

    `has_prompted` where a person had to give an answer that another login would want again, such as a code.
    """

    connection: asyncssh.SSHClientConnection
    hops: tuple[asyncssh.SSHClientConnection, ...]
    proxy: ProxyProcess | None = None
    has_prompted: bool = False

    @property
    def is_lost(self) -> bool:
        return self.connection.is_closed()

    def hang_up(self) -> None:
        """At once, without waiting. Twice is safe."""
        for one in (self.connection, *reversed(self.hops)):
            one.close()
        if self.proxy is not None:
            self.proxy.close()

    async def close(self) -> None:
        """Within seconds, also when nobody answers. Twice is safe."""
        for one in (self.connection, *reversed(self.hops)):
            one.close()
            with suppress(TimeoutError, OSError, asyncssh.Error):
                async with asyncio.timeout(_CLOSE_S):
                    await one.wait_closed()
                    continue
            one.abort()
        if self.proxy is not None:
            await self.proxy.end()


async def connect(
    settings: HostSettings, person: Prompter | None, keyring: Keyring, on_lost: Callable[[], None] = lambda: None
) -> Connection:
    """Connects to each host on the way, and logs in there.

    The settings' connect timeout ends with the server's version string. The login lasts as long as the person there
    likes to wait, and `login_timeout_s` without one.

    Raises HostKeyUnknown, HostKeyChanged, AuthError, NotFound, Unreachable.
    """
    opened: list[asyncssh.SSHClientConnection] = []
    proxy: ProxyProcess | None = None
    has_prompted = False
    try:
        for each in (*settings.hops, settings):
            is_last = each is settings
            dialling = _Connector(each, person, keyring, opened, on_lost if is_last else None)
            opened.append(await dialling.connect())
            proxy = proxy or dialling.proxy
            has_prompted = has_prompted or dialling.has_prompted
    except BaseException:
        for one in reversed(opened):
            one.abort()
        if proxy is not None:
            await proxy.end()
        raise
    return Connection(opened[-1], tuple(opened[:-1]), proxy, has_prompted)


class _Connector:
    """The way to one host, over those that are open already."""

    def __init__(
        self,
        settings: HostSettings,
        person: Prompter | None,
        keyring: Keyring,
        opened: list[asyncssh.SSHClientConnection],
        on_lost: Callable[[], None] | None,
    ) -> None:
        self._settings = settings
        self._patience = PausableTimeout(person)
        self._person = self._patience if self._patience.is_there else None
        self._keyring = keyring
        self._tunnel = opened[-1] if opened else None
        self._on_lost = on_lost
        self._vouched: list[asyncssh.SSHKey] = []
        self._takes_certificates = True
        self.proxy: ProxyProcess | None = None
        self.has_prompted = False

    async def connect(self) -> asyncssh.SSHClientConnection:
        for _ in range(3):
            wait = LoginWait(self._settings, self._patience, "to let you in")
            guest = ClientAuth(self._settings, self._person, self._keyring, wait, self._on_lost)
            try:
                connection = await self._try(guest, wait)
                self.has_prompted = guest.has_prompted
                return connection
            except asyncssh.HostKeyNotVerifiable as error:
                if guest.shown is None:
                    self._refuse_certificate(error)
                    continue
                known = await self._known(guest.address, guest.shown)
                await verify_host_key(self._settings, known, guest.shown, self._way(), self._person)
                self._vouched.append(guest.shown)
            finally:
                guest.close_agent()
        raise failures.lost(self._settings, "its key was looked at")

    def _refuse_certificate(self, error: asyncssh.HostKeyNotVerifiable) -> None:
        """Has the host show its plain key next, as ssh looks at it then. Raises HostKeyChanged for a revoked one."""
        if self._takes_certificates and "revoked" not in error.reason:
            self._takes_certificates = False
            return
        raise failures.no_certificate(self._settings, error) from error

    async def _known(self, address: str | None, shown: asyncssh.SSHKey | None = None) -> KnownKeys:
        more = await ask_command(self._settings, shown)
        checked = address if self._settings.checks_address and address != self._settings.hostname else None
        known = await asyncio.to_thread(load_known_keys, self._settings, more, checked)
        if not self._takes_certificates:
            known.authorities = []
        known.keys += self._vouched  # where the settings name no file to remember it in
        return known

    async def _try(self, guest: ClientAuth, wait: LoginWait) -> asyncssh.SSHClientConnection:
        transport: HostTransport | None = None
        login: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                transport = None if self._tunnel else await open_transport(self._settings)
                guest.address = transport.address if transport is not None else None
                login = asyncio.create_task(self._log_in(transport, guest))
                await _first(login, guest.greeted.wait())
            if guest.is_flooded:
                raise failures.no_server(self._settings)
            connection = await wait.run(login)
        except BaseException as error:
            await _cancel(login)
            reason = await _give_up(transport, error)
            if isinstance(error, asyncssh.HostKeyNotVerifiable):
                raise
            if isinstance(error, asyncssh.PermissionDenied):
                raise failures.refused(self._settings, guest.identities, guest.missing, guest.methods) from error
            if isinstance(error, _LOST_BEFORE) and reason:
                raise failures.proxy_failed(self._settings, reason) from error
            if guest.offer and isinstance(error, _NOT_AGREED) and (what := find_mismatch(self._settings, guest.offer)):
                raise failures.nothing_in_common(self._settings, what) from error
            if isinstance(error, OSError | asyncssh.Error | TimeoutError):
                raise failures.not_connected(self._settings, error, guest.identities.tried) from error
            raise
        self.proxy = transport.proxy if transport is not None else None
        return connection

    async def _log_in(self, transport: HostTransport | None, guest: ClientAuth) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            self._settings.hostname,
            self._settings.port,
            tunnel=self._tunnel,
            sock=transport.sock if transport is not None else None,
            config=None,  # nothing but `ssh -G` reads the user's configuration
            options=connect_options(self._settings, await self._known(guest.address), guest),
        )

    def _way(self) -> str:
        hops = self._settings.hops
        return self._settings.address + "".join(f" through {hop.alias}" for hop in hops[-1:])


async def _first(login: asyncio.Task[asyncssh.SSHClientConnection], greeting: Coroutine[Any, Any, object]) -> None:
    """Returns once one of them has ended."""
    greeted = asyncio.ensure_future(greeting)
    try:
        await asyncio.wait((login, greeted), return_when=asyncio.FIRST_COMPLETED)
    finally:
        greeted.cancel()


async def _cancel(login: asyncio.Task[asyncssh.SSHClientConnection] | None) -> None:
    if login is None:
        return
    login.cancel()
    await asyncio.wait((login,))
    if not login.cancelled():
        login.exception()  # it is reported by whoever waited for it


async def _give_up(transport: HostTransport | None, error: BaseException) -> str:
    """Closes what was opened. Returns why the ProxyCommand ended, where that may be the reason of the error."""
    if transport is None:
        return ""
    transport.sock.close()
    if transport.proxy is None:
        return ""
    try:
        return await transport.proxy.reason() if isinstance(error, _LOST_BEFORE) else ""
    finally:
        await transport.proxy.end()
