"""Runs `ssh -G` to read the settings of a host. Nothing else reads the ssh config."""

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
from flow_core.ssh.settings import HostSettings, Jump, check_host_name, check_user_name, get_account_home, get_home
from flow_core.ssh.ssh_config_parser import SshOptions, parse_settings, read_options

_DEADLINE_S = 10.0
_MAX_HOPS = 8
_SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
_FORK_ERROR = "Cannot fork into background"
_DEFAULTS: dict[str, SshOptions] = {}


@dataclass(frozen=True, slots=True)
class SshConfigOverrides:
    """Settings from outside the ssh config. They override the config, like ssh's command line."""

    hostname: str | None = None
    user: str | None = None
    port: int | None = None

    def build_words(self) -> list[str]:
        name = [] if self.hostname is None else ["-o", f"HostName={self.hostname.replace('%', '%%')}"]
        user = [] if self.user is None else ["-l", self.user]
        return [*name, *user, *([] if self.port is None else ["-p", str(self.port)])]


async def find_settings(
    host: str, *, config: Path | None = None, overrides: SshConfigOverrides = SshConfigOverrides()
) -> HostSettings:
    """Returns the settings of a host and its jump hosts from the user's ssh config, or from `config` alone.

    Runs the commands of `Match exec`, as ssh does. Raises ConfigError, and Unreachable after 10 s.
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
        raise ConfigError(f"ProxyJump: the jump hosts of {seen[0].host!r} form a loop", field="ProxyJump")
    settings, jumps = await _query(jump, config, hostname)
    if not jumps:
        return settings
    nearest = await _resolve(jumps[0], config, (*seen, jump))
    # As in `ssh -J a,b`: only the first jump host uses its own ProxyJump; the others follow one another.
    rest = [(await _query(other, config))[0] for other in jumps[1:]]
    return replace(settings, hops=(*nearest.hops, replace(nearest, hops=()), *rest), proxy_command=None)


async def _query(jump: Jump, config: Path | None, hostname: str | None = None) -> tuple[HostSettings, tuple[Jump, ...]]:
    ssh = shutil.which("ssh")
    overrides = SshConfigOverrides(hostname, jump.user, jump.port)
    if ssh is None:
        return _use_defaults(jump, overrides, config)
    found = await _query_ssh_options(ssh, [*_config_words(config), *overrides.build_words()], jump.host)
    return parse_settings(found, jump.host, await _defaults(ssh))


async def _query_ssh_options(ssh: str, words: Sequence[str], host: str) -> SshOptions:
    """Returns the options that `ssh -G` resolves for the host."""
    try:
        return read_options(await _run_ssh_g((ssh, "-G", *words, "--", host), host))
    except ConfigError as error:
        if _FORK_ERROR not in error.message:
            raise
    # With this option, ssh requires a command and prints nothing without one.
    text = await _run_ssh_g((ssh, "-G", "-o", "ForkAfterAuthentication=no", *words, "--", host), host)
    return {**read_options(text), "forkafterauthentication": ["yes"]}


async def _defaults(ssh: str) -> SshOptions:
    """Returns the options that ssh prints without any config. They do not change while this process runs."""
    if ssh not in _DEFAULTS:
        _DEFAULTS[ssh] = await _query_ssh_options(ssh, ["-F", "none"], "host")
    return _DEFAULTS[ssh]


def _config_words(config: Path | None) -> Sequence[str]:
    """Returns the words that select the config. ssh takes the home from the password database; flow obeys $HOME."""
    if config is not None:
        return ("-F", str(config))
    if get_home() == get_account_home():
        return ()
    user_config = get_home() / ".ssh" / "config"
    return ("-F", str(user_config) if user_config.exists() else "none")


async def _run_ssh_g(argv: Sequence[str], host: str) -> str:
    """Returns the output of the command; `host` is only for error messages. Raises Unreachable, ConfigError."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            out, err = await process.communicate()
    except TimeoutError:
        raise Unreachable(
            f"`ssh -G {host}` did not answer within {_DEADLINE_S:g} s; check Match exec in the ssh config"
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # includes the commands of Match exec, which hold the pipes
            await process.wait()
    if process.returncode:
        error_lines = err.decode("utf-8", "replace").strip().splitlines() or ["it gave no reason"]
        raise ConfigError(f"ssh can't use its config for {host!r}: {error_lines[0]!r}", field="host")
    return out.decode("utf-8", "replace")


def _use_defaults(
    jump: Jump, overrides: SshConfigOverrides, config: Path | None
) -> tuple[HostSettings, tuple[Jump, ...]]:
    """Returns ssh's own defaults. Raises ConfigError if a config exists, since only ssh can read it."""
    ssh_folder = get_home() / ".ssh"
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
