"""Who vouches for the key of a host: the known_hosts files, then the person there is, else nobody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flow_core.errors import HostKeyChanged, HostKeyUnknown
from flow_core.ssh.asking import Person, UnknownKey
from flow_core.ssh.known_hosts import KnownKeys, Standing, fingerprint, key_type, remember
from flow_core.ssh.settings import HostSettings

if TYPE_CHECKING:
    from asyncssh import SSHKey


async def vouch(settings: HostSettings, known: KnownKeys, key: SSHKey, way: str, person: Person | None) -> None:
    """Returns once somebody has vouched for the key and that is written down.

    Raises HostKeyChanged, whatever the settings say and nobody asked; HostKeyUnknown; ProviderError where it can't
    be written down.
    """
    standing = known.standing(key)
    if standing is Standing.REVOKED:
        raise HostKeyChanged(
            f"{settings.alias!r} at {way} shows a key that is marked as revoked, {fingerprint(key)}: don't connect;"
            " ask whoever runs it"
        )
    if standing is Standing.CHANGED:
        raise _changed(settings, known, key, way)
    if standing is Standing.KNOWN or await _is_trusted(settings, key, way, person):
        await asyncio.to_thread(remember, settings, key)
        return
    raise HostKeyUnknown(
        f"the key of {settings.alias!r} at {way} is not known: {key_type(key)} {fingerprint(key)}; if that is its key,"
        f" accept it by connecting once with: ssh {settings.alias}",
        host=settings.alias,
        key_type=key_type(key),
        fingerprint=fingerprint(key),
    )


async def _is_trusted(settings: HostSettings, key: SSHKey, way: str, person: Person | None) -> bool:
    if settings.strictness == "accept-new":
        return True
    if settings.strictness == "yes" or settings.is_batch or person is None:
        return False
    kept_in = str(settings.known_hosts[0]) if settings.known_hosts else ""
    return await person.trusts(UnknownKey(settings.alias, key_type(key), fingerprint(key), way, kept_in))


def _changed(settings: HostSettings, known: KnownKeys, key: SSHKey, way: str) -> HostKeyChanged:
    file, _, _ = known.places[0].rpartition(":")
    had = ", ".join(f"{key_type(one)} {fingerprint(one)}" for one in known.keys)
    return HostKeyChanged(
        f"the key of {settings.alias!r} at {way} has changed from {had} ({known.places[0]}) to {key_type(key)}"
        f" {fingerprint(key)}: it may be another machine that listens in; only if whoever runs it says that the key is"
        f" new, forget the old one with: ssh-keygen -R '{settings.key_name}' -f '{file}'"
    )
