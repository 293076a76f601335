"""Command lines of the system's ssh that reach a host with the same settings as flow."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace

from flow_core.errors import ConfigError, Unreachable
from flow_core.ssh.quoting import build_identity_option, quote_option
from flow_core.ssh.settings import HostSettings, get_account_home, get_home
from flow_core.ssh.ssh_config import SshConfigOverrides, find_settings


async def build_ssh_words(settings: HostSettings) -> list[str]:
    """Returns the words of an ssh command; a remote command may follow.

    Uses the host's alias if the user's ssh resolves it to the same settings, and explicit options otherwise. Raises
    ConfigError for paths that an ssh option can't express.
    """
    if await _resolves_alias(settings):
        return ["ssh", *_build_option_words(settings.command_options), settings.alias]
    program, *words = build_explicit_ssh_argv(settings)
    return [program, *_build_option_words(await _find_inherited_options(settings)), *words]


async def _find_inherited_options(settings: HostSettings) -> tuple[str, ...]:
    """Returns options of the user's config for the address (such as below `Host *`) that would prevent a command."""
    try:
        found = await find_settings(
            settings.hostname, overrides=SshConfigOverrides(user=settings.user, port=settings.port)
        )
    except (ConfigError, Unreachable):
        return ()
    return found.command_options


def _build_option_words(options: Iterable[str]) -> list[str]:
    return [word for option in options for word in ("-o", option)]


def build_explicit_ssh_argv(settings: HostSettings) -> list[str]:
    """Returns an ssh command with the resolved settings as options.

    Leaves out values that equal ssh's defaults, and key and certificate files that don't exist. Raises ConfigError.
    """
    keys = [path for path in settings.identity_files if path.exists()]
    options = [f"CertificateFile={quote_option(path)}" for path in settings.certificate_files if path.exists()]
    if settings.identities_only:
        options.append("IdentitiesOnly=yes")
    default_files = tuple(get_account_home() / ".ssh" / name for name in ("known_hosts", "known_hosts2"))
    if settings.known_hosts and settings.known_hosts != default_files:
        options.append(f"UserKnownHostsFile={' '.join(map(quote_option, settings.known_hosts))}")
    if settings.host_key_alias:
        options.append(f"HostKeyAlias={settings.host_key_alias}")
    if settings.strictness != "ask":
        options.append(f"StrictHostKeyChecking={settings.strictness}")
    if proxy := _build_proxy_command(settings):
        options.append(f"ProxyCommand={proxy}")
    port = ["-p", str(settings.port)] if settings.port != 22 else []
    identities = [word for key in keys for word in build_identity_option(key)]
    return ["ssh", *identities, *_build_option_words(options), *port, f"{settings.user}@{settings.hostname}"]


def _build_proxy_command(settings: HostSettings) -> str:
    """Returns the ProxyCommand for ssh, with each % escaped."""
    if not settings.hops:
        return (settings.proxy_command or "").replace("%", "%%")
    *before, nearest = settings.hops
    words = build_explicit_ssh_argv(replace(nearest, hops=tuple(before)))
    return shlex.join(words).replace("%", "%%") + " -W '[%h]:%p'"


async def _resolves_alias(settings: HostSettings) -> bool:
    if get_home() != get_account_home():
        return False  # ssh takes the home from the password database, so it reads other files than flow
    try:
        found = await find_settings(settings.alias)
    except (ConfigError, Unreachable):
        return False
    return _get_route_settings(found) == _get_route_settings(settings)


def _get_route_settings(settings: HostSettings) -> tuple[object, ...]:
    """Returns the settings that decide about the host and the login."""
    return (
        settings.hostname.lower(),
        settings.port,
        settings.user,
        settings.identity_files,
        settings.certificate_files,
        settings.known_hosts,
        settings.key_name,
        settings.proxy_command,
        tuple(map(_get_route_settings, settings.hops)),
    )
