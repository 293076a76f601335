"""Opens one connection, including its jump hosts: verifies each host key and logs in on each host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncssh

from flow_core.pausable_timeout import PausableTimeout
from flow_core.prompter import Prompter
from flow_core.ssh import failures
from flow_core.ssh.client_auth import ClientAuth
from flow_core.ssh.connect_options import connect_options
from flow_core.ssh.host_keys import verify_host_key
from flow_core.ssh.identities import Keyring
from flow_core.ssh.key_exchange_offer import find_mismatch
from flow_core.ssh.known_hosts import KnownKeys, load_known_keys
from flow_core.ssh.known_hosts_command import run_known_hosts_command
from flow_core.ssh.login_wait import LoginWait
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.transport import HostTransport, ProxyProcess, open_transport

_CLOSE_S = 2.0
_CONNECTION_ERRORS = (OSError, asyncssh.ConnectionLost, TimeoutError)
_NEGOTIATION_ERRORS = (
    OSError,
    asyncssh.ConnectionLost,
    asyncssh.KeyExchangeFailed,
)  # a server may reset the connection before it sends the reason


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection, the connections to its jump hosts, and the ProxyCommand below them.

    `has_prompted` is true if the user had to answer a prompt that another login would repeat, such as a code.
    """

    client: asyncssh.SSHClientConnection
    hops: tuple[asyncssh.SSHClientConnection, ...]
    proxy: ProxyProcess | None = None
    has_prompted: bool = False

    @property
    def is_lost(self) -> bool:
        return self.client.is_closed()

    def close_nowait(self) -> None:
        """Closes all connections without waiting. Calling it again is safe."""
        for each in (self.client, *reversed(self.hops)):
            each.close()
        if self.proxy is not None:
            self.proxy.close()

    async def close(self) -> None:
        """Closes all connections within seconds, even if the host does not answer. Calling it again is safe."""
        for each in (self.client, *reversed(self.hops)):
            each.close()
            with suppress(TimeoutError, OSError, asyncssh.Error):
                async with asyncio.timeout(_CLOSE_S):
                    await each.wait_closed()
                    continue
            each.abort()
        if self.proxy is not None:
            await self.proxy.end()


async def connect(
    settings: HostSettings, prompter: Prompter | None, keyring: Keyring, on_lost: Callable[[], None] = lambda: None
) -> Connection:
    """Connects to each host on the route and logs in there.

    The connect timeout of the settings ends when the server's version string arrives. With a prompter, the login lasts
    until the user stops waiting; without one it lasts at most `login_timeout_s`.

    Raises HostKeyUnknown, HostKeyChanged, AuthError, NotFound, Unreachable.
    """
    opened: list[asyncssh.SSHClientConnection] = []
    proxy: ProxyProcess | None = None
    has_prompted = False
    try:
        for host in (*settings.hops, settings):
            is_last = host is settings
            connector = _Connector(host, prompter, keyring, opened, on_lost if is_last else None)
            opened.append(await connector.connect())
            proxy = proxy or connector.proxy
            has_prompted = has_prompted or connector.has_prompted
    except BaseException:
        for connection in reversed(opened):
            connection.abort()
        if proxy is not None:
            await proxy.end()
        raise
    return Connection(opened[-1], tuple(opened[:-1]), proxy, has_prompted)


class _Connector:
    """The connector to one host, through the connections that are already open."""

    def __init__(
        self,
        settings: HostSettings,
        prompter: Prompter | None,
        keyring: Keyring,
        opened: list[asyncssh.SSHClientConnection],
        on_lost: Callable[[], None] | None,
    ) -> None:
        self._settings = settings
        self._timeout = PausableTimeout(prompter)
        self._prompter = self._timeout if self._timeout.has_prompter else None
        self._keyring = keyring
        self._tunnel = opened[-1] if opened else None
        self._on_lost = on_lost
        self._verified: list[asyncssh.SSHKey] = []
        self._accepts_certificates = True
        self.proxy: ProxyProcess | None = None
        self.has_prompted = False

    async def connect(self) -> asyncssh.SSHClientConnection:
        for _ in range(3):
            wait = LoginWait(self._settings, self._timeout, "to let you in")
            auth = ClientAuth(self._settings, self._prompter, self._keyring, wait, self._on_lost)
            try:
                connection = await self._attempt(auth, wait)
                self.has_prompted = auth.has_prompted
                return connection
            except asyncssh.HostKeyNotVerifiable as error:
                if auth.shown_key is None:
                    self._skip_certificate(error)
                    continue
                known = await self._load_known_keys(auth.address, auth.shown_key)
                await verify_host_key(self._settings, known, auth.shown_key, self._route(), self._prompter)
                self._verified.append(auth.shown_key)
            finally:
                auth.close_agent()
        raise failures.connection_lost_error(self._settings, "its key was looked at")

    def _skip_certificate(self, error: asyncssh.HostKeyNotVerifiable) -> None:
        """Makes the next attempt request the host's plain key, as ssh does.

        Raises HostKeyChanged for a revoked key, and AuthError if this attempt already requested the plain key.
        """
        if self._accepts_certificates and "revoked" not in error.reason:
            self._accepts_certificates = False
            return
        raise failures.certificate_error(self._settings, error) from error

    async def _load_known_keys(self, address: str | None, shown_key: asyncssh.SSHKey | None = None) -> KnownKeys:
        extra_lines = await run_known_hosts_command(self._settings, shown_key)
        checked_address = address if self._settings.checks_address and address != self._settings.hostname else None
        known = await asyncio.to_thread(load_known_keys, self._settings, extra_lines, checked_address)
        if not self._accepts_certificates:
            known.authorities = []
        known.keys += self._verified  # the settings may name no known_hosts file to store it in
        return known

    async def _attempt(self, auth: ClientAuth, wait: LoginWait) -> asyncssh.SSHClientConnection:
        transport: HostTransport | None = None
        login: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                transport = None if self._tunnel else await open_transport(self._settings)
                auth.address = transport.address if transport is not None else None
                login = asyncio.create_task(self._log_in(transport, auth))
                await _wait_first(login, auth.version_received.wait())
            if auth.is_flooded:
                raise failures.greeting_error(self._settings)
            connection = await wait.run(login)
        except BaseException as error:
            await _cancel(login)
            reason = await _close_transport(transport, error)
            if isinstance(error, asyncssh.HostKeyNotVerifiable):
                raise
            if isinstance(error, asyncssh.PermissionDenied):
                raise failures.login_error(
                    self._settings, auth.identities, auth.unanswered, auth.server_methods
                ) from error
            if isinstance(error, _CONNECTION_ERRORS) and reason:
                raise failures.proxy_error(self._settings, reason) from error
            if (
                auth.server_offer
                and isinstance(error, _NEGOTIATION_ERRORS)
                and (what := find_mismatch(self._settings, auth.server_offer))
            ):
                raise failures.negotiation_error(self._settings, what) from error
            if isinstance(error, OSError | asyncssh.Error | TimeoutError):
                raise failures.connect_error(self._settings, error, auth.identities.offered) from error
            raise
        self.proxy = transport.proxy if transport is not None else None
        return connection

    async def _log_in(self, transport: HostTransport | None, auth: ClientAuth) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            self._settings.hostname,
            self._settings.port,
            tunnel=self._tunnel,
            sock=transport.sock if transport is not None else None,
            config=None,  # only `ssh -G` reads the user's configuration
            options=connect_options(self._settings, await self._load_known_keys(auth.address), auth),
        )

    def _route(self) -> str:
        hops = self._settings.hops
        return self._settings.address + "".join(f" through {hop.alias}" for hop in hops[-1:])


async def _wait_first(
    login: asyncio.Task[asyncssh.SSHClientConnection], version_wait: Coroutine[Any, Any, object]
) -> None:
    """Waits until the login has ended or the event is set."""
    version_received = asyncio.ensure_future(version_wait)
    try:
        await asyncio.wait((login, version_received), return_when=asyncio.FIRST_COMPLETED)
    finally:
        version_received.cancel()


async def _cancel(login: asyncio.Task[asyncssh.SSHClientConnection] | None) -> None:
    if login is None:
        return
    login.cancel()
    await asyncio.wait((login,))
    if not login.cancelled():
        login.exception()  # mark it as retrieved; the caller reports its own error


async def _close_transport(transport: HostTransport | None, error: BaseException) -> str:
    """Closes the transport. Returns why the ProxyCommand ended if that may have caused the error; otherwise ""."""
    if transport is None:
        return ""
    transport.sock.close()
    if transport.proxy is None:
        return ""
    try:
        return await transport.proxy.exit_reason() if isinstance(error, _CONNECTION_ERRORS) else ""
    finally:
        await transport.proxy.end()
