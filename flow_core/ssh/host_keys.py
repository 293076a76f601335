"""Verifies host keys: by the known_hosts files, then by a prompt, otherwise by refusal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flow_core.errors import AuthError, HostKeyChanged, HostKeyUnknown
from flow_core.prompter import HostKeyPrompt, Prompter
from flow_core.ssh.key_files import get_rsa_bits
from flow_core.ssh.known_hosts import KeyStatus, KnownKeys, add_known_host, format_fingerprint, get_key_type
from flow_core.ssh.settings import HostSettings

if TYPE_CHECKING:
    from asyncssh import SSHKey


async def verify_host_key(
    settings: HostSettings, known: KnownKeys, key: SSHKey, route: str, prompter: Prompter | None
) -> None:
    """Returns when the key is trusted and written to known_hosts.

    Raises HostKeyChanged without a prompt, regardless of the settings; HostKeyUnknown; AuthError for a key that is too
    short; ProviderError if known_hosts can't be written.
    """
    if is_too_small(settings, key):
        raise AuthError(
            f"the {get_key_type(key)} key of {settings.alias!r} at {route} has {get_rsa_bits(key.public_data)} bits,"
            f" and RequiredRSASize is {settings.required_rsa_bits}"
        )
    status = known.get_status(key)
    if status is KeyStatus.REVOKED:
        raise HostKeyChanged(
            f"{settings.alias!r} at {route} shows a key that is marked as revoked, {format_fingerprint(key)}:"
            " don't connect; ask its administrator"
        )
    if status is KeyStatus.CHANGED:
        raise _key_changed_error(settings, known, key, route)
    if status is KeyStatus.KNOWN or await _accepts_new_key(settings, key, route, prompter):
        await asyncio.to_thread(add_known_host, settings, key)
        return
    ignored = "VerifyHostKeyDNS"
    note = f" ({ignored} has no effect here)" if ignored in settings.unused_options else ""
    raise HostKeyUnknown(
        f"the key of {settings.alias!r} at {route} is not known: {get_key_type(key)} {format_fingerprint(key)};"
        f" if that is its key, accept it by connecting once with: ssh {settings.alias}{note}",
        host=settings.alias,
        key_type=get_key_type(key),
        fingerprint=format_fingerprint(key),
    )


async def _accepts_new_key(settings: HostSettings, key: SSHKey, route: str, prompter: Prompter | None) -> bool:
    """Decides whether to accept a key that known_hosts lacks: by StrictHostKeyChecking, or by asking the user."""
    if settings.strictness == "accept-new":
        return True
    if settings.strictness == "yes" or settings.is_batch or prompter is None:
        return False
    saved_in = str(settings.known_hosts[0]) if settings.known_hosts else ""
    return await prompter.confirm_host_key(
        HostKeyPrompt(settings.alias, get_key_type(key), format_fingerprint(key), route, saved_in)
    )


def is_too_small(settings: HostSettings, key: SSHKey) -> bool:
    bits = get_rsa_bits(key.public_data)
    return bits is not None and bits < settings.required_rsa_bits


def _key_changed_error(settings: HostSettings, known: KnownKeys, key: SSHKey, route: str) -> HostKeyChanged:
    by_address = known.at_address if key in known.keys or not known.keys else None
    offending = by_address or known
    location, name = offending.locations[0], offending.name
    file, _, _ = location.rpartition(":")
    old_keys = ", ".join(f"{get_key_type(one)} {format_fingerprint(one)}" for one in offending.keys)
    host_name = (
        f"{settings.alias!r} at {route}" if by_address is None else f"the address of {settings.alias!r}, {name},"
    )
    note = ", which StrictHostKeyChecking no does not allow here" if settings.is_unchecked else ""
    return HostKeyChanged(
        f"the key of {host_name} has changed from {old_keys} ({location}) to {get_key_type(key)}"
        f" {format_fingerprint(key)}: someone may be intercepting the connection{note}; only if the"
        f" administrator confirms the new key, remove the old one with: ssh-keygen -R '{name}' -f '{file}'"
    )
