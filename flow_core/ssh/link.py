"""One connection, jump hosts included: host keys vouched for on each of them, and the user logged in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from flow_core.ssh import failures
from flow_core.ssh.asking import Person
from flow_core.ssh.guest import Guest
from flow_core.ssh.host_keys import vouch
from flow_core.ssh.identities import Keyring
from flow_core.ssh.known_hosts import KnownKeys, known_keys
from flow_core.ssh.patience import Patience, deadline
from flow_core.ssh.settings import HostSettings

_CLOSE_S = 2.0
# In the order of their speed here; all of asyncssh's other ones follow.
_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com"


@dataclass(frozen=True, slots=True)
class Link:
    """A connection and those that it goes through."""

    connection: asyncssh.SSHClientConnection
    hops: tuple[asyncssh.SSHClientConnection, ...]

    @property
    def is_lost(self) -> bool:
        return self.connection.is_closed()

    def hang_up(self) -> None:
        """At once, without waiting. Twice is safe."""
        for one in (self.connection, *reversed(self.hops)):
            one.close()

    async def close(self) -> None:
        """Within seconds, also when nobody answers. Twice is safe."""
        for one in (self.connection, *reversed(self.hops)):
            one.close()
            with suppress(TimeoutError, OSError, asyncssh.Error):
                async with asyncio.timeout(_CLOSE_S):
                    await one.wait_closed()
                    continue
            one.abort()


async def dial(
    settings: HostSettings, person: Person | None, keyring: Keyring, on_lost: Callable[[], None] = lambda: None
) -> Link:
    """Connects within the settings' deadline for each host on the way; thinking of the person doesn't count.

    Raises HostKeyUnknown, HostKeyChanged, AuthError, NotFound, Unreachable.
    """
    opened: list[asyncssh.SSHClientConnection] = []
    try:
        for each in (*settings.hops, settings):
            is_last = each is settings
            opened.append(await _Dialling(each, person, keyring, opened, on_lost if is_last else None).connect())
    except BaseException:
        await _close_all(opened)
        raise
    return Link(opened[-1], tuple(opened[:-1]))


async def _close_all(opened: list[asyncssh.SSHClientConnection]) -> None:
    for one in reversed(opened):
        one.abort()


class _Dialling:
    """The way to one host, over those that are open already."""

    def __init__(
        self,
        settings: HostSettings,
        person: Person | None,
        keyring: Keyring,
        opened: list[asyncssh.SSHClientConnection],
        on_lost: Callable[[], None] | None,
    ) -> None:
        self._settings = settings
        self._patience = Patience(person) if person is not None else None
        self._keyring = keyring
        self._tunnel = opened[-1] if opened else None
        self._on_lost = on_lost
        self._vouched: list[asyncssh.SSHKey] = []

    async def connect(self) -> asyncssh.SSHClientConnection:
        for _ in range(2):
            known = await asyncio.to_thread(known_keys, self._settings)
            known.keys += self._vouched  # where the settings name no file to remember it in
            guest = Guest(self._settings, self._patience, self._keyring, self._on_lost)
            try:
                return await self._try(known, guest)
            except asyncssh.HostKeyNotVerifiable as error:
                if guest.shown is None:
                    raise failures.no_certificate(self._settings, error) from error
                await vouch(self._settings, known, guest.shown, self._way(), self._patience)
                self._vouched.append(guest.shown)
            finally:
                guest.close_agent()
        raise failures.lost(self._settings, "its key was looked at")

    async def _try(self, known: KnownKeys, guest: Guest) -> asyncssh.SSHClientConnection:
        try:
            async with deadline(self._patience, self._settings.connect_timeout_s):
                return await asyncssh.connect(
                    self._settings.hostname,
                    self._settings.port,
                    tunnel=self._tunnel,
                    options=_options(self._settings, known, guest, is_tunnelled=self._tunnel is not None),
                )
        except asyncssh.HostKeyNotVerifiable:
            raise
        except asyncssh.PermissionDenied as error:
            raise failures.refused(
                self._settings, guest.identities.tried, guest.identities.locked, guest.missing
            ) from error
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise failures.not_connected(self._settings, error) from error

    def _way(self) -> str:
        hops = self._settings.hops
        return self._settings.address + "".join(f" through {hop.alias}" for hop in hops[-1:])


def _options(
    settings: HostSettings, known: KnownKeys, guest: Guest, *, is_tunnelled: bool
) -> asyncssh.SSHClientConnectionOptions:
    proxy = None if is_tunnelled or settings.proxy_command is None else settings.proxy_command
    trusted = known.keys or known.portless
    return asyncssh.SSHClientConnectionOptions(
        config=None,
        client_factory=lambda: guest,
        # Asyncssh is told of revoked keys only for certificates: of the others it would not say which one it was.
        known_hosts=(
            [key for key in trusted if key not in known.revoked],
            [key for key in known.authorities if key not in known.revoked],
            known.revoked if known.authorities else [],
        ),
        host_key_alias=settings.host_key_alias,
        server_host_key_algs=_key_kinds(known),
        username=settings.user,
        client_keys=None,
        agent_path=None,
        gss_host=None,
        login_timeout=0,
        keepalive_interval=settings.keepalive_s,
        keepalive_count_max=settings.keepalive_count,
        encryption_algs=_CIPHERS,
        compression_algs=["zlib@openssh.com", "none"] if settings.is_compressed else ["none"],
        proxy_command=["/bin/sh", "-c", f"exec {proxy}"] if proxy else None,
    )


def _key_kinds(known: KnownKeys) -> list[str]:
    """Those the host is known by first, so that it shows one of them; then all, so that we see what else it has."""
    kinds = [kind for key in (*known.keys, *known.portless) for kind in key.sig_algorithms]
    certificates = get_default_certificate_algs() if known.authorities else []
    names = (kind.decode() for kind in (*certificates, *kinds, *get_default_public_key_algs()))
    return list(dict.fromkeys(names))
