"""Asks the system's ssh how it would reach a host. Nothing else reads its configuration."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from flow_core.errors import ConfigError, Unreachable
from flow_core.ssh.settings import HostSettings, Jump, account_home, check_host_name, check_user_name, home
from flow_core.ssh.ssh_config_parser import SshOptions, parse_settings, read_options

_DEADLINE_S = 10.0
_MAX_HOPS = 8
_SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
_FORK_ERROR = "Cannot fork into background"
_DEFAULTS: dict[str, SshOptions] = {}


@dataclass(frozen=True, slots=True)
class SshConfigOverrides:
    """What is set for a host outside the ssh config; it counts before the config, as ssh's command line does."""

    hostname: str | None = None
    user: str | None = None
    port: int | None = None

    def words(self) -> list[str]:
        name = [] if self.hostname is None else ["-o", f"HostName={self.hostname.replace('%', '%%')}"]
        user = [] if self.user is None else ["-l", self.user]
        return [*name, *user, *([] if self.port is None else ["-p", str(self.port)])]


async def find_settings(
    host: str, *, config: Path | None = None, overrides: SshConfigOverrides = SshConfigOverrides()
) -> HostSettings:
    """What the user's ssh config (or `config` alone) says of a host and of the jump hosts on the way.

    Runs what `Match exec` names, as ssh does. Raises ConfigError, Unreachable after 10 s.
    """
    if overrides.hostname is not None:
        check_host_name(overrides.hostname)
    if overrides.user is not None:
        check_user_name(overrides.user)
    return await _resolve(Jump(check_host_name(host), overrides.user, overrides.port), config, (), overrides.hostname)


async def _resolve(
    jump: Jump, config: Path | None, seen: tuple[Jump, ...], hostname: str | None = None
) -> HostSettings:
    if jump in seen or len(seen) > _MAX_HOPS:
        raise ConfigError(f"ProxyJump: the way to {seen[0].host!r} leads in a circle", field="ProxyJump")
    settings, jumps = await _query(jump, config, hostname)
    if not jumps:
        return settings
    nearest = await _resolve(jumps[0], config, (*seen, jump))
    # As `ssh -J a,b`: only the nearest goes by its own ProxyJump, the others follow one another.
    rest = [(await _query(other, config))[0] for other in jumps[1:]]
    return replace(settings, hops=(*nearest.hops, replace(nearest, hops=()), *rest), proxy_command=None)


async def _query(jump: Jump, config: Path | None, hostname: str | None = None) -> tuple[HostSettings, tuple[Jump, ...]]:
    ssh = shutil.which("ssh")
    overrides = SshConfigOverrides(hostname, jump.user, jump.port)
    if ssh is None:
        return _without_ssh(jump, overrides, config)
    found = await _print_config(ssh, [*_config_words(config), *overrides.words()], jump.host)
    return parse_settings(found, jump.host, await _defaults(ssh))


async def _print_config(ssh: str, words: Sequence[str], host: str) -> SshOptions:
    try:
        return read_options(await _run((ssh, "-G", *words, "--", host), host))
    except ConfigError as error:
        if _FORK_ERROR not in error.message:
            raise
    # ssh looks for a command behind this option, and prints nothing without one.
    text = await _run((ssh, "-G", "-o", "ForkAfterAuthentication=no", *words, "--", host), host)
    return {**read_options(text), "forkafterauthentication": ["yes"]}


async def _defaults(ssh: str) -> SshOptions:
    """What ssh prints without any config; it is the same for as long as this process lives."""
    if ssh not in _DEFAULTS:
        _DEFAULTS[ssh] = await _print_config(ssh, ["-F", "none"], "host")
    return _DEFAULTS[ssh]


def _config_words(config: Path | None) -> Sequence[str]:
    """ssh finds its config by the password database; a HOME that was set on purpose counts for us."""
    if config is not None:
        return ("-F", str(config))
    if home() == account_home():
        return ()
    user_config = home() / ".ssh" / "config"
    return ("-F", str(user_config) if user_config.exists() else "none")


async def _run(argv: Sequence[str], host: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            out, err = await process.communicate()
    except TimeoutError:
        raise Unreachable(
            f"ssh did not say within {_DEADLINE_S:g} s how to reach {host!r}; look at Match exec in its config"
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with what Match exec runs, which holds our pipes
            await process.wait()
    if process.returncode:
        error_lines = err.decode("utf-8", "replace").strip().splitlines() or ["it gave no reason"]
        raise ConfigError(f"ssh can't use its config for {host!r}: {error_lines[0]!r}", field="host")
    return out.decode("utf-8", "replace")


def _without_ssh(
    jump: Jump, overrides: SshConfigOverrides, config: Path | None
) -> tuple[HostSettings, tuple[Jump, ...]]:
    """ssh's own defaults. Raises ConfigError where there is a config that only ssh can read."""
    ssh_folder = home() / ".ssh"
    files = [config] if config is not None else [ssh_folder / "config", _SYSTEM_CONFIG]
    if (unread := next((path for path in files if path.exists()), None)) is not None:
        raise ConfigError(
            f"{str(unread)!r} can't be read without the program ssh: install the OpenSSH client", field="host"
        )
    found = {
        "identityfile": [str(ssh_folder / name) for name in ("id_rsa", "id_ecdsa", "id_ed25519")],
        "userknownhostsfile": [str(ssh_folder / "known_hosts")],
        "globalknownhostsfile": ["/etc/ssh/ssh_known_hosts"],
    }
    if overrides.hostname is not None:
        found["hostname"] = [overrides.hostname]
    if jump.user is not None:
        found["user"] = [jump.user]
    if jump.port is not None:
        found["port"] = [str(jump.port)]
    return parse_settings(found, jump.host, {})
